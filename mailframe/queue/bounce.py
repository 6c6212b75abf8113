"""Delivery status reports as bytes (RFC 3461 to 3464, RFC 6533) [pure]."""

from __future__ import annotations

import re
from binascii import b2a_base64, b2a_qp
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b

from mailframe.mime.date import mail_date
from mailframe.model.address import Address
from mailframe.model.envelope import Envelope

from .item import Entry
from .words import explanation, subject

MAX_TEXT = 700                       # characters of what another server said: with its field name still one line
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_PLAIN = re.compile(r"[^!-*,-<>-\[\]-~]")    # not QCHAR of RFC 6533 section 3


@dataclass(frozen=True, slots=True)
class Report:
    """What a sender is told about one message."""

    id: str                          # of the report: its Message-ID and boundary are made of it
    hostname: str
    envelope: Envelope               # of the message; has a sender
    arrived: float
    now: float
    entries: tuple[Entry, ...]       # at least one
    original: bytes                  # the whole message, or its header block
    whole: bool                      # which of the two


def render(report: Report) -> bytes:
    """The report as a message with CRLF line ends, for the sender's address with a null reverse-path."""
    wide = report.envelope.sender is not None and report.envelope.sender.needs_smtputf8
    boundary = _boundary(report)
    parts = (
        _text(explanation(report.hostname, report.arrived, report.entries, report.whole)),
        _status(report, wide),
        _returned(report, wide),
    )
    body = b"".join(b"--%b\r\n%b\r\n" % (boundary, part) for part in parts)
    return _header(report, boundary) + body + b"--%b--\r\n" % boundary


def one_line(text: str, most: int = MAX_TEXT) -> str:
    """`text` on one line, at most `most` characters: nothing from outside begins a line of its own."""
    return _UNSAFE.sub(" ", text[:most]).strip()


def _header(report: Report, boundary: bytes) -> bytes:
    envelope, host = report.envelope, report.hostname
    lines = (
        f"From: Mail Delivery System <MAILER-DAEMON@{host}>",
        f"To: <{one_line(str(envelope.sender))}>",
        f"Subject: {subject([entry.action for entry in report.entries])}",
        f"Date: {mail_date(report.now)}",
        f"Message-ID: <{one_line(report.id)}@{host}>",
        *_threading(report.original),
        "Auto-Submitted: auto-replied",          # RFC 3834 section 5
        "MIME-Version: 1.0",
        "Content-Type: multipart/report; report-type=delivery-status;",
        f'\tboundary="{boundary.decode()}"',
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def _threading(original: bytes) -> list[str]:
    """References to the message, so that mail programs show the report beside it."""
    found = re.search(rb"(?:\A|\n)message-id[ \t]*:[ \t\r\n]*(<[!-;=?-~]{1,250}>)", original[:65_536], re.IGNORECASE)
    if found is None:
        return []
    return [f"In-Reply-To: {found[1].decode('ascii')}", f"References: {found[1].decode('ascii')}"]


def _text(text: str) -> bytes:
    octets = text.replace("\n", "\r\n").encode()
    if octets.isascii():
        return b"Content-Type: text/plain; charset=us-ascii\r\n\r\n" + octets
    encoded = b2a_qp(octets, istext=True).replace(b"=\n", b"=\r\n")
    return b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + encoded


def _status(report: Report, wide: bool) -> bytes:
    envelope = report.envelope
    kind = b"global-delivery-status" if wide else b"delivery-status"
    groups = [[("Reporting-MTA", f"dns; {report.hostname}")]]
    if envelope.envid:
        groups[0].append(("Original-Envelope-Id", envelope.envid))
    groups[0].append(("Arrival-Date", mail_date(report.arrived)))
    if envelope.deliver_by is not None:
        groups[0].append(("Deliver-By-Date", mail_date(envelope.deliver_by.at)))        # RFC 2852 section 5
    if envelope.hold_until is not None:
        released = datetime.fromtimestamp(int(envelope.hold_until), UTC)
        groups[0].append(("Future-Release-Request", f"until; {released:%Y-%m-%dT%H:%M:%SZ}"))       # RFC 4865
    groups += [_recipient(entry, wide) for entry in report.entries]
    text = "\r\n".join("".join(f"{name}: {one_line(value)}\r\n" for name, value in group) for group in groups)
    if wide:
        return b"Content-Type: message/%b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n%b" % (kind, text.encode())
    return b"Content-Type: message/%b\r\n\r\n%b" % (kind, text.encode("ascii", "replace"))


def _recipient(entry: Entry, wide: bool) -> list[tuple[str, str]]:
    recipient, problem = entry.recipient, entry.problem
    fields = []
    if recipient.orcpt:
        kind, _, address = recipient.orcpt.partition(";")
        fields.append(("Original-Recipient", f"{kind.strip()};{address.strip() if wide else _narrow(address.strip(), kind)}"))
    fields.append(("Final-Recipient", _typed(recipient.address, wide)))
    fields += [("Action", entry.action), ("Status", problem.status)]
    if problem.mta and (problem.diagnostic or problem.served):
        fields.append(("Remote-MTA", f"dns; {problem.mta}"))            # who has said or taken something (RFC 3464 section 2.3.5)
    if problem.diagnostic:
        fields.append(("Diagnostic-Code", f"smtp; {problem.diagnostic}"))
    elif not problem.served:
        fields.append(("Diagnostic-Code", f"X-mailframe; {problem.text}"))       # our words are no reply of SMTP's (section 2.3.6)
    if entry.tried_at:
        fields.append(("Last-Attempt-Date", mail_date(entry.tried_at)))
    if entry.retry_until is not None:
        fields.append(("Will-Retry-Until", mail_date(entry.retry_until)))
    return fields


def _typed(address: Address, wide: bool) -> str:
    text = str(address)
    if text.isascii():
        return f"rfc822; {text}"
    return f"utf-8; {text if wide else _narrow(text, 'utf-8')}"


def _narrow(address: str, kind: str) -> str:
    """`address` in ASCII: as utf-8-addr-xtext where its type allows it (RFC 6533 section 3)."""
    if kind.strip().lower() != "utf-8":
        return address
    return _PLAIN.sub(lambda found: f"\\x{{{ord(found[0]):X}}}", address)


def _returned(report: Report, wide: bool) -> bytes:
    """The message or its header, as it came; in base64 where raw UTF-8 could not travel (RFC 6533 section 6)."""
    octets = report.original
    if report.envelope.smtputf8 and not octets.isascii():
        kind = b"message/global" if report.whole else b"message/global-headers"
        if not wide:
            return b"Content-Type: %b\r\nContent-Transfer-Encoding: base64\r\n\r\n%b" % (kind, _base64(octets))
    else:
        kind = b"message/rfc822" if report.whole else b"text/rfc822-headers"
    encoding = b"" if octets.isascii() else b"Content-Transfer-Encoding: 8bit\r\n"
    return b"Content-Type: %b\r\n%b\r\n%b" % (kind, encoding, octets)


def _base64(octets: bytes) -> bytes:
    return b"".join(b2a_base64(octets[at:at + 57], newline=False) + b"\r\n" for at in range(0, len(octets), 57))


def _boundary(report: Report) -> bytes:
    """One that the message does not contain; made of its own digest, so that nobody can foresee it."""
    seed = report.id.encode("utf-8", "replace") + report.original
    boundary = b"=_" + blake2b(seed, digest_size=15).hexdigest().encode()
    while boundary in report.original:
        boundary = b"=_" + blake2b(boundary + seed, digest_size=15).hexdigest().encode()
    return boundary
