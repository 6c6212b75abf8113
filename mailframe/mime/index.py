"""Where a message's header, parts and bodies lie, and what each part's header says of it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Self

from .parameters import Parameters

# Packed: one octet for the width of the numbers, all numbers, all strings end to end. See `_numbers` for their order.
_CODES = "HIQ"      # the narrowest that will do
_SIZES = {ord(code): struct.calcsize("<" + code) for code in _CODES}


@dataclass(slots=True)
class Part:
    """One MIME entity: its header lies from `start` to `body`, its body from `body` to `end` (offsets in the message).

    Names and tokens are in lower case, values as they came but without quoting; None where the field is missing.
    The header includes its empty line, the body excludes the line end that belongs to the delimiter after it.
    """

    parent: int                                     # in `Index.parts`; -1 for the message itself
    start: int
    body: int = 0
    end: int = 0
    lines: int = 0                                  # line ends in the body
    maintype: bytes = b"text"
    subtype: bytes = b"plain"
    parameters: Parameters = ((b"charset", b"us-ascii"),)
    encoding: bytes = b"7bit"
    id: bytes | None = None
    description: bytes | None = None
    md5: bytes | None = None
    disposition: tuple[bytes, Parameters] | None = None
    language: tuple[bytes, ...] = ()
    location: bytes | None = None
    envelope: bytes | None = None                   # finished ENVELOPE of a message inside a message part

    @property
    def is_multipart(self) -> bool:
        return self.maintype == b"multipart"

    @property
    def is_message(self) -> bool:
        """Whether a whole message is its body, and its only child (RFC 2046 section 5.2.1, RFC 6532 section 3.7)."""
        return self.maintype == b"message" and self.subtype in (b"rfc822", b"global")

    def parameter(self, name: bytes) -> bytes | None:
        """The value of the first parameter `name` (lower case)."""
        for key, value in self.parameters:
            if key == name:
                return value
        return None


@dataclass(slots=True)
class Index:
    """The parts of one message in the order in which they begin, each after its parent. There is always the first."""

    parts: list[Part]

    @property
    def size(self) -> int:
        """Octets of the whole message."""
        return self.parts[0].end

    def children(self, number: int) -> list[int]:
        """Which parts lie directly in part `number`: a multipart has at least one, a message part exactly one."""
        return [child for child, part in enumerate(self.parts) if part.parent == number]

    def pack(self, head: int = 0) -> bytes:
        """A compact form to be kept beside the message; `unpack` reads it.

        With `head` so many octets of complete header lines without MIME fields stand in front of the message.
        """
        numbers: list[int] = [len(self.parts)]
        strings: list[bytes] = []
        for part in self.parts:
            _numbers(part, numbers, strings, head)
        numbers[2] = self.parts[0].start        # the message begins where its head does
        for code in _CODES:
            try:
                return b"".join((code.encode(), struct.pack(f"<I{len(numbers)}{code}", len(numbers), *numbers), *strings))
            except struct.error:                # a number is too large
                continue
        raise ValueError("beyond what 64 bits count")

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """Raises ValueError for what `pack` did not write."""
        try:
            (count,) = struct.unpack_from("<I", packed, 1)
            numbers = struct.unpack_from(f"<{count}{chr(packed[0])}", packed, 5)
            reader = _Unpacker(packed, numbers, 5 + count * _SIZES[packed[0]])
            return cls([reader.part() for _ in range(reader.number())])
        except (struct.error, IndexError, KeyError, OverflowError) as error:
            raise ValueError(f"not a packed MIME index: {error}") from None


def _numbers(part: Part, numbers: list[int], strings: list[bytes], by: int) -> None:
    mine = [part.maintype, part.subtype, part.encoding]
    mask = shown = 0
    if not (part.id is part.description is part.md5 is part.location is part.envelope is None):
        for bit, text in enumerate((part.id, part.description, part.md5, part.location, part.envelope)):
            if text is not None:
                mask |= 1 << bit
                mine.append(text)
    for pair in part.parameters:
        mine += pair
    if part.disposition is not None:
        mine.append(part.disposition[0])
        for name, value in part.disposition[1]:
            mine += (name, value)
        shown = len(part.disposition[1]) + 1
    mine += part.language
    numbers += (
        part.parent + 1, part.start + by, part.body + by, part.end + by, part.lines, mask, len(part.parameters), shown,
        len(part.language),
    )
    numbers += map(len, mine)
    strings += mine


class _Unpacker:
    """Takes numbers and strings in the order in which `_numbers` put them."""

    def __init__(self, packed: bytes, numbers: tuple[int, ...], at: int) -> None:
        self.packed, self.numbers, self.place, self.at = packed, numbers, 0, at

    def number(self) -> int:
        self.place += 1
        return self.numbers[self.place - 1]

    def text(self) -> bytes:
        start = self.at
        self.at += self.number()
        return self.packed[start:self.at]

    def pairs(self, count: int) -> Parameters:
        return tuple([(self.text(), self.text()) for _ in range(count)])

    def part(self) -> Part:
        parent, start, body, end, lines, mask, parameters, shown, language = [self.number() for _ in range(9)]
        part = Part(parent - 1, start, body, end, lines, self.text(), self.text(), (), self.text())
        if mask:
            part.id, part.description, part.md5, part.location, part.envelope = [
                self.text() if mask >> bit & 1 else None for bit in range(5)
            ]
        part.parameters = self.pairs(parameters)
        if shown:
            part.disposition = (self.text(), self.pairs(shown - 1))
        part.language = tuple([self.text() for _ in range(language)])
        return part
