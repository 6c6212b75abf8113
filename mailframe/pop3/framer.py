"""Cuts what a POP3 client sends into lines, the same however the network cut it (I4)."""

from __future__ import annotations

from typing import Final


class TooLong:
    """Stands for a line over the limit, of which nothing was kept."""


TOO_LONG: Final = TooLong()


class LineFramer:
    """Lines end with LF; a CR before it belongs to the end.

    A bare LF is taken as well: a client's commands are the client's own words, nothing of a third party stands among them,
    and people type by hand.
    """

    def __init__(self, limit: int) -> None:
        """`limit`: octets of a line without its end."""
        self._limit = limit
        self._buffer = b""
        self._at = 0
        self._skipping = False

    def feed(self, data: bytes) -> None:
        self._buffer = self._buffer[self._at:] + data
        self._at = 0

    def next(self) -> bytes | TooLong | None:
        """The next line without its end; None when there is no whole one."""
        end = self._buffer.find(b"\n", self._at)
        if end < 0:
            if len(self) > self._limit + 1:
                self._skipping = True
                self.clear()
            return None
        start, self._at = self._at, end + 1
        if end > start and self._buffer[end - 1] == 13:
            end -= 1
        if self._skipping or end - start > self._limit:
            self._skipping = False
            return TOO_LONG
        return self._buffer[start:end]

    def clear(self) -> None:
        self._buffer, self._at = b"", 0

    def __len__(self) -> int:
        """Octets that wait."""
        return len(self._buffer) - self._at
