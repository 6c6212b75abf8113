"""Header blocks: where they end, their fields, and what a field's value says."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice

from .address import Address, parse_addresses
from .date import parse_date
from .limits import LIMITS
from .parameters import Parameters, content_type, disposition
from .tokens import strip_comments
from .words import decode_words

__all__ = [
    "Address", "Parameters", "chosen_fields", "content_type", "decode_words", "disposition", "fields", "filter_fields", "has_field",
    "parse_addresses", "parse_date", "parted", "split_header", "strip_comments", "unfold", "with_fields_changed",
    "without_field",
]

# A field with its folding; consecutive matches touch, so that nothing is searched octet by octet.
_FIELD = re.compile(rb"^([!-9;-~]++)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)\n?", re.MULTILINE)


def split_header(octets: bytes) -> int:
    """Where the header block of a message ends, its empty line included; all of `octets` when there is none.

    Lines end in CRLF or LF. Lines that are no fields stay in the block: only an empty line ends it.
    """
    if octets.startswith((b"\r\n", b"\n")):
        return 2 if octets[0] == 13 else 1
    end = octets.find(b"\n\r\n")
    bare = octets.find(b"\n\n", 0, end + 1 if end >= 0 else len(octets))
    if bare >= 0:
        return bare + 2
    return end + 3 if end >= 0 else len(octets)


def fields(block: bytes, limit: int = LIMITS.header_fields) -> list[tuple[bytes, bytes]]:
    """The first `limit` fields of a header block: (name in lower case, value as it stands between colon and line end).

    Folding is kept (see `unfold`); lines that are no fields are left out.
    """
    if block.count(b"\n") <= limit:
        return [(name.lower(), value.rstrip(b"\r\n")) for name, value in _FIELD.findall(block)]
    return [(match[1].lower(), match[2].rstrip(b"\r\n")) for match in islice(_FIELD.finditer(block), limit)]


def chosen_fields(block: bytes, names: frozenset[bytes], limit: int = LIMITS.header_fields) -> list[tuple[bytes, bytes]]:
    """Those of `fields` whose names are in `names`, faster; a value may still have its line end's CR."""
    if block.count(b"\n") <= limit:
        return [(name, value) for written, value in _FIELD.findall(block) if (name := written.lower()) in names]
    return [field for field in fields(block, limit) if field[0] in names]


def unfold(value: bytes) -> bytes:
    """`value` on one line without white space around it (RFC 5322 section 2.2.3)."""
    if b"\n" in value:
        value = value.replace(b"\r\n", b"").replace(b"\n", b"")
    return value.strip()


def has_field(block: bytes, name: bytes) -> bool:
    """Whether a field `name` (any case) stands in `block`."""
    name, block = name.lower(), b"\n" + block.lower()      # regardless of case, a pattern is tried at each octet
    return b"\n" + name in block and re.search(rb"\n" + re.escape(name) + rb"[ \t]*:", block) is not None


def without_field(block: bytes, name: bytes) -> bytes:
    """`block` without the fields `name` (lower case); all else stays as it is."""
    return parted(block, frozenset({name}))[0]


def parted(block: bytes, names: frozenset[bytes]) -> tuple[bytes, bytes]:
    """(`block` without the fields `names`, in lower case; these fields as they stood), lines that are no fields in the first."""
    found: list[bytes] = []

    def take(field: bytes) -> bytes:
        found.append(field)
        return b""

    return with_fields_changed(block, names, take), b"".join(found)


def with_fields_changed(block: bytes, names: frozenset[bytes], change: Callable[[bytes], bytes]) -> bytes:
    """`block` with each of the fields `names` (in lower case) as `change` makes it of its octets, from name to line end."""
    return _FIELD.sub(lambda match: change(match.group()) if match[1].lower() in names else match.group(), block)


def filter_fields(block: bytes, names: frozenset[bytes], keep: bool) -> bytes:
    """HEADER.FIELDS (`keep`) or HEADER.FIELDS.NOT: the exact octets, ended by an empty line (RFC 3501 section 6.4.5).

    `names` are in lower case. Lines that are no fields belong to neither list, and are shown where nothing was asked for by name.
    """
    if keep:
        pieces = [match.group() for match in _FIELD.finditer(block) if match[1].lower() in names]
    else:
        pieces, at = [], 0
        for match in _FIELD.finditer(block):
            if match[1].lower() in names:
                pieces.append(block[at:match.start()])
                at = match.end()
        pieces.append(block[at:])
    text = b"".join(pieces)
    if not keep:
        text = text[:-2] if text.endswith((b"\n\r\n",)) or text == b"\r\n" else text
        text = text[:-1] if text.endswith(b"\n\n") or text == b"\n" else text
    if text and not text.endswith(b"\n"):
        text += b"\r\n"
    return text + b"\r\n"
