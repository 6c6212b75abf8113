"""What the index notes of one mailbox's messages, as columns at one instant; pure, and never changed once made."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mailframe.model.mailbox import Rows, UidRanges

_FEW = 64               # changes that are put in their places one by one


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Ascending UIDs, their flags and mod-sequences, of the row `number` when it stood at `modseq`; 20 octets a message."""

    number: int
    modseq: int
    uids: array[int] = field(default_factory=lambda: array("I"))
    flags: array[int] = field(default_factory=lambda: array("Q"))
    modseqs: array[int] = field(default_factory=lambda: array("Q"))

    def later(self, modseq: int, changed: Iterable[tuple[int, int, int]], gone: Iterable[int]) -> Snapshot:
        """With (uid, flags, modseq) as they are now and without those that are gone."""
        changed, gone = list(changed), list(gone)
        if len(changed) + len(gone) > _FEW:
            return self._rebuilt(modseq, changed, gone)
        uids, flags, modseqs = self.uids[:], self.flags[:], self.modseqs[:]
        for uid in gone:
            place = bisect_left(uids, uid)
            if place < len(uids) and uids[place] == uid:
                del uids[place], flags[place], modseqs[place]
        for uid, mask, last in changed:
            place = bisect_left(uids, uid)
            if place == len(uids) or uids[place] != uid:
                uids.insert(place, uid)
                flags.insert(place, 0)
                modseqs.insert(place, 0)
            flags[place], modseqs[place] = mask, last
        return Snapshot(self.number, modseq, uids, flags, modseqs)

    def _rebuilt(self, modseq: int, changed: list[tuple[int, int, int]], gone: list[int]) -> Snapshot:
        known = dict(zip(self.uids, zip(self.flags, self.modseqs)))
        for uid in gone:
            known.pop(uid, None)
        known.update((uid, (mask, last)) for uid, mask, last in changed)
        uids = array("I", sorted(known))
        return Snapshot(self.number, modseq, uids, array("Q", [known[uid][0] for uid in uids]),
                        array("Q", [known[uid][1] for uid in uids]))

    def rows(self, ranges: UidRanges, limit: int) -> Rows:
        """The first `limit` messages in `ranges`, with flags and modseqs."""
        found = Rows()
        for first, last in ranges:
            start = bisect_left(self.uids, first)
            stop = min(bisect_right(self.uids, last), start + limit - len(found))
            found.uids += self.uids[start:stop]
            found.flags += self.flags[start:stop]
            found.modseqs += self.modseqs[start:stop]
            if len(found) >= limit:
                break
        return found

    def fill(self, rows: Rows, flags: bool, modseqs: bool) -> array[int]:
        """Give `rows` these columns, from here; returns the UIDs that are not known here (theirs are 0, and the newest)."""
        places = [bisect_left(self.uids, uid) for uid in rows.uids]
        known = [place < len(self.uids) and self.uids[place] == uid for place, uid in zip(places, rows.uids)]
        if flags:
            rows.flags = array("Q", [self.flags[place] if here else 0 for place, here in zip(places, known)])
        if modseqs:
            rows.modseqs = array("Q", [self.modseqs[place] if here else self.modseq for place, here in zip(places, known)])
        return array("I", [uid for uid, here in zip(rows.uids, known) if not here])

    def differences(self, first: int, last: int, rows: Rows) -> tuple[Rows, Rows, list[int]]:
        """(changed, new, gone) of the UIDs `first` to `last`, of which the store has `rows` (uids and flags)."""
        start, stop = bisect_left(self.uids, first), bisect_right(self.uids, last)
        uids, flags = self.uids[start:stop], self.flags[start:stop]
        if uids == rows.uids and flags == rows.flags:
            return Rows(), Rows(), []
        known = dict(zip(uids, flags))
        changed = _chosen((uid, mask) for uid, mask in zip(rows.uids, rows.flags) if known.get(uid, mask) != mask)
        new = _chosen((uid, mask) for uid, mask in zip(rows.uids, rows.flags) if uid not in known)
        return changed, new, sorted(known.keys() - set(rows.uids))

    def divided(self, rows: Rows) -> tuple[Rows, Rows]:
        """`rows` (uids and flags) that are known here, and others."""
        pairs = list(zip(rows.uids, rows.flags))
        places = [bisect_left(self.uids, uid) for uid, _ in pairs]
        known = [place < len(self.uids) and self.uids[place] == uid for place, (uid, _) in zip(places, pairs)]
        return (_chosen(pair for pair, here in zip(pairs, known) if here),
                _chosen(pair for pair, here in zip(pairs, known) if not here))

    def unchanged_since(self, uids: Sequence[int], modseq: int) -> tuple[array[int], array[int]]:
        """Those of `uids` that are known here: (not changed after `modseq`, changed)."""
        same, changed = array("I"), array("I")
        for uid in uids:
            place = bisect_left(self.uids, uid)
            if place < len(self.uids) and self.uids[place] == uid:
                (same if self.modseqs[place] <= modseq else changed).append(uid)
        return same, changed


def _chosen(pairs: Iterable[tuple[int, int]]) -> Rows:
    rows = Rows()
    for uid, mask in pairs:
        rows.uids.append(uid)
        rows.flags.append(mask)
    return rows
