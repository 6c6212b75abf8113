"""The common message at once: its octets in hand, CRLF throughout its headers, every multipart with parts and each in its place.

That is nearly all of mail, and takes two thirds of the time of `scan.Scanner`, which must be ready to go on with octets to come
and knows what broken mail means. Whatever is not common is left to it, and the tests hold both to the same answer.
"""

from __future__ import annotations

from functools import lru_cache

from .describe import CONTENT_FIELDS, describe, is_transparent
from .envelope import ENVELOPE_FIELDS, envelope_of
from .header import chosen_fields
from .index import Part
from .limits import LIMITS
from .links import LINK_FIELDS
from .parameters import Parameters

Fields = list[tuple[bytes, bytes]]
_Said = tuple[
    bytes, bytes, Parameters, bytes, bytes | None, bytes | None, bytes | None, tuple[bytes, Parameters] | None, tuple[bytes, ...],
    bytes | None,
]

WANTED = CONTENT_FIELDS | ENVELOPE_FIELDS | LINK_FIELDS
LONGEST = 65_536        # octets; beyond it what is left to the scanner after all would be read twice to no purpose
_SHORT = 160            # octets of a part's header that is worth remembering: a type, an encoding, no boundary or name of a file
_REMEMBERED = 512       # such headers; "text/plain; charset=utf-8, quoted-printable" is on every other message


def read_at_once(octets: bytes) -> tuple[list[Part], Fields] | None:
    """The parts, and the `WANTED` fields of the message's own header; None when it is not so common after all."""
    if len(octets) > LONGEST or octets.startswith((b"\r\n", b"\n")):
        return None
    reader = _Reader(octets)
    return (reader.parts, reader.root) if reader.read() else None


class _Reader:
    """Every method says False (or None) where this is not for us. A part's `lines` are those before its body until it ends."""

    __slots__ = ("_containers", "_delimiters", "octets", "parts", "root")

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.parts: list[Part] = []
        self.root: Fields = []
        self._containers: list[tuple[Part, int, bytes]] = []    # open ones from the outermost on: part, number, boundary or b""
        self._delimiters = _Delimiters(octets)

    def read(self) -> bool:
        """A header, its body up to the next delimiter, and so on."""
        octets, parts, containers, delimiters = self.octets, self.parts, self._containers, self._delimiters
        start, parent, digest = 0, -1, False
        passed = counted = 0                                    # line ends, up to which octet
        while (part := self._part(start, parent, digest)) is not None:
            leaf: Part | None = part
            passed += octets.count(b"\n", counted, part.body)
            counted, part.lines = part.body, passed
            if part.maintype in _CONTAINERS and (part.is_multipart or part.is_message):
                if not self._contains(part):
                    return False
                if part.is_message:
                    start, parent, digest = part.body, len(parts) - 1, False
                    continue
                leaf = None
            after, closes = part.body, True
            while closes:
                found = delimiters.next(after - 1) if delimiters.known else None
                if found is None:
                    return self._close(0, leaf, len(octets), passed + octets.count(b"\n", counted))
                at, after, place, closes = found
                passed += octets.count(b"\n", counted, at + 1)
                counted = at + 1
                if at < 0 or not self._close(place + 1, leaf, at - 1 if octets[at - 1] == 13 else at, passed - 1):
                    return False
                leaf = None
                if closes:                                      # what follows is its epilogue
                    closed, number, boundary = containers[place]
                    containers[place] = (closed, number, b"")
                    if not boundary or not self._ended(number, boundary):
                        return False
            start, (container, parent, _) = after, containers[place]
            digest = container.subtype == b"digest"
        return False

    def _part(self, start: int, parent: int, digest: bool) -> Part | None:
        """The part that begins at `start`, with what its header says."""
        octets, parts = self.octets, self.parts
        before = start - 1 if start else 0                      # the line end before it
        stop = octets.find(b"\n\r\n", before)
        if stop < 0 or octets.find(b"\n\n", before, stop + 1) >= 0:
            return None
        if parent >= 0 and octets.find(b"\n--", before, stop + 1) >= 0:
            return None                                         # perhaps a delimiter, which would cut the header short
        body = stop + 3
        block = octets[start:body]
        if parent >= 0 and parts[parent].maintype == b"multipart":
            usual = body - start <= _SHORT and b"oundary" not in block
            part = Part(parent, start, body, 0, 0, *(_known if usual else _described)(block, digest))
        else:
            part = Part(parent, start, body)
            found = chosen_fields(block, WANTED)
            describe(part, found, digest)
            if parent < 0:
                self.root = found
            else:
                parts[parent].envelope = envelope_of(found)
        parts.append(part)
        return part if len(parts) < LIMITS.parts else None

    def _contains(self, part: Part) -> bool:
        """The part that was read last holds others."""
        boundary = b""
        if part.is_multipart:
            boundary = (part.parameter(b"boundary") or b"").rstrip()
            if not self._delimiters.add(boundary, len(self._containers)):
                return False
        elif not is_transparent(part):
            return False
        self._containers.append((part, len(self.parts) - 1, boundary))
        return len(self._containers) < LIMITS.depth

    def _close(self, keep: int, leaf: Part | None, end: int, passed: int) -> bool:
        """End `leaf` and all but the outermost `keep` containers before octet `end`, where `passed` line ends are theirs."""
        if leaf is not None:
            if leaf.body > end:                                 # the delimiter's line end is the header's
                return False
            leaf.end, leaf.lines = end, passed - leaf.lines
        while len(self._containers) > keep:
            part, number, boundary = self._containers.pop()
            if part.body > end or (boundary and not self._ended(number, boundary)):
                return False
            part.end, part.lines = end, passed - part.lines
        return True

    def _ended(self, number: int, boundary: bytes) -> bool:
        self._delimiters.forget(boundary)
        return number < len(self.parts) - 1                     # else there is no part in it


