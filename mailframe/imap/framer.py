"""From octets to whole commands with their literals inside, however the network cut them (I4, RFC 3501 section 4.3)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from .cursor import BadSyntax

_MARK = re.compile(rb"(~?)\{([0-9]{1,19})(\+?)\}\Z")
_MARK_OCTETS = 24       # the longest mark and a little
_TAG = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\+]{1,250}(?= )')


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one command may be: all its lines together, and with its literals."""

    line_octets: int
    command_octets: int


@dataclass(frozen=True, slots=True)
class Whole:
    """A complete command: its octets without the last CRLF, literals inside as they came (`Cursor` reads them)."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Continue:
    """The client waits for "+ " before it sends a literal (RFC 3501 section 7.5)."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A literal too large to be held begins: `prefix` is what came before its mark. Read it with `Framer.streamed`."""

    prefix: bytes
    size: int
    waits: bool         # the client waits for "+ ": answer with `Framer.accept` or, refusing it, `Framer.abandon`
    binary: bool = False    # a literal8, ``~{n}``: it may hold a NUL (RFC 3516)


@dataclass(frozen=True, slots=True)
class Rejected:
    """The command cannot be taken; what belongs to it is passed over. `tag` is b"" where there is none."""

    tag: bytes
    words: str
    too_big: bool = False


Event = Whole | Continue | Stream | Rejected
Streams = Callable[[bytes], bool]


