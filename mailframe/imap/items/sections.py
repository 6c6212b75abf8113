"""BODY[...]<...>, BODY.PEEK and the RFC822 items: octets of a message (RFC 3501 section 6.4.5)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mailframe.mime.header import filter_fields
from mailframe.mime.section import Text
from mailframe.model.mailbox import Field

from .. import writer
from ..cursor import BadSyntax, Cursor
from .columns import Body
from .item import Column, FetchItem, Section, Span
from .message import MAX_HEADER, Message

_PART = re.compile(rb"[1-9][0-9]{0,9}(?:\.[1-9][0-9]{0,9}){0,200}")
_TEXTS: dict[bytes, Text] = {b"HEADER": "HEADER", b"TEXT": "TEXT", b"MIME": "MIME"}
_TEXT = re.compile(rb"HEADER\.FIELDS\.NOT|HEADER\.FIELDS|HEADER|TEXT|MIME", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Octets:
    """One section of a message, perhaps some of its fields alone, perhaps a piece of it."""

    label: bytes
    sets_seen: bool
    part: tuple[int, ...] = ()
    text: Text = ""
    names: frozenset[bytes] | None = None       # of HEADER.FIELDS, in lower case
    keep: bool = True                           # False: HEADER.FIELDS.NOT
    partial: tuple[int, int] | None = None      # (offset, size) within the section

    @property
    def fields(self) -> Field:
        return Field.INDEX if self.part else Field.NONE

    async def find(self, message: Message) -> Span | bytes | None:
        if not self.part and not self.text and self.partial is None:
            octets = await message.whole()
            return Span(0, await message.size()) if octets is None else octets
        found = await message.locate(self.part, self.text)
        if found is None:
            return None
        if self.names is None:
            return self._piece(Span(*found))
        block = await message.read(found[0], min(found[1], MAX_HEADER))
        octets = filter_fields(block, self.names, self.keep)
        if self.partial is not None:
            octets = octets[self.partial[0]:sum(self.partial)]
        return octets

    def _piece(self, span: Span) -> Span:
        if self.partial is None:
            return span
        offset, size = self.partial
        offset = min(offset, span.size)
        return Span(span.offset + offset, min(size, span.size - offset))


def section(cursor: Cursor, sets_seen: bool) -> Octets:
    """``"[" [section-spec] "]" ["<" number "." nz-number ">"]``"""
    cursor.expect(b"[")
    part, text, names, keep = _specification(cursor)
    cursor.expect(b"]")
    label = b"BODY[" + b".".join([b"%d" % number for number in part] + ([text.encode("ascii")] if text else []))
    if names is not None:
        label += (b".FIELDS " if keep else b".FIELDS.NOT ") + writer.parenthesized(map(writer.astring, names))
    piece = partial(cursor)
    label += b"]" if piece is None else b"]<%d>" % piece[0]
    return Octets(label, sets_seen, part, text, None if names is None else frozenset(map(bytes.lower, names)), keep, piece)


def _specification(cursor: Cursor) -> tuple[tuple[int, ...], Text, list[bytes] | None, bool]:
    """``section-spec``: part numbers; "", HEADER, TEXT or MIME; the fields of HEADER.FIELDS; whether those are kept."""
    if cursor.peek() == b"]":
        return (), "", None, True
    part: tuple[int, ...] = ()
    if cursor.peek().isdigit():
        part = part_number(cursor)
        if not cursor.take(b"."):
            return part, "", None, True
    word = cursor.match(_TEXT, "Section").group().upper()
    if word == b"MIME" and not part:
        raise BadSyntax("MIME needs a part number")
    if not word.startswith(b"HEADER.FIELDS"):
        return part, _TEXTS[word], None, True
    cursor.space()
    return part, "HEADER", cursor.list_of(cursor.astring), word == b"HEADER.FIELDS"


def part_number(cursor: Cursor) -> tuple[int, ...]:
    """``section-part``"""
    return tuple(map(int, cursor.match(_PART, "Part number").group().split(b".")))


def partial(cursor: Cursor) -> tuple[int, int] | None:
    """``["<" number "." nz-number ">"]``: (offset, size)."""
    if not cursor.take(b"<"):
        return None
    offset = cursor.number()
    cursor.expect(b".")
    size = cursor.nz_number()
    cursor.expect(b">")
    return offset, size


def _body(cursor: Cursor) -> Column | Section:
    return section(cursor, True) if cursor.peek() == b"[" else Body()


ITEMS: tuple[FetchItem, ...] = (
    FetchItem(b"BODY", _body),
    FetchItem(b"BODY.PEEK", lambda cursor: section(cursor, False)),
    FetchItem(b"RFC822", lambda cursor: Octets(b"RFC822", True)),
    FetchItem(b"RFC822.HEADER", lambda cursor: Octets(b"RFC822.HEADER", False, (), "HEADER")),
    FetchItem(b"RFC822.TEXT", lambda cursor: Octets(b"RFC822.TEXT", True, (), "TEXT")),
)
