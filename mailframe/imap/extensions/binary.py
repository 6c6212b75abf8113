"""BINARY (RFC 3516, and RFC 9051 section 6.4.5): parts without their transfer encoding, in literals that may hold a NUL."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from mailframe.mime.index import Part
from mailframe.mime.section import locate_part
from mailframe.mime.text import decode_transfer
from mailframe.mime.transfer import IDENTITIES, decoder_for
from mailframe.model.mailbox import Field
from mailframe.model.refusal import Refusal

from .. import writer
from ..cursor import Cursor
from ..items.item import FetchItem, Made, Ready, Section, Span
from ..items.message import SLICE, Message
from ..items.sections import part_number, partial
from ..registry import Extension, State

TO_THE_END = 1 << 62
MAX_LINE = 999          # octets of a line, with its CR, that is no binary data yet (RFC 2045 section 2.7)

_OPEN = re.compile(rb"<([0-9]{1,10})>")


class UnknownEncoding(Refusal):
    public, imap_code = "A part's transfer encoding is not known here", b"UNKNOWN-CTE"


@dataclass(frozen=True, slots=True)
class Decoded:
    """``BINARY[1.2]<0.100>``: a part, or all of the message when `part` is ()."""

    label: bytes
    sets_seen: bool
    part: tuple[int, ...]
    piece: tuple[int, int] | None       # (offset, size) of the decoded octets
    fields: Field = Field.INDEX

    async def find(self, message: Message) -> Ready | Made | None:
        span = await _span(message, self.part)
        if span is None:
            return None
        where, encoding = span
        if where.size <= SLICE:
            octets = _whole(await message.read(where.offset, where.size), encoding)
            if self.piece is not None:
                octets = octets[self.piece[0]:sum(self.piece)]
            return Ready(writer.literal8(octets))
        offset, limit = self.piece or (0, TO_THE_END)
        size = max(0, min(await _size(message, where, encoding) - offset, limit))
        return Made(size, _cut(_pieces(message, where, encoding), offset, size))


@dataclass(frozen=True, slots=True)
class DecodedSize:
    """``BINARY.SIZE[1.2]``; 0 where there is no such part."""

    label: bytes
    part: tuple[int, ...]
    sets_seen: bool = False
    fields: Field = Field.INDEX

    async def find(self, message: Message) -> Ready:
        span = await _span(message, self.part)
        if span is None:
            return Ready(b"0")
        where, encoding = span
        if where.size <= SLICE:
            return Ready(b"%d" % len(_whole(await message.read(where.offset, where.size), encoding)))
        return Ready(b"%d" % await _size(message, where, encoding))


async def _span(message: Message, part: tuple[int, ...]) -> tuple[Span, bytes] | None:
    """Where the encoded octets stand, and how they are encoded; a part that holds parts has no encoding of its own."""
    if not part:
        return Span(0, await message.size()), b"binary"
    index = await message.index()
    number = locate_part(index, part)
    return None if number is None else _body(index.parts[number])


def _body(part: Part) -> tuple[Span, bytes]:
    encoding = b"binary" if part.is_multipart or part.is_message else part.encoding
    return Span(part.body, part.end - part.body), encoding


async def decoded_part(message: Message, part: Part) -> Part:
    """The part as it is when its octets come decoded: their number, their lines, and which of 7bit, 8bit and binary they are
    (RFC 5524 section 3.2). Raises UnknownEncoding."""
    where, encoding = _body(part)
    if encoding.lower() in IDENTITIES:
        return part
    size = lines = column = 0
    ascii, binary = True, False
    async for octets in _pieces(message, where, encoding):
        size += len(octets)
        lines += octets.count(b"\n")
        ascii = ascii and octets.isascii()
        binary = binary or b"\0" in octets or _longest(octets, column) > MAX_LINE
        column = len(octets) - octets.rfind(b"\n") - 1 if b"\n" in octets else column + len(octets)
    domain = b"binary" if binary else b"7bit" if ascii else b"8bit"
    return replace(part, end=part.body + size, lines=lines, encoding=domain)


def _longest(octets: bytes, column: int) -> int:
    """Of the lines in `octets`, of the first of which `column` octets came before."""
    first, *others = octets.split(b"\n")
    return max(column + len(first), *map(len, others)) if others else column + len(first)


def _whole(octets: bytes, encoding: bytes) -> bytes:
    if decoder_for(encoding) is None:
        raise UnknownEncoding
    return decode_transfer(octets, encoding)


async def _size(message: Message, where: Span, encoding: bytes) -> int:
    if encoding.lower() in IDENTITIES:
        return where.size
    size = 0
    async for octets in _pieces(message, where, encoding):
        size += len(octets)
    return size


async def _pieces(message: Message, where: Span, encoding: bytes) -> AsyncIterator[bytes]:
    decoder = decoder_for(encoding)
    if decoder is None:
        raise UnknownEncoding
    offset, end = where.offset, where.offset + where.size
    while offset < end:
        octets = await message.read(offset, min(SLICE, end - offset))
        if not octets:
            break
        offset += len(octets)
        yield decoder.feed(octets)
        await message.breathe()
    yield decoder.finish()


async def _cut(pieces: AsyncIterator[bytes], offset: int, size: int) -> AsyncIterator[bytes]:
    async for octets in pieces:
        skipped = min(offset, len(octets))
        offset -= skipped
        octets = octets[skipped:skipped + size]
        size -= len(octets)
        if octets:
            yield octets
        if not size:
            return


def _section(cursor: Cursor, word: bytes, sets_seen: bool) -> Section:
    """``section-binary ["<" number "." nz-number ">"]`` (RFC 3516 section 7)."""
    part = _part(cursor)
    piece = _to_the_end(cursor) or partial(cursor)
    label = b"%b[%b]" % (word, _numbers(part)) + (b"" if piece is None else b"<%d>" % piece[0])
    return Decoded(label, sets_seen, part, piece)


def _to_the_end(cursor: Cursor) -> tuple[int, int] | None:
    """``<40>``: from there on. It is in no grammar, but Dovecot takes it, and its test suite asks for it."""
    found = _OPEN.match(cursor.data, cursor.position)
    if found is None:
        return None
    cursor.position = found.end()
    return int(found[1]), TO_THE_END


def _size_item(cursor: Cursor) -> Section:
    part = _part(cursor)
    return DecodedSize(b"BINARY.SIZE[%b]" % _numbers(part), part)


def _part(cursor: Cursor) -> tuple[int, ...]:
    cursor.expect(b"[")
    part = part_number(cursor) if cursor.peek().isdigit() else ()
    cursor.expect(b"]")
    return part


def _numbers(part: tuple[int, ...]) -> bytes:
    return b".".join([b"%d" % number for number in part])


EXTENSION = Extension(
    capability=b"BINARY", rfc="3516", announced=State.LOGGED_IN,
    items=(
        FetchItem(b"BINARY", lambda cursor: _section(cursor, b"BINARY", True)),
        FetchItem(b"BINARY.PEEK", lambda cursor: _section(cursor, b"BINARY", False)),
        FetchItem(b"BINARY.SIZE", _size_item),
    ),
)
