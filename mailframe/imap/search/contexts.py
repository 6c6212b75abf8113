"""Results that are kept up to date (RFC 5267 section 4.3): what changed is searched again, and the client told the difference."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from mailframe.interfaces.store import IMailbox
from mailframe.pacing.breath import Breath

from .. import numset, writer
from ..registry import Context
from .criteria import Outcome, matching
from .returning import numbers_of

RECHECK_S = 60.0        # how often ages are looked at anew (RFC 5032 leaves it to the server)
FEW = 64                # members put in or taken out one by one: each moves all behind it
KEPT_KEYS = 2_000       # of a sorted context between two changes: binary searches ask for the same ones again

SortKeys = Sequence[tuple[bytes, bool]]
#: What messages are sorted by, of those that still exist, as values that compare.
KeysOf = Callable[[IMailbox, Sequence[int], SortKeys, Breath], Awaitable[dict[int, tuple[Any, ...]]]]
#: Places in a list of results, counted from 1 (0: wherever it belongs), each with what stands there.
Places = list[tuple[int, list[int]]]


class UpdateContext:
    """One search with UPDATE. `_members` are the UIDs that the client believes to match, ascending."""

    def __init__(self, context: Context, tag: bytes, outcome: Outcome) -> None:
        self._context, self._tag, self._by_uid = context, tag, context.by_uid
        self._criteria = outcome.criteria
        self._members = array("I", outcome.found)
        self._looked = context.clock.seconds()      # when all was last looked at

    async def leaving(self, uids: Sequence[int]) -> None:
        """REMOVEFROM stands before EXPUNGE, so that its numbers are good (section 4.3.4)."""
        removed = self._remove(filter(self._holds, uids))
        if removed:
            self._tell(removed, [])

    async def changed(self, uids: Sequence[int]) -> None:
        now = self._context.clock.seconds()
        if self._criteria.timely and now - self._looked >= RECHECK_S:
            self._looked = now
            uids = self._context.view.uids[:]
        if not len(uids):
            return
        query = self._criteria.read() if self._criteria.timely else self._criteria.query
        found = set(await matching(self._context, query, numset.spans(numset.ranges_of(uids), self._context.view.uids)))
        removed = self._remove([uid for uid in uids if uid not in found and self._holds(uid)])
        added = await self._add(sorted(uid for uid in found if not self._holds(uid)))
        if removed or added:
            self._tell(removed, added)

    def _holds(self, uid: int) -> bool:
        place = bisect_left(self._members, uid)
        return place < len(self._members) and self._members[place] == uid

    def _remove(self, uids: Iterable[int]) -> Places:
        """These, ascending and all of them members, are so no more; how that is told."""
        gone = list(uids)
        if len(gone) > FEW:
            left = frozenset(gone)
            self._members = array("I", [uid for uid in self._members if uid not in left])
        else:
            for uid in reversed(gone):
                del self._members[bisect_left(self._members, uid)]
        return [(0, gone)] if gone else []

    async def _add(self, uids: Sequence[int]) -> Places:
        """These, ascending and none of them members, are so now; how that is told."""
        if len(uids) > FEW:
            self._members = array("I", sorted([*self._members, *uids]))
        else:
            for uid in uids:
                self._members.insert(bisect_left(self._members, uid), uid)
        return [(0, list(uids))] if uids else []

    def _tell(self, removed: Places, added: Places) -> None:
        if self._context.uid_only and not self._by_uid:
            return                          # the client has given up message numbers since (RFC 9586)
        parts = [b"ESEARCH (TAG %b)" % writer.quoted(self._tag)]
        if self._by_uid:
            parts.append(b"UID")
        for word, places in ((b"REMOVEFROM", removed), (b"ADDTO", added)):
            if places:
                pairs = b" ".join(b"%d %b" % (place, self._numbers(uids)) for place, uids in places)
                parts.append(b"%b (%b)" % (word, pairs))
        self._context.out.untagged(b" ".join(parts))

    def _numbers(self, uids: list[int]) -> bytes:
        return numbers_of(uids if self._by_uid else list(map(self._context.view.number, uids)))


class SearchContext(UpdateContext):
    """Of SEARCH: in the order of the mailbox, so that no places need be told."""


class SortContext(UpdateContext):
    """Of SORT: `_order` are the members as they are sorted."""

    def __init__(self, context: Context, tag: bytes, outcome: Outcome, keys_of: KeysOf) -> None:
        super().__init__(context, tag, outcome)
        self._sort, self._keys_of = outcome.keys, keys_of
        self._order = array("I", outcome.ordered)
        self._members = array("I", sorted(outcome.ordered))     # some may have gone while they were sorted
        self._keys: dict[int, tuple[Any, ...]] = {}

    def _remove(self, uids: Iterable[int]) -> Places:
        """From the last place to the first, so that each is good when it is told."""
        gone = set(uids)
        super()._remove(sorted(gone))
        runs: Places = []
        for place, uid in enumerate(self._order if gone else (), 1):
            if uid in gone:
                if runs and runs[-1][0] + len(runs[-1][1]) == place:
                    runs[-1][1].append(uid)
                else:
                    runs.append((place, [uid]))
        for place, run in reversed(runs):
            del self._order[place - 1:place - 1 + len(run)]
        return runs[::-1]

    async def _add(self, uids: Sequence[int]) -> Places:
        """In the order of the results, each place counting what was inserted before it."""
        if not uids:
            return []
        await self._read(uids)
        fresh = sorted((uid for uid in uids if uid in self._keys), key=self._keys.__getitem__)
        if len(fresh) * len(self._order).bit_length() > len(self._order):
            await self._read(self._order)
        runs: Places = []
        breath = Breath(self._context.clock.seconds, self._context.breathe)
        for uid in fresh:
            await breath.take()
            place = await self._place(uid)
            self._order.insert(place, uid)
            if runs and runs[-1][0] + len(runs[-1][1]) == place + 1:
                runs[-1][1].append(uid)
            else:
                runs.append((place + 1, [uid]))
        await super()._add(sorted(fresh))
        if len(self._keys) > KEPT_KEYS:
            self._keys.clear()
        return runs

    async def _read(self, uids: Sequence[int]) -> None:
        lacking = sorted(uid for uid in uids if uid not in self._keys)
        if lacking:
            breath = Breath(self._context.clock.seconds, self._context.breathe)
            self._keys.update(await self._keys_of(self._context.selected.mailbox, lacking, self._sort, breath))

    async def _place(self, uid: int) -> int:
        """Before how many members it belongs. One that went unheard of meanwhile tells nothing and is passed over."""
        low, high = 0, len(self._order)
        while low < high:
            middle = probe = (low + high) // 2
            key = await self._key(self._order[probe])
            while key is None and probe + 1 < high:
                probe += 1
                key = await self._key(self._order[probe])
            if key is None:
                high = middle
            elif key < self._keys[uid]:
                low = probe + 1
            else:
                high = middle
        return low

    async def _key(self, uid: int) -> tuple[Any, ...] | None:
        if uid not in self._keys:
            await self._read([uid])
        return self._keys.get(uid)
