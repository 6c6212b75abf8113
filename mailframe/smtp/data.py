"""The octets of a message as they come: between DATA and its end (RFC 5321 section 4.5.2), or in BDAT's chunks (RFC 3030)."""

from __future__ import annotations

import re

from mailframe.mime.newlines import has_bare_newline

_END = b"\r\n.\r\n"
_DOT = b"\r\n."      # where lines are stuffed and where the end is; most chunks have neither
_STUFFED = re.compile(rb"\r\n\.").search     # in half of the time that `find` takes
_STARTS = (b"\r\n.\r", b"\r\n.", b"\r\n", b"\r")  # what may become _END, longest first


class DataReader:
    """Removes dot-stuffing and finds the end; whatever lies in one `feed`, the result is the same (I4).

      D1  only CR LF "." CR LF ends the data (I5). A bare CR or LF is remembered in `bare_newline`, and never an end.
      D2  what is given out never ends within a CRLF, nor within the dots that follow one.
      D3  with `repair`, what is given out has no bare CR or LF: each has become CRLF.
    """

    def __init__(self, *, repair: bool = False) -> None:
        self.done = False
        self.bare_newline = False
        self._repair = repair
        self._held = b"\r\n"   # DATA begins at the start of a line
        self._drop = 2         # and these two octets are not part of the message

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Return (message octets, octets after the end: empty until `done`). Not to be called when `done`."""
        octets = self._held + data
        found = _STUFFED(octets)
        dot = found.start() if found is not None else -1
        end = -1 if dot < 0 else dot if octets.startswith(_END, dot) else octets.find(_END, dot)
        if end >= 0:
            self.done = True
            rest = octets[end + 5:]
            octets = octets[:end + 2]
        else:
            rest = self._held = b""
            if octets[-1:] in b"\r\n.":
                for start in _STARTS:
                    if octets.endswith(start):
                        self._held = start
                        octets = octets[:-len(start)]
                        break
        if not octets:
            return b"", rest
        return self._clean(octets, 0 <= dot != end), rest

    def _clean(self, octets: bytes, dots: bool) -> bytes:
        if dots:
            octets = octets.replace(_DOT, b"\r\n")
        if has_bare_newline(octets):
            self.bare_newline = True
            if self._repair:
                octets = normalised(octets)
        if self._drop:
            octets, self._drop = octets[2:], 0
        return octets


class ChunkReader:
    """Judges the line ends of a text that comes in chunks, wherever those are cut (I4). Nothing in it is an end (I5).

      C1  what is given out never ends within a CRLF, except at the very end; put together it is what was fed,
      C2  or with `repair`, what was fed with each bare CR or LF made CRLF.
    """

    def __init__(self, *, repair: bool = False) -> None:
        self.bare_newline = False
        self._repair = repair
        self._held = b""

    def feed(self, octets: bytes, *, last: bool = False) -> bytes:
        """The octets that can be judged now; with `last`, all."""
        if self._held:
            octets, self._held = self._held + octets, b""
        if not last and octets[-1:] == b"\r":
            octets, self._held = octets[:-1], b"\r"
        if has_bare_newline(octets):
            self.bare_newline = True
            if self._repair:
                return normalised(octets)
        return octets


def normalised(octets: bytes) -> bytes:
    """Each CRLF, bare CR and bare LF as CRLF."""
    return octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
