"""The header lines that a mail server puts in front of a message [pure]; nothing from the wire can add a line of its own."""

from __future__ import annotations

import re

from mailframe.mime.date import mail_date
from mailframe.model.address import Address
from mailframe.model.envelope import Envelope, Peer

from .ciphers import suite

MAX_VALUE = 255                     # characters of any one value from the wire: as long as a domain may be
_HELO = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?|\[[A-Za-z0-9.:]+\]")
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?")
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_COMMENT = re.compile(r"[^A-Za-z0-9 ._:/=+-]")
_NOT_SOLICITATION = re.compile(r"[^A-Za-z0-9._:,-]")
_PROTOCOL = re.compile(r"[^A-Za-z0-9]")
_ID = re.compile(r"[^A-Za-z0-9._-]")
_FIELD = re.compile(rb"\r?\n|[!-9;-~]+[ \t]*:")     # or the empty line that ends an empty header
_RECEIVED = re.compile(rb"\nreceived[ \t]*:")      # in lower case: regardless of it, each octet would be tried


def clean(text: str) -> str:
    """`text` on one line: control characters, line separators and lone surrogates become "?"."""
    return _UNSAFE.sub("?", text[:MAX_VALUE])


def word(text: str) -> str:
    """`text` as one of our ids, in which only letters, digits, dots and hyphens stand."""
    return _ID.sub("", text[:MAX_VALUE]) or "unknown"


def received(envelope: Envelope, hostname: str, only_recipient: Address | None = None, hide_client: bool = False) -> bytes:
    """The Received: field of this hop, complete with CRLF (RFC 5321 section 4.4, RFC 3848, RFC 8314 section 4.3).

    `only_recipient` is shown in a "for" clause; leave it out when there are several, since it would tell each of the others.
    `hide_client` leaves out who submitted (their home address is nobody's concern).
    """
    peer = envelope.peer
    client = "" if hide_client or peer.local_origin else _client(peer)
    start = f"from {client}\r\n\t" if client else ""
    tls = f" ({_COMMENT.sub('?', peer.tls[:MAX_VALUE])})" if peer.tls else ""
    protocol = _PROTOCOL.sub("", peer.protocol[:32]) or "SMTP"
    how = "" if peer.local_origin else f" with {protocol}{tls}{_asked(envelope)}"
    line = f"Received: {start}by {clean(hostname)}{how}\r\n\tid {word(envelope.id)}"
    if only_recipient is not None:
        line += f"\r\n\tfor <{mailbox(only_recipient)}>"
    if cipher := suite(peer.tls):
        line += f"\r\n\ttls {cipher}"
    if envelope.priority:
        line += f"\r\n\tPRIORITY {envelope.priority}"          # RFC 6710: a clause behind all others
    return f"{line};\r\n\t{mail_date(envelope.received_at)}\r\n".encode()


def _asked(envelope: Envelope) -> str:
    """What SOLICIT= said (RFC 3865 section 2.6)."""
    if not envelope.solicitation:
        return ""
    return f"\r\n\t(SOLICIT={_NOT_SOLICITATION.sub('', envelope.solicitation)})"


def return_path(sender: Address | None) -> bytes:
    """The envelope's sender as the last hop keeps it (RFC 5321 section 4.4)."""
    return f"Return-Path: <{mailbox(sender)}>\r\n".encode() if sender else b"Return-Path: <>\r\n"


def delivered_to(address: Address) -> bytes:
    """Which address a copy was for, where several lead to one mailbox."""
    return f"Delivered-To: {mailbox(address)}\r\n".encode()


def hops(header: bytes) -> int:
    """How many servers a message has passed: its Received fields (RFC 5321 section 6.3)."""
    return len(_RECEIVED.findall(b"\n" + header.lower()))


def gap(header: bytes) -> bytes:
    """The empty line that our fields need behind them when a message begins with its text, without any header."""
    return b"" if begins_header(header) else b"\r\n"


def begins_header(octets: bytes) -> bool:
    """Whether a message that begins with `octets` has a header, if only an empty one, and does not begin with its text."""
    return not octets or _FIELD.match(octets) is not None


def _client(peer: Peer) -> str:
    """Its name and address; the name alone, or "", for who came through a Unix socket."""
    literal = f"[IPv6:{peer.ip}]" if ":" in peer.ip else f"[{peer.ip}]"
    literal = re.sub(r"[^A-Za-z0-9.:\[\]]", "?", literal[:MAX_VALUE])
    helo, name = peer.helo[:MAX_VALUE], peer.name[:MAX_VALUE]
    named = _HELO.fullmatch(helo) is not None
    if not peer.ip:
        return helo if named else ""
    known = f"{name} " if _NAME.fullmatch(name) else ""
    return f"{helo if named else literal} ({known}{literal})"


def mailbox(address: Address) -> str:
    """As `str(address)`; its local part has at most 255 octets already, so nothing is cut."""
    return _UNSAFE.sub("?", str(address))
