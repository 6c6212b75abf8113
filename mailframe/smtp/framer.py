"""Command lines cut out of the stream of octets, the same whatever the network did to it (I4)."""

from __future__ import annotations

import enum

COMMAND_LIMIT = 2048   # octets with CRLF: RFC 5321 asks for 512 and extensions for more; DSN's ORCPT alone may take 500
AUTH_LIMIT = 12_290    # RFC 4954 section 4: 12,288 octets of base64 in an AUTH exchange


class Fault(enum.Enum):
    """Why a line is no command; the value is what the client is told."""

    TOO_LONG = "Line too long"
    EXCHANGE = "Authentication exchange line is too long"    # RFC 4954 section 6, which has a code for it
    BARE = "Lines must end with CRLF, and hold no other CR or LF"
    NUL = "NUL is not allowed"
    CHUNK = "BDAT line cannot be read"    # nor can be known how many octets follow it that are no commands


class Framer:
    """Holds what has arrived and not been used. Commands are taken with `line`; data, with `take` and `give_back`.

      F1  whatever `feed` was given comes out exactly once, in order: as a line, by `take`, or as part of a Fault.
      F2  no more than one line's limit is kept of a line that does not end.
      F3  a faulty line that begins with BDAT is Fault.CHUNK, whatever else is wrong with it (I5).
    """

    def __init__(self) -> None:
        self._buffer = b""
        self._at = 0
        self._skipping: Fault | None = None  # within a line that is too long already

    @property
    def waiting(self) -> int:
        """Octets not used yet."""
        return len(self._buffer) - self._at

    def feed(self, data: bytes) -> None:
        self._buffer = self._buffer[self._at:] + data if self._at < len(self._buffer) else data
        self._at = 0

    def line(self, limit: int = 0) -> bytes | Fault | None:
        """The next line without its CRLF, a Fault for a line that cannot be used, None: not there yet.

        `limit` in octets with CRLF; 0 is a command's own: AUTH_LIMIT for AUTH, COMMAND_LIMIT otherwise.
        """
        at = self._at
        end = self._buffer.find(b"\n", at)
        if end < 0:
            if self._skipping or len(self._buffer) - at > (limit or self._limit_of(at)):
                self._skipping = self._skipping or self._too_long(at, limit)
                self._buffer, self._at = b"", 0
            return None
        self._at = end + 1
        if self._skipping:
            fault, self._skipping = self._skipping, None
            return fault
        if end + 1 - at > COMMAND_LIMIT and end + 1 - at > (limit or self._limit_of(at)):
            return self._too_long(at, limit)
        line = self._buffer[at:end]
        if line[-1:] != b"\r" or line.find(b"\r", 0, -1) >= 0:
            return self._fault(Fault.BARE, at)
        if b"\0" in line:
            return self._fault(Fault.NUL, at)
        return line[:-1]

    def take(self, most: int | None = None) -> bytes:
        """Everything that waits; or of it the first `most` octets, whatever they are."""
        at = self._at
        if most is not None and len(self._buffer) - at > most:
            self._at = at + most
            return self._buffer[at:at + most]
        taken = self._buffer[at:] if at else self._buffer
        self._buffer, self._at = b"", 0
        return taken

    def give_back(self, octets: bytes) -> None:
        """Put in front again what `take` gave too much."""
        self._buffer, self._at = octets + self._buffer[self._at:], 0

    def _too_long(self, at: int, limit: int) -> Fault:
        return self._fault(Fault.EXCHANGE if (limit or self._limit_of(at)) == AUTH_LIMIT else Fault.TOO_LONG, at)

    def _fault(self, fault: Fault, at: int) -> Fault:
        return Fault.CHUNK if self._buffer[at:at + 4].upper() == b"BDAT" else fault

    def _limit_of(self, at: int) -> int:
        return AUTH_LIMIT if self._buffer[at:at + 5].upper() == b"AUTH " else COMMAND_LIMIT
