"""Line ends: CRLF at the seam, LF in files that other programs read, and offsets that count CRLF. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

_CHUNK = 262_144            # of a file: read at once, and the distance between two known places


def is_lossless(octets: bytes) -> bool:
    """Whether LF line ends keep everything: each LF ends a CRLF, and none is CR CR LF, which would be read as one CRLF."""
    return octets.count(b"\n") == octets.count(b"\r\n") and b"\r\r\n" not in octets


def shortened(octets: bytes) -> bytes:
    """With LF line ends."""
    return octets.replace(b"\r\n", b"\n")


def expanded(octets: bytes, after_cr: bool = False) -> bytes:
    """With CRLF line ends, whatever they were; `after_cr`: what came before ended with a CR."""
    if after_cr and octets.startswith(b"\n"):
        return b"\n" + expanded(octets[1:])
    return octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def growth(octets: bytes, after_cr: bool = False) -> int:
    """How many octets longer `expanded` is."""
    return octets.count(b"\n") - octets.count(b"\r\n") - (after_cr and octets.startswith(b"\n"))


class Shortener:
    """Turns CRLF to LF in any chunks, until it finds what would not come back the same: then `lossless` is False."""

    def __init__(self) -> None:
        self.lossless = True
        self._kept = b""

    def feed(self, octets: bytes) -> bytes:
        octets = self._kept + octets
        held = len(octets) - len(octets.rstrip(b"\r")) if octets.endswith(b"\r") else 0
        held = min(held, 2)                 # CR CR may yet become CR CR LF
        self._kept = octets[len(octets) - held:]
        return self._shorten(octets[:len(octets) - held])

    def finish(self) -> bytes:
        kept, self._kept = self._kept, b""
        return self._shorten(kept)

    def _shorten(self, octets: bytes) -> bytes:
        self.lossless = self.lossless and is_lossless(octets)
        return shortened(octets)


class Places:
    """Where the message's octets are in its file: found by one pass, and remembered every 256 KiB.

    `pread(size, offset)` reads the file. A reader that goes on where it stopped, or comes back, costs a chunk and not the file.
    """

    def __init__(self, pread: Callable[[int, int], bytes], raw: bool) -> None:
        self._pread = pread
        self._raw = raw
        self._starts = [0]              # of chunk n of the file, in the message
        self._after_cr = [False]
        self._ended = False

    def read(self, offset: int, size: int) -> bytes:
        """Octets of the message, shorter at its end."""
        if self._raw:
            return self._pread(size, offset) if size else b""
        parts: list[bytes] = []
        chunk = self._find(offset)
        position = self._starts[chunk]
        while position < offset + size and (octets := self._pread(_CHUNK, chunk * _CHUNK)):
            whole = self._pass(chunk, octets)
            parts.append(whole[max(offset - position, 0):offset + size - position])
            position += len(whole)
            chunk += 1
        return b"".join(parts)

    def _find(self, offset: int) -> int:
        """The chunk in which `offset` lies, or the last one."""
        while self._starts[-1] <= offset and not self._ended:
            chunk = len(self._starts) - 1
            self._pass(chunk, self._pread(_CHUNK, chunk * _CHUNK))
        return bisect_right(self._starts, offset) - 1

    def _pass(self, chunk: int, octets: bytes) -> bytes:
        whole = expanded(octets, self._after_cr[chunk])
        if chunk == len(self._starts) - 1:
            if len(octets) == _CHUNK:
                self._starts.append(self._starts[chunk] + len(whole))
                self._after_cr.append(octets.endswith(b"\r"))
            else:
                self._ended = True
        return whole
