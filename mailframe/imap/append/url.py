"""IMAP URLs that name a message or a piece of one (RFC 5092 section 11): from octets to a value. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote_from_bytes, unquote_to_bytes

from ..names import canonical
from ..numset import MAX_NUMBER

MAX_URL_OCTETS = 8_192      # a mailbox name of a thousand octets, percent-encoded, and a long section fit
MAX_OFFSET = (1 << 63) - 1
TO_THE_END = 1 << 62        # the size of a partial that has none

_ACHAR = r"(?:[A-Za-z0-9\-._~!$'()*+,&=]|%[0-9A-Fa-f]{2})"
_BCHAR = r"(?:[A-Za-z0-9\-._~!$'()*+,&=:@/]|%[0-9A-Fa-f]{2})"
_SERVER = re.compile((
    rf"//(?:({_ACHAR}+)?(?:;AUTH=(?:\*|{_ACHAR}+))?@)?"
    rf"(\[[0-9A-Fa-f:.]+\]|{_ACHAR}+)(?::([0-9]{{0,5}}))?(?=/)").encode(), re.IGNORECASE)
_MESSAGE = re.compile((
    rf"(?:/({_BCHAR}+)(?:;UIDVALIDITY=([0-9]{{1,10}}))?/)?;UID=([0-9]{{1,10}})"
    rf"(?:/;SECTION=({_BCHAR}+))?(?:/;PARTIAL=([0-9]{{1,19}})(?:\.([0-9]{{1,19}}))?)?").encode(), re.IGNORECASE)
_AUTHORITY = re.compile((
    r"(?:;EXPIRE=([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]{1,20})?(Z|[+-][0-9]{2}:[0-9]{2}))?"
    rf";URLAUTH=(?:(SUBMIT|USER)\+({_ACHAR}+)|(AUTHUSER|ANONYMOUS))").encode(), re.IGNORECASE)
_VERIFIER = re.compile(rb":([A-Za-z0-9.-]{1,64}):([0-9A-Fa-f]{32,256})")
_SAID = "!\"#$&'()*+,/:;<=>?@[\\^_`{|}~%"      # what stands as it is where a URL is told: visible ASCII but for "]"


class NotOfThisKind(ValueError):
    """It is no IMAP URL, or one that names no message."""


@dataclass(frozen=True, slots=True)
class Server:
    """``iserver``; how to log in there is left out."""

    host: str                       # in lower case
    user: str | None = None
    port: int | None = None


@dataclass(frozen=True, slots=True)
class MessageUrl:
    """``imessagepart``, absolute or relative: `server` None is the one that is asked, `mailbox` None the selected one."""

    uid: int
    mailbox: str | None = None
    server: Server | None = None
    uidvalidity: int | None = None
    section: bytes = b""            # as between the brackets of BODY[...]; b"" is the whole message
    partial: tuple[int, int] | None = None      # (offset, size), the size perhaps TO_THE_END


@dataclass(frozen=True, slots=True)
class AuthorizedUrl:
    """``authimapurlfull``, or a rump that is still to be signed: who may fetch a message of another's (RFC 4467 section 3)."""

    message: MessageUrl
    server: Server
    mailbox: str
    owner: str
    rump: bytes                     # what is signed: everything up to the verifier
    access: str                     # "submit", "user", "authuser" or "anonymous"
    user: str | None = None         # whose session may, with "submit" and "user"
    expires: float | None = None    # seconds since the epoch
    mechanism: bytes = b""          # in upper case; b"" of a rump
    token: bytes = b""              # in lower case


def parse_authorized(octets: bytes) -> AuthorizedUrl:
    """Raises NotOfThisKind with a sentence."""
    place = _authority_place(octets)
    found = _AUTHORITY.match(octets, place) if place >= 0 else None
    if found is None:
        raise NotOfThisKind("No access identifier in the URL")
    verifier = _VERIFIER.fullmatch(octets, found.end())
    if verifier is None and found.end() < len(octets):
        raise NotOfThisKind("Bad verifier in the URL")
    message = parse(octets[:place])
    if message.server is None or message.server.user is None or message.mailbox is None:
        raise NotOfThisKind("No owner in the URL")
    expires, zone, kind, user, anyone = found.groups()
    return AuthorizedUrl(
        message, message.server, message.mailbox, message.server.user, octets[:found.end()],
        (kind or anyone).decode("ascii").lower(), None if user is None else _text(user),
        None if expires is None else _moment(expires + zone),
        verifier[1].upper() if verifier else b"", verifier[2].lower() if verifier else b"")


def _authority_place(octets: bytes) -> int:
    """Where the message part ends; -1 if nothing follows it."""
    lower = octets.lower()
    place = lower.find(b";expire=")
    return place if place >= 0 else lower.find(b";urlauth=")


def _moment(text: bytes) -> float:
    try:
        return datetime.fromisoformat(text.decode("ascii").upper().replace("Z", "+00:00")).timestamp()
    except (ValueError, OverflowError):
        raise NotOfThisKind("No such moment") from None


def parse(octets: bytes) -> MessageUrl:
    """Raises NotOfThisKind with a sentence. Dot segments are not resolved: a level "." or ".." has to be percent-encoded."""
    if len(octets) > MAX_URL_OCTETS:
        raise NotOfThisKind("URL too long")
    server, place = _server(octets)
    found = _MESSAGE.fullmatch(octets, place)
    if found is None or (server is not None and found[1] is None):
        raise NotOfThisKind("Not the URL of a message")
    mailbox, uidvalidity, uid, section, offset, size = found.groups()
    partial = None
    if offset is not None:
        partial = _number(offset, 0, MAX_OFFSET), TO_THE_END if size is None else _number(size, 1, MAX_OFFSET)
    return MessageUrl(
        _number(uid, 1, MAX_NUMBER), None if mailbox is None else _mailbox(mailbox), server,
        None if uidvalidity is None else _number(uidvalidity, 1, MAX_NUMBER), unquote_to_bytes(section or b""), partial)


def told(octets: bytes) -> bytes:
    """A client's URL as a response code may name it (``url-resp-text``, RFC 4469 section 5), whatever it was."""
    return quote_from_bytes(octets[:MAX_URL_OCTETS], _SAID).encode("ascii")


def _server(octets: bytes) -> tuple[Server | None, int]:
    """What stands before the path, and where the path begins."""
    scheme = octets[:5].lower() == b"imap:"
    place = 5 if scheme else 0
    if not octets.startswith(b"//", place):
        if scheme:
            raise NotOfThisKind("No server in the URL")
        return None, 0
    found = _SERVER.match(octets, place)
    if found is None:
        raise NotOfThisKind("Bad server in the URL")
    user, host, port = found.groups()
    return Server(_text(host).lower(), None if user is None else _text(user), int(port) if port else None), found.end()


def _mailbox(encoded: bytes) -> str:
    if not {b".", b".."}.isdisjoint(encoded.split(b"/")):
        raise NotOfThisKind("Dot segments are not resolved")
    return canonical(_text(encoded))


def _text(encoded: bytes) -> str:
    try:
        return unquote_to_bytes(encoded).decode("utf-8")
    except UnicodeDecodeError:
        raise NotOfThisKind("Not UTF-8") from None


def _number(digits: bytes, least: int, greatest: int) -> int:
    value = int(digits)
    if not least <= value <= greatest:
        raise NotOfThisKind("Number out of range")
    return value
