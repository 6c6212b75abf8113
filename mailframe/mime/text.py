"""Text of headers and parts for searching and previews: decoded, without markup."""

from __future__ import annotations

import binascii
import re
from html import unescape

from .charset import decode
from .header import decode_words, fields, parse_addresses
from .index import Part
from .limits import LIMITS
from .words import unbase64

_ADDRESSES = frozenset({b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc"})
_UNUSUAL = re.compile(rb"[(\\]|\s@|@\s")
_RECEIVED = re.compile(rb"^received[ \t]*:", re.IGNORECASE | re.MULTILINE)
_INVISIBLE = re.compile(r"<!--.*?(?:-->|\Z)|<(script|style)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<(/?[a-zA-Z!][^<>]*)>")
_INLINE = re.compile(r"/?(?:a|abbr|b|big|code|em|font|i|mark|s|small|span|strong|sub|sup|tt|u)\b", re.IGNORECASE)
_REFERENCE = re.compile(r"&(#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,30});")


def decode_body(octets: bytes, encoding: bytes, charset: bytes | str) -> str:
    """Text of a part's body by its Content-Transfer-Encoding and charset, with LF line ends. Never raises.

    Broken base64 or quoted-printable is read as far as it goes; an unknown encoding is taken as none.
    """
    return decode(decode_transfer(octets, encoding), charset).replace("\r\n", "\n")


def decode_transfer(octets: bytes, encoding: bytes) -> bytes:
    """A body without its Content-Transfer-Encoding (RFC 2045 section 6)."""
    encoding = encoding.lower()
    if encoding == b"base64":
        return unbase64(octets)
    if encoding in _QUOTED_PRINTABLE:
        return binascii.a2b_qp(octets)
    return _uudecode(octets) if encoding in _UU else octets


_QUOTED_PRINTABLE = frozenset({b"quoted-printable", b"quoted printable", b"quotedprintable", b"qp"})
_UU = frozenset({b"x-uuencode", b"x-uue", b"uuencode", b"uue"})


def _uudecode(octets: bytes) -> bytes:
    found: list[bytes] = []
    begun = False
    for line in octets.splitlines():
        if not begun:
            begun = line.startswith(b"begin ")
        elif line == b"end":
            break
        else:
            try:
                found.append(binascii.a2b_uu(line))
            except binascii.Error:      # a damaged line is passed over
                continue
    return b"".join(found) if begun else octets


def strip_markup(html: str) -> str:
    """What HTML shows, cheaply: no comments, scripts, styles and tags, references replaced. For searching, not for display."""
    html = _TAG.sub(_gap, _without_hidden(html))
    return _REFERENCE.sub(_referred, html) if "&" in html else html


def _without_hidden(html: str) -> str:
    return _INVISIBLE.sub(" ", html) if "<" in html else html


def _gap(match: re.Match[str]) -> str:
    return "" if _INLINE.match(match[1]) else " "       # <b>W</b>ord is one word, cells of a table are several


def _referred(match: re.Match[str]) -> str:
    return unescape(match.group())


def header_text(block: bytes) -> str:
    """The fields of a header block, decoded and unfolded, one a line."""
    return "\n".join([f"{name.decode('ascii')}: {field_text(name, value)}" for name, value in fields(block[:LIMITS.header_octets])])


def field_text(name: bytes, value: bytes) -> str:
    """A field's value to be searched, decoded and unfolded. Addresses with comments or backslashes among them are there a second
    time as ENVELOPE has them, which is what FROM and its kin ask for (RFC 3501 section 6.4.4)."""
    text = decode_words(value)
    if name in _ADDRESSES and _UNUSUAL.search(value):
        return f"{text}\t{', '.join(_address_text(*address) for address in parse_addresses(value))}"
    return text


def _address_text(name: bytes | None, _: bytes | None, local: bytes | None, domain: bytes | None) -> str:
    """``name <local@domain>``; of a group's beginning its name."""
    address = (local or b"") if domain is None else b"<%b@%b>" % (local or b"", domain)
    return decode_words(address if name is None else name + b" " + address)


def part_text(body: bytes, part: Part) -> str:
    """Text of a text part by its `body`, HTML without its tags, line ends as they are: for searching."""
    text = decode(decode_transfer(body, part.encoding), part.parameter(b"charset") or b"")
    return strip_markup(text) if part.subtype in (b"html", b"xhtml") else text


def received_count(header_block: bytes) -> int:
    """How many Received fields there are: the hops so far (RFC 5321 section 6.3)."""
    return len(_RECEIVED.findall(header_block))