class Framer:
    """Feed it octets, then take events until there are none.

    `streams(text)`: whether the literal announced at the end of `text` is to be streamed; then so is each later one of the
    same command. It may raise BadSyntax.
    """

    __slots__ = ("_again", "_buffer", "_command", "_line", "_lines", "_scan", "_skip_line", "_skip_literal", "_stream", "_streams",
                 "_waits", "limits")

    def __init__(self, limits: Limits, streams: Streams) -> None:
        self.limits = limits
        self._streams = streams
        self._buffer = bytearray()
        self._command = 0           # where the command begins in the buffer
        self._line = 0              # where its present line begins: behind the last literal
        self._scan = 0              # where to look for the line's end: nothing is looked at twice
        self._lines = 0             # octets of its earlier lines
        self._stream: int | None = None     # octets of a streamed literal still to be read
        self._waits = False         # the client waits for our word before it sends that literal
        self._again = False         # the present command has streamed a literal already
        self._skip_literal = 0      # octets of a rejected literal still to come
        self._skip_line = False     # passing over the rest of a rejected command

    def feed(self, octets: bytes) -> None:
        self._buffer += octets

    @property
    def buffered(self) -> int:
        """Octets that came and were not taken yet."""
        return len(self._buffer) - self._command

    @property
    def waiting(self) -> bytes:
        """Those octets."""
        return bytes(self._buffer[self._command:])

    def next(self) -> Event | None:
        """The next event, or None: more octets are needed, or a streamed literal is to be read first."""
        if self._stream is not None or not (self._finish_skipping() and self._buffer):
            return None
        while True:
            if self._line > len(self._buffer):          # in a literal
                return None
            end = self._buffer.find(b"\n", max(self._scan, self._line))
            if end < 0:
                self._scan = len(self._buffer)
                # One octet more than the limit may still turn out to be the CR (the answer must not depend on the cut).
                too_long = self._lines + self._scan - self._line > self.limits.line_octets + 1
                return self._too_long() if too_long else None
            self._scan = end + 1
            event = self._line_ended(end)
            if event is not None:
                return event

    def line(self, limit: int) -> bytes | None:
        """The next line by itself, without its end: what answers a continuation request, not a command. None: not there yet.

        Raises BadSyntax when it is longer than `limit`."""
        end = self._buffer.find(b"\n", self._command)
        if (len(self._buffer) if end < 0 else end) - self._command > limit:
            self._skip_line = True
            raise BadSyntax("Line too long")
        if end < 0:
            return None
        line = bytes(self._buffer[self._command:end]).removesuffix(b"\r")
        self._begin(end + 1)
        return line

    # -- streamed literals

    def accept(self) -> bool:
        """Let the streamed literal come; True: the client waits for "+ " and must be sent it."""
        waits, self._waits = self._waits, False
        return waits

    def streamed(self) -> bytes | None:
        """What has come of the streamed literal; b"" when it has been read, None when more is to come."""
        if not self._stream:
            return b""
        octets = bytes(self._buffer[self._command:self._command + self._stream])
        if not octets:
            return None
        self._stream -= len(octets)
        self._begin(self._command + len(octets))
        return octets

    def resume(self) -> None:
        """The streamed literal has been read: what follows is an event of its own (Whole, or Stream again)."""
        self._stream = None
        self._again = True

    def abandon(self) -> None:
        """The command that streams is over before its end: pass over what still comes of it."""
        if self._stream is None:
            if self._again:
                self._skip_line, self._again = True, False
            return
        left, self._stream, self._again = self._stream, None, False
        if self._waits:
            self._waits = False         # refused in time: nothing comes
            return
        self._skip_literal, self._skip_line = left, True

    # -- within

    def _begin(self, position: int) -> None:
        """The next command begins here."""
        if position >= len(self._buffer):
            self._buffer.clear()
            position = 0
        elif position > 65_536:
            del self._buffer[:position]
            position = 0
        self._command = self._line = self._scan = position
        self._lines = 0

    def _line_ended(self, end: int) -> Event | None:
        """A line ends at the LF at `end`; None: a literal follows whose octets are there or coming."""
        buffer = self._buffer
        stop = end - 1 if end > self._line and buffer[end - 1] == 13 else end
        length = stop - self._line
        mark = None
        if length and buffer[stop - 1] == 125:          # "}"
            mark = _MARK.search(bytes(buffer[max(self._line, stop - _MARK_OCTETS):stop]))
        if self._lines + length > self.limits.line_octets:
            size, waits = (int(mark[2]), not mark[3]) if mark else (0, True)
            return self._reject("Line too long", end + 1, size, waits)
        if mark is None:
            self._again = False
            whole = Whole(bytes(buffer[self._command:stop]))
            self._begin(end + 1)
            return whole
        if stop == end:                                 # a lone LF: made CRLF, so that the cursor finds the mark
            buffer[end:end] = b"\r"
            end += 1
        return self._literal(mark, stop - len(mark[0]), end + 1)

    def _literal(self, found: re.Match[bytes], mark: int, start: int) -> Event | None:
        """The literal announced by what was `found` at `mark` begins at `start`."""
        size, waits = int(found[2]), not found[3]
        text = bytes(self._buffer[self._command:mark])
        try:
            streams = self._again or self._streams(text)
        except BadSyntax as error:
            return self._reject(str(error), start, size, waits)
        if streams:
            self._stream, self._waits = size, waits
            self._begin(start)
            return Stream(text, size, waits, bool(found[1]))
        if start - self._command + size > self.limits.command_octets:
            return self._reject("Literal too big", start, size, waits, True)
        self._lines += mark - self._line
        self._line = self._scan = start + size
        return Continue() if waits else None

    def _too_long(self) -> Event:
        event = self._reject("Line too long", max(self._line, len(self._buffer) - _MARK_OCTETS))
        self._skip_line = True
        return event

    def _reject(self, words: str, start: int, size: int = 0, waits: bool = True, too_big: bool = False) -> Rejected:
        """Give the command up; what follows at `start` is the next, or `size` octets to pass over and then its end."""
        found = _TAG.match(self._buffer, self._command)
        tag = bytes(found[0]) if found else b""     # now: a match reads the buffer again
        self._again = False
        if not waits:
            self._skip_literal, self._skip_line = size, True
        self._begin(start)
        return Rejected(tag, words, too_big)

    def _finish_skipping(self) -> bool:
        """Pass over what belongs to a rejected command; False while more of it is to come."""
        while self._skip_literal or self._skip_line:
            if self._skip_literal:
                taken = min(self._skip_literal, self.buffered)
                self._skip_literal -= taken
                self._begin(self._command + taken)
                if self._skip_literal:
                    return False
            if not self._skip_line:
                break
            if not self._skip_to_line_end():
                return False
        return True

    def _skip_to_line_end(self) -> bool:
        end = self._buffer.find(b"\n", self._command)
        if end < 0:
            self._begin(max(self._command, len(self._buffer) - _MARK_OCTETS))   # a mark may be cut in two
            return False
        line = bytes(self._buffer[max(self._command, end - _MARK_OCTETS - 1):end]).removesuffix(b"\r")
        mark = _MARK.search(line)
        self._begin(end + 1)
        if mark is not None and mark[3]:
            self._skip_literal = int(mark[2])
        else:
            self._skip_line = False
        return True
