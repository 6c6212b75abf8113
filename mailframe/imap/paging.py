"""Walking through a mailbox's messages in pages, as the storage seam gives them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import TypeVar

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IMailbox
from mailframe.model.mailbox import Field, Rows, UidRanges

T = TypeVar("T")

SLICE_S = 0.002     # I2: what one command may keep the reactor busy with before others have their turn


def after(ranges: Sequence[tuple[int, int]], uid: int) -> list[tuple[int, int]]:
    """What of `ranges` (ascending, disjoint) lies above `uid`."""
    place = bisect_right(ranges, (uid, 1 << 33))
    left = list(ranges[place:])
    if place and ranges[place - 1][1] > uid:
        left.insert(0, (uid + 1, ranges[place - 1][1]))
    return left


def overlap(one: Sequence[tuple[int, int]], other: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The UIDs in both, as ranges again; linear."""
    found: list[tuple[int, int]] = []
    i = j = 0
    while i < len(one) and j < len(other):
        low, high = max(one[i][0], other[j][0]), min(one[i][1], other[j][1])
        if low <= high:
            found.append((low, high))
        if one[i][1] < other[j][1]:
            i += 1
        else:
            j += 1
    return found


class Pager:
    """`next()` gives the messages in `ranges` page by page; None when there are no more."""

    def __init__(self, mailbox: IMailbox, ranges: UidRanges, limit: int, fields: Field) -> None:
        self._mailbox, self._left, self._limit, self._fields = mailbox, list(ranges), limit, fields

    async def next(self) -> Rows | None:
        if not self._left:
            return None
        rows: Rows = await settled(self._mailbox.rows(self._left, self._limit, self._fields))
        self._left = after(self._left, rows.uids[-1]) if len(rows) >= self._limit else []
        return rows if len(rows) else None


class Breath:
    """Lets the reactor go on when this command has worked for `SLICE_S` without a pause (I2)."""

    def __init__(self, seconds: Callable[[], float], turn: Callable[[], Awaitable[None]]) -> None:
        """`seconds` tells the time, ``await turn()`` lets everybody else have theirs."""
        self._seconds, self._turn = seconds, turn
        self._since = seconds()

    @property
    def due(self) -> bool:
        """Whether `take` would wait; to be asked first where messages are gone through one by one."""
        return self._seconds() - self._since >= SLICE_S

    async def take(self) -> None:
        if self.due:
            await self._turn()
            self._since = self._seconds()

    async def through(self, steps: Generator[None, None, T]) -> T:
        """What pure work that is cut into `steps` comes to."""
        while True:
            try:
                next(steps)
            except StopIteration as stop:
                value: T = stop.value
                return value
            await self.take()
