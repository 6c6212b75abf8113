"""What the index notes of one mailbox's messages, as columns at one instant; pure, and never changed once made."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field

from mailframe.model.mailbox import Rows, UidRanges

_FEW = 64               # changes that are put in their places one by one
_SLICE = 2_000          # messages put together without a pause: about a millisecond

Entry = tuple[int, int, int]    # UID, flags, mod-sequence


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Ascending UIDs, their flags and mod-sequences, of the row `number` when it stood at `modseq`; 20 octets a message."""

    number: int
    modseq: int
    uids: array[int] = field(default_factory=lambda: array("I"))
    flags: array[int] = field(default_factory=lambda: array("Q"))
    modseqs: array[int] = field(default_factory=lambda: array("Q"))

    def later(self, modseq: int, changed: Sequence[Entry], gone: Sequence[int]) -> Generator[None, None, Snapshot]:
        """With (uid, flags, modseq) as they are now, by UID, and without those that are gone. A step of it takes about a
        millisecond (`Breath.through`)."""
        if len(changed) + len(gone) > _FEW:
            return (yield from self._rebuilt(modseq, changed, set(gone)))
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

    def _rebuilt(self, modseq: int, changed: Sequence[Entry], gone: set[int]) -> Generator[None, None, Snapshot]:
        made, at = Snapshot(self.number, modseq), 0
        for start in range(0, len(self.uids), _SLICE):
            uids = self.uids[start:start + _SLICE]
            known = dict(zip(uids, zip(self.flags[start:start + _SLICE], self.modseqs[start:start + _SLICE])))
            for uid in gone.intersection(uids):
                del known[uid]
            end = bisect_right(changed, uids[-1], at, key=_uid)
            known.update((uid, (mask, last)) for uid, mask, last in changed[at:end])
            made._extend([(uid, *known[uid]) for uid in sorted(known)])
            at = end
            yield
        for start in range(at, len(changed), _SLICE):
            made._extend(changed[start:start + _SLICE])
            yield
        return made

    def _extend(self, entries: Sequence[Entry]) -> None:
        self.uids.extend([entry[0] for entry in entries])
        self.flags.extend([entry[1] for entry in entries])
        self.modseqs.extend([entry[2] for entry in entries])

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


def _uid(entry: Entry) -> int:
    return entry[0]


def _chosen(pairs: Iterable[tuple[int, int]]) -> Rows:
    rows = Rows()
    for uid, mask in pairs:
        rows.uids.append(uid)
        rows.flags.append(mask)
    return rows
