"""Mailbox names on the wire: modified UTF-7 (RFC 3501 section 5.1.3)."""

from __future__ import annotations

import binascii
import re

_RUN = re.compile(r"[^\x20-\x7e]+")
_SHIFTED = re.compile(rb"&([A-Za-z0-9+,]*)-")


def encode(name: str) -> bytes:
    """The name as printable US-ASCII; "&" becomes "&-"."""
    if name.isascii() and name.isprintable():
        return name.replace("&", "&-").encode("ascii")
    return _RUN.sub(_shift, name.replace("&", "&-")).encode("ascii")


def _shift(match: re.Match[str]) -> str:
    octets = match[0].encode("utf-16-be", "surrogatepass")
    return "&" + binascii.b2a_base64(octets, newline=False).rstrip(b"=").replace(b"/", b",").decode("ascii") + "-"


def decode(octets: bytes, *, lenient: bool = False) -> str:
    """The name again. Raises ValueError for 8-bit octets, a shift without end, and, unless `lenient`, what `encode` would
    write otherwise (other servers' folders: Courier's, say, have a shifted "." for one that parts no levels)."""
    if not octets.isascii():
        raise ValueError("8-bit octets in a modified UTF-7 name")
    if b"&" not in octets:
        return octets.decode("ascii")
    parts: list[str] = []
    position = 0
    while (start := octets.find(b"&", position)) >= 0:
        match = _SHIFTED.match(octets, start)
        if match is None:
            raise ValueError("an unfinished & in a modified UTF-7 name")
        parts.append(octets[position:start].decode("ascii"))
        parts.append(_unshift(match[1]) if match[1] else "&")
        position = match.end()
    parts.append(octets[position:].decode("ascii"))
    name = "".join(parts)
    if not lenient and encode(name) != octets:
        raise ValueError("superfluous shift in a modified UTF-7 name")
    return name


def _unshift(text: bytes) -> str:
    padded = text.replace(b",", b"/") + b"=" * (-len(text) % 4)
    try:
        return binascii.a2b_base64(padded, strict_mode=True).decode("utf-16-be")
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("bad base64 in a modified UTF-7 name") from None
