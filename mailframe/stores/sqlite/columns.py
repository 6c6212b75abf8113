"""UIDs, flags and mod-sequences of mailboxes in use, kept as columns and brought up to date by the change log."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Sequence

from mailframe.model.mailbox import MAX_UID, Field, Rows, UidRanges
from mailframe.model.refusal import NoSuchMailbox
from mailframe.sqlite.engine import Engine
from mailframe.sqlite.rows import Row

from .schema import BY_CHANGE, FORGOTTEN, masks

SERVES = Field.FLAGS | Field.MODSEQ
_PAGE = 2_048               # messages loaded at once: some 1.5 ms of the reactor
_PAGES = 2                  # loaded in one call; who asks for much at once is answered elsewhere
_PATCHES = 1_000            # more changes than this are read anew rather than patched in
_REMOVALS = 64              # each one moves the rest of the columns
_MAILBOXES = 1_000          # kept at most, the longest unused go first
_MESSAGES = 2_000_000       # 20 octets each


class Columns:
    """One mailbox from its first message up to `_upto`, true as of `_modseq`.

    All reads are synchronous: nothing comes between looking at the mailbox's mod-sequence and patching. Whoever else
    writes the file, also from another process, is noticed by that mod-sequence.
    """

    def __init__(self, engine: Engine, mailbox: int) -> None:
        self._engine = engine
        self._mailbox = mailbox
        self._reset(0)

    def __len__(self) -> int:
        return len(self._uids)

    def rows(self, ranges: UidRanges, limit: int, fields: Field) -> Rows | None:
        """As `IMailbox.rows` for fields of `SERVES`; None where it begins or goes far beyond what is kept. Raises NoSuchMailbox."""
        self._catch_up()
        answer, pages = Rows(), _PAGES
        for first, last in ranges:
            if first > self._upto + _PAGE:
                return None
            while True:
                low, high = bisect_left(self._uids, first), bisect_right(self._uids, last)
                if last <= self._upto or high - low >= limit - len(answer):
                    break
                if not pages:
                    return None
                pages -= 1
                self._load()
            self._take(answer, low, min(high, low + limit - len(answer)), fields)
            if len(answer) >= limit:
                break
        return answer

    def _take(self, answer: Rows, low: int, high: int, fields: Field) -> None:
        answer.uids = _joined(answer.uids, self._uids[low:high])
        if Field.FLAGS in fields:
            answer.flags = _joined(answer.flags, self._flags[low:high])
        if Field.MODSEQ in fields:
            answer.modseqs = _joined(answer.modseqs, self._modseqs[low:high])

    def _reset(self, modseq: int) -> None:
        self._uids, self._flags, self._modseqs = array("I"), array("Q"), array("Q")
        self._upto = 0
        self._modseq = modseq

    def _load(self) -> None:
        found = self._engine.read(
            "SELECT uid, flags, modseq FROM message WHERE mailbox = ? AND uid > ? ORDER BY uid LIMIT ?",
            (self._mailbox, self._upto, _PAGE))
        if found:
            uids, flags, modseqs = zip(*found)
            self._uids.extend(uids)
            self._flags += masks(flags)
            self._modseqs.extend(modseqs)
        self._upto = found[-1][0] if len(found) == _PAGE else MAX_UID

    def _catch_up(self) -> None:
        found = self._engine.read("SELECT modseq FROM mailbox WHERE id = ? AND name IS NOT NULL", (self._mailbox,))
        if not found:
            raise NoSuchMailbox()
        modseq = found[0][0]
        if modseq == self._modseq:
            return
        if self._upto:
            since = (self._mailbox, self._modseq)
            changed = self._engine.read(
                f"SELECT uid, flags, modseq FROM {BY_CHANGE} AND modseq > ? ORDER BY uid LIMIT {_PATCHES}", since)
            gone = self._engine.read(f"SELECT uid FROM vanished WHERE mailbox = ? AND modseq > ? LIMIT {_REMOVALS}", since)
            forgotten = self._engine.read(FORGOTTEN, (self._mailbox,))
            if (not forgotten or forgotten[0][0] > self._modseq or modseq < self._modseq
                    or len(changed) == _PATCHES or len(gone) == _REMOVALS):
                self._reset(modseq)
                return
            self._patch(changed, gone)
        self._modseq = modseq

    def _patch(self, changed: Sequence[Row], gone: Sequence[Row]) -> None:
        uids = self._uids
        for uid, flags, modseq in changed:
            place = bisect_left(uids, uid)
            if place < len(uids) and uids[place] == uid:
                self._flags[place], self._modseqs[place] = flags & MASK, modseq
            elif place == len(uids) and uid <= self._upto:
                uids.append(uid)
                self._flags.append(flags & MASK)
                self._modseqs.append(modseq)
        for (uid,) in gone:
            place = bisect_left(uids, uid)
            if place < len(uids) and uids[place] == uid:
                del uids[place], self._flags[place], self._modseqs[place]


def _joined(before: array[int], more: array[int]) -> array[int]:
    """Mostly there is nothing before: a mailbox is listed in one go, and octets copied twice are twice as slow."""
    if not before:
        return more
    before += more
    return before


MASK = (1 << 64) - 1


class ColumnsCache:
    """The columns of the mailboxes that were last listed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._kept: OrderedDict[int, Columns] = OrderedDict()

    def of(self, mailbox: int) -> Columns:
        columns = self._kept.get(mailbox)
        if columns is None:
            self._make_room()
            columns = self._kept[mailbox] = Columns(self._engine, mailbox)
        self._kept.move_to_end(mailbox)
        return columns

    def _make_room(self) -> None:
        messages = sum(map(len, self._kept.values()))
        while self._kept and (len(self._kept) >= _MAILBOXES or messages > _MESSAGES):
            messages -= len(self._kept.popitem(last=False)[1])
