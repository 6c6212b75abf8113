"""The octets between DATA and its end (RFC 5321 section 4.5.2), chunk by chunk."""

from __future__ import annotations

_END = b"\r\n.\r\n"
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
        end = octets.find(_END)
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
        return self._clean(octets), rest

    def _clean(self, octets: bytes) -> bytes:
        octets = octets.replace(b"\r\n.", b"\r\n")
        lines = octets.count(b"\n")
        if octets.count(b"\r") != lines or octets.count(b"\r\n") != lines:
            self.bare_newline = True
            if self._repair:
                octets = octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
        if self._drop:
            octets, self._drop = octets[2:], 0
        return octets
