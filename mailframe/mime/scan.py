"""One pass over a message's octets, whole or in any pieces (I4), that finds its parts (RFC 2045, RFC 2046).

Nothing here goes line by line: boundaries are found by searching for a line end and two hyphens, lines are counted.
"""

from __future__ import annotations

from .atonce import LONGEST, WANTED, Fields, read_at_once
from .describe import describe, is_transparent
from .envelope import envelope_of
from .header import chosen_fields
from .index import Index, Part
from .limits import LIMITS, MimeLimits

_SLICE = LONGEST        # long messages are fed in slices, so that no search runs far beyond its purpose


def scan(octets: bytes, limits: MimeLimits = LIMITS) -> Index:
    """The index of a whole message. Any octets are a message; never raises."""
    return read(octets, limits)[0]


def read(octets: bytes, limits: MimeLimits = LIMITS) -> tuple[Index, Fields]:
    """The index of a whole message, and `Scanner.root_fields`."""
    common = read_at_once(octets) if limits is LIMITS else None
    if common is not None:
        return Index(common[0]), common[1]
    scanner = scanned(octets, limits)
    return scanner.finish(), scanner.root_fields


def scanned(octets: bytes, limits: MimeLimits = LIMITS) -> Scanner:
    """A scanner that has been fed all of `octets` and waits for `finish`."""
    scanner = Scanner(limits)
    if len(octets) <= _SLICE:
        scanner.feed(octets)
        return scanner
    view = memoryview(octets)
    for at in range(0, len(octets), _SLICE):
        scanner.feed(view[at:at + _SLICE])
    return scanner


class _Open:
    """A part whose end is not known yet."""

    __slots__ = ("boundary", "digest", "number", "part", "passed", "populated")

    def __init__(self, number: int, part: Part, digest: bool) -> None:
        self.number, self.part, self.digest = number, part, digest     # digest: what its header defaults to
        self.boundary = b""                                            # set while its delimiters count
        self.populated = False                                         # has a child
        self.passed = 0                                                # line ends in the message before its body


