"""A connection's compression (RFC 4978), raw DEFLATE both ways; pure. What comes is unpacked no faster than it is wanted."""

from __future__ import annotations

import zlib

LEVEL = 3               # mail packs hardly better with more, and the reactor waits for every octet of it
PIECE = 65_536          # unpacked at once: a kilobyte of somebody's zeros is a megabyte of ours
_WINDOW = -zlib.MAX_WBITS
_NOTHING = b"\x00\x00\x00\xff\xff"        # a stored block of no octets (RFC 1951 section 3.2.4), after what was flushed


class BadDeflate(ValueError):
    """What came is not DEFLATE: nothing after it can be understood."""


class Deflate:
    """`take` what came, and `next` until it yields nothing."""

    def __init__(self) -> None:
        self._out = zlib.compressobj(LEVEL, zlib.DEFLATED, _WINDOW)
        self._in = zlib.decompressobj(_WINDOW)
        self._packed = b""
        self._full = False          # the last piece may not have been all that the packed octets hold

    @property
    def waiting(self) -> bool:
        """Whether more can be unpacked."""
        return bool(self._packed) or self._full

    def take(self, octets: bytes) -> None:
        self._packed += octets

    def next(self) -> bytes:
        """The next octets, at most `PIECE`; b"" when what came is used up. Raises BadDeflate."""
        try:
            octets = self._in.decompress(self._packed, PIECE)
        except zlib.error:
            raise BadDeflate from None
        self._packed = self._in.unconsumed_tail
        self._full = len(octets) == PIECE
        if self._in.eof:            # the client ended its stream, and may say nothing more
            raise BadDeflate
        return octets

    def pack(self, octets: bytes) -> bytes:
        """`octets` in a form that the other side can read to their end without waiting for more."""
        return self._out.compress(octets) + self._out.flush(zlib.Z_SYNC_FLUSH)

    def pack_unasked(self, octets: bytes) -> bytes:
        """The same for what the client has not asked for, in no fewer octets than it says.

        Thunderbird 153 reads as many unpacked octets as packed ones have come, and looks at the rest when more come: of what
        it is told in IDLE the last lines would wait for the next news.
        """
        packed = self.pack(octets)
        return packed + _NOTHING * -((len(packed) - len(octets)) // len(_NOTHING))
