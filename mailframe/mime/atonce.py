"""The common message at once: its octets in hand, CRLF throughout its headers, every multipart with parts and each in its place.

That is nearly all of mail, and takes half the time of `scan.Scanner`, which must be ready to go on with octets to come and knows
what broken mail means. Whatever is not common is left to it, and the tests hold both to the same answer.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from .describe import CONTENT_FIELDS, describe, is_transparent
from .envelope import ENVELOPE_FIELDS, envelope_of
from .header import chosen_fields
from .index import Part
from .limits import LIMITS
from .links import LINK_FIELDS

Fields = list[tuple[bytes, bytes]]

WANTED = CONTENT_FIELDS | ENVELOPE_FIELDS | LINK_FIELDS
LONGEST = 65_536        # octets; beyond it what is left to the scanner after all would be read twice to no purpose
_SHORT = 160            # octets of a part's header that is worth remembering: a type, an encoding, no name of a file
_REMEMBERED = 512       # such headers; "text/plain; charset=utf-8, quoted-printable" is on every other message


def read_at_once(octets: bytes) -> tuple[list[Part], Fields] | None:
    """The parts, and the `WANTED` fields of the message's own header; None when it is not so common after all."""
    if len(octets) > LONGEST or octets.startswith((b"\r\n", b"\n")):
        return None
    reader = _Reader(octets)
    return (reader.parts, reader.root) if reader.read() else None


class _Open(NamedTuple):
    """A part whose end is not known yet."""

    part: Part
    number: int
    passed: int             # line ends in the message before its body
    delimiter: bytes        # b"" where it is no multipart


class _Reader:
    """`_open` runs from the message down to the innermost open part; every method says False when this is not for us."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.parts: list[Part] = []
        self.root: Fields = []
        self._open: list[_Open] = []
        self._delimiters: dict[bytes, tuple[int, bool]] = {}    # line -> (place in _open, whether it closes)
        self._needle = b"\n--"                                  # with what all of them begin, the line end before included
        self._counted = self._passed = 0                        # up to which octet line ends were counted, and how many there were

    def read(self) -> bool:
        """Header, body up to the next delimiter, and so on."""
        start, parent, digest = 0, -1, False
        while True:
            part = self._header(start, parent, digest)
            if part is None:
                return False
            at = part.body - 1
            if part.maintype == b"message" and part.is_message:
                if not is_transparent(part):
                    return False
                start, parent, digest = part.body, len(self.parts) - 1, False
                continue
            closes = True
            while closes and self._delimiters:
                found = self._delimiter(at)
                if found is None:
                    return self._close(0, len(self.octets), 0)
                at, after, place, closes = found
                if at < 0 or not self._divide(at, place, closes):
                    return False
                at = after - 1
            if closes:
                return self._close(0, len(self.octets), 0)
            start, parent, digest = after, self._open[place].number, self._open[place].part.subtype == b"digest"

    def _header(self, start: int, parent: int, digest: bool) -> Part | None:
        """Opens the part that begins at `start`."""
        octets = self.octets
        before = start - 1 if start else 0
        stop = octets.find(b"\n\r\n", before)
        if stop < 0 or octets.find(b"\n\n", before, stop + 1) >= 0:
            return None
        if self._delimiters and octets.find(b"\n--", before, stop + 1) >= 0:
            return None                                         # perhaps a delimiter, which would cut it short
        body = stop + 3
        block = octets[start:body]
        if parent < 0 or self.parts[parent].maintype == b"message":
            part = Part(parent, start, body)
            found = chosen_fields(block, WANTED)
            describe(part, found, digest)
            if parent < 0:
                self.root = found
            else:
                self.parts[parent].envelope = envelope_of(found)
        else:
            part = Part(parent, start, body, 0, 0, *(_known if body - start <= _SHORT else _described)(block, digest))
        return part if self._opened(part) else None

    def _opened(self, part: Part) -> bool:
        body, place = part.body, len(self._open)
        self._passed += self.octets.count(b"\n", self._counted, body)
        self._counted = body
        delimiter = b""
        if part.maintype == b"multipart":
            boundary = (part.parameter(b"boundary") or b"").rstrip()
            delimiter = b"--" + boundary
            if not 0 < len(boundary) <= LIMITS.boundary_octets or delimiter in self._delimiters \
                    or delimiter + b"--" in self._delimiters:
                return False
            self._delimiters[delimiter] = (place, False)
            self._delimiters[delimiter + b"--"] = (place, True)
            self._needle = b"\n" + delimiter if len(self._delimiters) == 2 else b"\n--"
        self._open.append(_Open(part, len(self.parts), self._passed, delimiter))
        self.parts.append(part)
        return place + 1 < LIMITS.depth and len(self.parts) < LIMITS.parts

    def _delimiter(self, at: int) -> tuple[int, int, int, bool] | None:
        """(line end before it, where its line is over, place in `_open`, whether it closes) of the first delimiter line from
        the line end `at` on; None where there is none, -1 for the line end where a line is too long to say."""
        octets, size = self.octets, len(self.octets)
        while (at := octets.find(self._needle, at)) >= 0:
            end = octets.find(b"\n", at + 1)
            if end < 0:
                end = size
            if end - at > LIMITS.delimiter_octets:
                return -1, 0, 0, False
            hit = self._delimiters.get(octets[at + 1:end].rstrip(b" \t\r"))
            if hit is not None:
                return (at, end + 1, *hit) if end < size or hit[1] else (-1, 0, 0, False)
            at += 1
        return None

    def _divide(self, at: int, place: int, closes: bool) -> bool:
        """A delimiter line of `_open[place]` follows the line end `at`."""
        self._passed += self.octets.count(b"\n", self._counted, at + 1)
        self._counted = at + 1
        if not self._close(place + 1, at - 1 if self.octets[at - 1] == 13 else at, 1):
            return False
        if closes:
            closed = self._open[place]
            if closed.number == len(self.parts) - 1:
                return False                                    # no part in it
            self._open[place] = closed._replace(delimiter=b"")  # the rest is its epilogue
            self._forget(closed.delimiter)
        return True

    def _close(self, keep: int, end: int, line_end: int) -> bool:
        """End all but the outermost `keep` open parts before octet `end`; `line_end` of the lines passed are not theirs."""
        if not keep:
            self._passed += self.octets.count(b"\n", self._counted)
        while len(self._open) > keep:
            part, number, before, delimiter = self._open.pop()
            if part.body > end:                                 # the delimiter's line end is the header's
                return False
            part.end, part.lines = end, self._passed - line_end - before
            if delimiter:
                if number == len(self.parts) - 1:
                    return False
                self._forget(delimiter)
        return True

    def _forget(self, delimiter: bytes) -> None:
        del self._delimiters[delimiter], self._delimiters[delimiter + b"--"]
        self._needle = b"\n" + min(self._delimiters) if len(self._delimiters) == 2 else b"\n--"


def _described(block: bytes, digest: bool) -> tuple[object, ...]:
    """A `Part`'s fields from its maintype on, by its header."""
    part = Part(-1, 0)
    describe(part, chosen_fields(block, CONTENT_FIELDS), digest)
    return (part.maintype, part.subtype, part.parameters, part.encoding, part.id, part.description, part.md5, part.disposition,
            part.language, part.location)


_known = lru_cache(_REMEMBERED)(_described)
