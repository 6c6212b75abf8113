"""Walking through a mailbox's messages in pages, as the storage seam gives them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IMailbox
from mailframe.model.mailbox import Field, Rows, UidRanges


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