class Scanner:
    """Order: feed*, finish. Holds at most one header block (`MimeLimits.header_octets`) and a short tail of what it was fed.

    Invariants: S1 `_open` runs from the message down to the innermost open part. S2 octet i of `_buffer` is octet
    `_base` + i of the message; a line end is imagined before the first, so that every line has one before it.
    S3 everything before `_at` has been searched.
    """

    def __init__(self, limits: MimeLimits = LIMITS) -> None:
        self._limits = limits
        self._buffer = bytearray(b"\n")
        self._base = -1
        self._at = 0
        self._final = False
        self._empty = -2                            # the line end before an empty line that was found last,
        self._sought = -1                           # and before which octet of the message there is no other
        self._counted = 0                           # up to which octet of the message line ends were counted,
        self._passed = 0                            # and how many there were
        self._parts: list[Part] = []
        self._open: list[_Open] = []
        self._delimiters: dict[bytes, tuple[int, bool]] = {}    # line -> (place in _open, whether it closes)
        self._needle = b"\n--"                      # with what all of them begin, the line end before included
        self._waiting = False                       # a line that may be a delimiter is not complete yet
        self._cut: bytes | None = None              # the beginning of a header that is too long to be held
        self._root: Fields | None = None
        self._in_header = False
        self._push(-1, 0, False)

    @property
    def root_fields(self) -> Fields:
        """ENVELOPE's fields of the message's own header, those of MIME, and References; known once `finish` was called."""
        return self._root or []

    def feed(self, octets: bytes | memoryview) -> None:
        """Take the next octets of the message."""
        self._buffer += octets
        if len(self._buffer) > self._limits.held_octets:    # a message that fits is looked at once, in `finish`
            self._run()

    def finish(self) -> Index:
        """The message is over; call once."""
        self._final = True
        self._run()
        total = self._base + len(self._buffer)
        self._close(0, total, self._lines_before(total), 0)
        return Index(self._parts)

    def _run(self) -> None:
        while self._header() if self._in_header else self._body():
            pass

    # Searching. Both return whether there is more to do now.

    def _header(self) -> bool:
        size = len(self._buffer)
        stop = self._empty_line()
        if self._delimiters and self._delimiter(stop if stop >= 0 else size):
            return True
        if not self._waiting:
            if stop >= 0:
                self._enter(self._buffer.index(b"\n", stop + 1) + 1)
                return True
            if self._final:
                self._enter(size)
                return True
            self._at = max(self._at, size - len(self._needle) + 1)
        self._hold_header()
        return False

    def _empty_line(self) -> int:
        """Where in the buffer the line end before the next empty line is, -1 while there is none. Searched once, however many
        headers without one are cut short by delimiters."""
        at = self._base + self._at
        if self._empty < at:
            buffer, start = self._buffer, max(self._at, self._sought - self._base)
            blank = buffer.find(b"\n\r\n", start)
            bare = buffer.find(b"\n\n", start, blank + 1 if blank >= 0 else len(buffer))
            stop = bare if bare >= 0 else blank
            if stop < 0:
                self._sought = self._base + max(start, len(buffer) - 2)
                return -1
            self._empty = self._sought = self._base + stop
        return self._empty - self._base

    def _body(self) -> bool:
        size = len(self._buffer)
        if self._delimiters and self._delimiter(size):
            return True
        if not self._final:
            if not self._waiting:
                self._at = max(self._at, size - len(self._needle) + 1)
            self._drop(self._at - 1)
        return False

    def _delimiter(self, stop: int) -> bool:
        """Act on the first delimiter line before `stop`; False when there is none, or `_waiting` for more octets."""
        buffer, longest = self._buffer, self._limits.delimiter_octets
        self._waiting = False
        at = buffer.find(self._needle, self._at, stop)
        while at >= 0:
            end = after = buffer.find(b"\n", at + 1, at + 1 + longest)
            if end < 0 and len(buffer) - at <= longest:
                if not self._final:
                    self._at, self._waiting = at, True
                    return False
                end = len(buffer)
                after = end - 1
            hit = self._delimiters.get(bytes(buffer[at + 1:end]).rstrip(b" \t\r")) if end >= 0 else None
            if hit is not None and (hit[1] or len(self._parts) < self._limits.parts):
                self._divide(at, after + 1, *hit)
                return True
            self._at = at + 1
            if hit is not None:                     # too many parts: the rest belongs to the last one
                self._delimiters.clear()
                return False
            at = buffer.find(self._needle, self._at, stop)
        return False

    # Opening and closing parts.

    def _push(self, parent: int, start: int, digest: bool) -> None:
        part = Part(parent, start)
        self._open.append(_Open(len(self._parts), part, digest))
        self._parts.append(part)
        self._in_header = True
        self._cut = None

    def _enter(self, at: int) -> None:
        """The header of the innermost part ends before `at` in the buffer."""
        opened = self._open[-1]
        part, limits = opened.part, self._limits
        start = part.start - self._base
        part.body = self._base + at
        if self._cut is not None:
            block = self._cut[:part.body - part.start]
        else:
            block = bytes(self._buffer[start:min(at, start + limits.header_octets)])
        found = chosen_fields(block, WANTED, limits.header_fields)
        if self._root is None:
            self._root = found
        describe(part, found, opened.digest)
        if part.parent >= 0 and self._parts[part.parent].is_message:
            self._parts[part.parent].envelope = envelope_of(found)
        opened.passed = self._lines_before(part.body)
        self._at = at - 1
        self._in_header = False
        if len(self._open) >= limits.depth or len(self._parts) >= limits.parts:
            return
        if part.maintype == b"multipart":
            boundary = (part.parameter(b"boundary") or b"").rstrip()
            if 0 < len(boundary) <= limits.boundary_octets:
                opened.boundary = boundary
                self._know_delimiters()
        elif part.is_message and is_transparent(part):
            opened.populated = True
            self._push(opened.number, part.body, False)

    def _divide(self, at: int, after: int, place: int, closes: bool) -> None:
        """A delimiter line of `_open[place]` stands between the line end `at` and `after`."""
        ends = at - 1 if at and self._buffer[at - 1] == 13 else at
        while self._in_header:                      # cut short; what it announced is empty
            self._enter(max(ends, self._open[-1].part.start - self._base))
        self._close(place + 1, self._base + ends, self._lines_before(self._base + at + 1), 1)
        opened = self._open[place]
        self._at = after - 1
        if closes:
            opened.boundary = b""                   # the rest is its epilogue
            self._know_delimiters()
        else:
            opened.populated = True
            self._push(opened.number, self._base + after, opened.part.subtype == b"digest")

    def _close(self, keep: int, end: int, passed: int, line_end: int) -> None:
        """End all but the outermost `keep` open parts before octet `end`; `line_end` of the `passed` lines are not theirs."""
        changed = False
        while len(self._open) > keep:
            opened = self._open.pop()
            part = opened.part
            changed = changed or opened.boundary != b""
            if part.body > end:                     # an empty body: the delimiter's line end is the header's
                end, line_end = part.body, 0
            part.end = end
            part.lines = passed - line_end - opened.passed
            if not opened.populated and (part.is_multipart or part.is_message):
                self._substitute(opened)
        if changed:
            self._know_delimiters()

    def _substitute(self, opened: _Open) -> None:
        """Give a container in which nothing was found the one child that IMAP's grammar demands: its body as it is."""
        part = opened.part
        child = Part(opened.number, part.body, part.body, part.end, part.lines)
        if part.is_message:
            child.maintype, child.subtype, child.parameters = b"application", b"octet-stream", ()
        self._parts.append(child)

    def _know_delimiters(self) -> None:
        known: dict[bytes, tuple[int, bool]] = {}
        for place, opened in enumerate(self._open):         # of equal boundaries the innermost counts
            if opened.boundary:
                known[b"--" + opened.boundary + b"--"] = (place, True)
                known[b"--" + opened.boundary] = (place, False)
        self._delimiters = known
        self._needle = b"\n" + _common_start(min(known), max(known)) if known else b"\n--"

    # The buffer.

    def _lines_before(self, offset: int) -> int:
        """Line ends in the message before `offset`, which never falls."""
        if offset > self._counted:
            self._passed += self._buffer.count(b"\n", self._counted - self._base, offset - self._base)
            self._counted = offset
        return self._passed

    def _hold_header(self) -> None:
        start = self._open[-1].part.start - self._base
        if self._cut is None and len(self._buffer) - start >= self._limits.header_octets:
            self._cut = bytes(self._buffer[start:start + self._limits.header_octets])
        if self._cut is not None:
            self._drop(self._at - 1)

    def _drop(self, upto: int) -> None:
        """Forget the buffer before `upto`; one octet before `_at` is kept to tell CRLF from LF."""
        if upto > 0:
            self._lines_before(self._base + upto)
            del self._buffer[:upto]
            self._base += upto
            self._at -= upto


def _common_start(one: bytes, other: bytes) -> bytes:
    if other.startswith(one):
        return one
    for place, (here, there) in enumerate(zip(one, other)):
        if here != there:
            return one[:place]
    return other