class _Delimiters:
    """Those of the open multiparts."""

    __slots__ = ("_needle", "_octets", "known")

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self.known: dict[bytes, tuple[int, bool]] = {}          # line -> (place of the container, whether it closes)
        self._needle = b""                                      # with what all begin, the line end before included

    def add(self, boundary: bytes, place: int) -> bool:
        """False where it is none, or may be taken for one of the others."""
        line, last = b"--" + boundary, b"--" + boundary + b"--"
        if not 0 < len(boundary) <= LIMITS.boundary_octets or line in self.known or last in self.known:
            return False
        self._needle = b"\n--" if self.known else b"\n" + line
        self.known[line], self.known[last] = (place, False), (place, True)
        return True

    def forget(self, boundary: bytes) -> None:
        """Its multipart is over."""
        del self.known[b"--" + boundary], self.known[b"--" + boundary + b"--"]
        self._needle = b"\n" + min(self.known) if len(self.known) == 2 else b"\n--"

    def next(self, at: int) -> tuple[int, int, int, bool] | None:
        """(line end before it, where its line is over, place, whether it closes) of the first delimiter line from the line end
        `at` on; None where there is none, -1 for the line end where it is a matter of limits or of the message's end."""
        octets, size, needle = self._octets, len(self._octets), self._needle
        while (at := octets.find(needle, at)) >= 0:
            end = octets.find(b"\n", at + 1)
            if end < 0:
                end = size
            if end - at > LIMITS.delimiter_octets:
                return -1, 0, 0, False
            hit = self.known.get(octets[at + 1:end].rstrip(b" \t\r"))
            if hit is not None:
                place, closes = hit
                return (at, end + 1, place, closes) if end < size or closes else (-1, 0, 0, False)
            at += 1
        return None


_CONTAINERS = frozenset({b"multipart", b"message"})


def _described(block: bytes, digest: bool) -> _Said:
    """A `Part`'s fields from its maintype on, by its header."""
    part = Part(-1, 0)
    describe(part, chosen_fields(block, CONTENT_FIELDS), digest)
    return (part.maintype, part.subtype, part.parameters, part.encoding, part.id, part.description, part.md5, part.disposition,
            part.language, part.location)


_known = lru_cache(_REMEMBERED)(_described)
