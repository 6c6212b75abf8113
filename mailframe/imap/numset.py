"""Sets of message numbers as clients write them (``1:5,7,9:*``), never expanded (RFC 3501 section 9, sequence-set)."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

STAR = 0                # stands for "*" in a NumSet: the greatest number in use
MAX_NUMBER = 0xFFFFFFFF

_PART = re.compile(rb"([1-9][0-9]{0,9}|\*)(?::([1-9][0-9]{0,9}|\*))?")


@dataclass(frozen=True, slots=True)
class NumSet:
    """Pairs (first, last) as written; either may be STAR. `saved` stands for "$" (RFC 5182 section 2.1)."""

    pairs: tuple[tuple[int, int], ...] = ()
    saved: bool = False

    def resolve(self, greatest: int) -> list[tuple[int, int]]:
        """Inclusive ranges, ascending and disjoint, with "*" as `greatest` (0: nothing there, "*" then means nothing)."""
        if len(self.pairs) == 1 and self.pairs[0][0] == self.pairs[0][1] != STAR:
            return [self.pairs[0]]
        ranges = []
        for first, last in self.pairs:
            low, high = first or greatest, last or greatest
            if low > high:
                low, high = high, low
            if low:
                ranges.append((low, high))
        return merged(ranges)

    @property
    def highest(self) -> int:
        """The greatest number written as such; 0 when there is only "*"."""
        return max((max(pair) for pair in self.pairs), default=0)


@dataclass(frozen=True, slots=True)
class MessageSet:
    """A client's choice of messages: by UID in a UID command, else by sequence number."""

    numbers: NumSet
    by_uid: bool


def parse(text: bytes) -> NumSet:
    """Read a whole sequence-set. Raises ValueError."""
    if text.isdigit() and text[0] != 48 and len(text) <= 9:     # as most are
        number = int(text)
        return NumSet(((number, number),))
    if text == b"$":
        return NumSet((), True)
    pairs = []
    for part in text.split(b","):
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError("not a set of message numbers")
        first = STAR if match[1] == b"*" else int(match[1])
        last = first if match[2] is None else STAR if match[2] == b"*" else int(match[2])
        if first > MAX_NUMBER or last > MAX_NUMBER:
            raise ValueError("number too big")
        pairs.append((first, last))
    return NumSet(tuple(pairs))


def merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same numbers as ascending, disjoint, non-adjacent inclusive ranges."""
    result: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if result and low <= result[-1][1] + 1:
            if high > result[-1][1]:
                result[-1] = (result[-1][0], high)
        else:
            result.append((low, high))
    return result


def spans(ranges: Iterable[tuple[int, int]], ascending: Sequence[int]) -> list[tuple[int, int]]:
    """Half-open index spans of `ascending` whose values lie in `ranges` (ascending, disjoint); none is empty."""
    result: list[tuple[int, int]] = []
    start = 0
    for low, high in ranges:
        start = bisect_left(ascending, low, start)
        stop = bisect_right(ascending, high, start)
        if stop > start:
            if result and result[-1][1] == start:
                result[-1] = (result[-1][0], stop)
            else:
                result.append((start, stop))
        start = stop
    return result


def intersect(ranges: Iterable[tuple[int, int]], ascending: array[int]) -> array[int]:
    """The values of `ascending` that lie in `ranges`."""
    result = array(ascending.typecode)
    for start, stop in spans(ranges, ascending):
        result += ascending[start:stop]
    return result


def ranges_of(ascending: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending numbers as inclusive ranges; a dense run costs two bisections, not a step each."""
    result: list[tuple[int, int]] = []
    start, count = 0, len(ascending)
    while start < count:
        # In strictly ascending numbers value - index never falls: gallop forward while it stays, then halve the steps.
        base = ascending[start] - start
        low, step = start, 1
        while low + step < count and ascending[low + step] - (low + step) == base:
            low += step
            step *= 2
        while step > 1:
            step //= 2
            if low + step < count and ascending[low + step] - (low + step) == base:
                low += step
        result.append((ascending[start], ascending[low]))
        start = low + 1
    return result


def render(ranges: Iterable[tuple[int, int]]) -> bytes:
    """Inclusive ranges as a sequence-set: ``1:3,7``."""
    return b",".join(b"%d" % low if low == high else b"%d:%d" % (low, high) for low, high in ranges)


def render_numbers(ascending: Sequence[int]) -> bytes:
    """Ascending numbers as a sequence-set; must not be empty where the grammar wants one."""
    return render(ranges_of(ascending))
