"""Names for mail transactions: short, sortable by time, never the same twice."""

from __future__ import annotations

import random

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base32: ascending in ASCII, nothing to misread
_PAIRS = [high + low for high in _DIGITS for low in _DIGITS]


def new_id(now: float, source: random.Random) -> str:
    """16 characters: `now` (seconds since the epoch) in microseconds as 11, then 25 random bits."""
    value = (int(now * 1_000_000) & (1 << 55) - 1) << 25 | source.getrandbits(25)
    return "".join([_PAIRS[value >> shift & 1023] for shift in (70, 60, 50, 40, 30, 20, 10, 0)])
