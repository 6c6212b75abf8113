"""Jobs of the writer that note in the index what is known of a store's mailboxes; plain SQL, one transaction each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import apsw

from mailframe.model.flags import DELETED, SEEN
from mailframe.model.mailbox import Attributes, MailboxStatus, Rows
from mailframe.sqlite.rows import Row, fetch
from mailframe.stores.sqlite.schema import signed, uid_set

KEPT_EXPUNGES = 10_000      # of a mailbox, for readers with a cursor; who comes from before them compares
_MASK = (1 << 64) - 1       # a flags mask as Python has it, of one as SQLite has it
_TABLES = ("beside_message", "beside_vanished", "beside_attributes")


@dataclass(frozen=True, slots=True)
class Known:
    """A mailbox's row."""

    number: int
    uidvalidity: int
    uidnext: int
    modseq: int
    messages: int
    unseen: int
    deleted: int
    recent: int
    pruned: int

    def agrees(self, status: MailboxStatus) -> bool:
        """Whether the store counts what is counted here."""
        return (self.uidvalidity, self.uidnext, self.messages, self.unseen, self.deleted) == (
            status.uidvalidity, status.uidnext, status.messages, status.unseen, status.deleted)


FIND = """SELECT id, uidvalidity, uidnext, modseq, messages, unseen, deleted, recent, pruned FROM beside_mailbox
    WHERE store = ? AND account = ? AND mailbox = ?"""


@dataclass(slots=True)
class News:
    """What was learned of one mailbox since its row stood at `base`. Where something else was noted meanwhile, nobody knows
    which is newer: that is left as it is, to be looked at again."""

    changed: Rows = field(default_factory=Rows)     # uids and flags of messages noted before
    new: Rows = field(default_factory=Rows)         # of others
    gone: Sequence[int] = ()
    base: int = 0
    uidnext: int = 0
    attributes: Sequence[tuple[int, Attributes]] = ()

    def __bool__(self) -> bool:
        return bool(self.changed or self.new or self.gone)


@dataclass(frozen=True, slots=True)
class Noted:
    """(flags, modseq) of `News.changed` now, by UID; which of `News.new` were not there yet; and whether something was left
    as it is, to be looked at again."""

    now: dict[int, tuple[int, int]]
    inserted: list[int]
    skipped: bool


def open_mailbox(con: apsw.Connection, key: tuple[str, str, str], uidvalidity: int, now: int) -> int:
    """The number of the row for this UIDVALIDITY; one for another is forgotten, and its mod-sequences are not given again."""
    modseq = now
    for row in fetch(con, FIND, key):
        known = Known(*row)
        if known.uidvalidity == uidvalidity:
            return known.number
        forget(con, known.number)
        modseq = max(modseq, known.modseq + 1)
    con.execute("INSERT INTO beside_mailbox (store, account, mailbox, uidvalidity, modseq, pruned) VALUES (?, ?, ?, ?, ?, ?)",
                (*key, uidvalidity, modseq, modseq))
    return con.last_insert_rowid()


def forget(con: apsw.Connection, number: int) -> None:
    """All that is noted of it."""
    for table in _TABLES:
        con.execute(f"DELETE FROM {table} WHERE mailbox = ?", (number,))
    con.execute("DELETE FROM beside_mailbox WHERE id = ?", (number,))


def forget_all(con: apsw.Connection, numbers: Sequence[int]) -> None:
    for number in numbers:
        forget(con, number)


def note(con: apsw.Connection, number: int, news: News, now: int) -> Noted | None:
    """Bring the row and its messages up to date; None: it is forgotten.

    A new mod-sequence is at least `now`, milliseconds since the epoch: also when this index was lost, or put back from a
    backup, none is given that a client may know already.
    """
    found = fetch(con, "SELECT modseq FROM beside_mailbox WHERE id = ?", (number,))
    if not found:
        return None
    work = _Work(con, number, max(found[0][0] + 1, now), news)
    work.change()
    work.insert()
    work.remove()
    work.count()
    return Noted(work.now, work.inserted, work.skipped)


class _Work:
    """One `note`."""

    def __init__(self, con: apsw.Connection, number: int, modseq: int, news: News) -> None:
        self._con, self._number, self._modseq, self._news = con, number, modseq, news
        self._old = {uid: (flags, last) for uid, flags, last in self._find([*news.changed.uids, *news.new.uids])}
        self._messages = self._unseen = self._deleted = 0       # by how many these have grown
        self._touched = False
        self.now: dict[int, tuple[int, int]] = {}
        self.inserted: list[int] = []
        self.skipped = False

    def _find(self, uids: Sequence[int]) -> list[Row]:
        return fetch(self._con, "SELECT uid, flags, modseq FROM beside_message WHERE mailbox = ? AND uid IN carray(?)",
                     (self._number, uid_set(uids))) if uids else []

    def change(self) -> None:
        put = []
        for uid, mask in zip(self._news.changed.uids, self._news.changed.flags):
            flags, old = signed(mask), self._old.get(uid)
            if old is None:
                self.skipped = True
            elif old[0] == flags or old[1] > self._news.base:
                self.skipped |= old[0] != flags
                self.now[uid] = old[0] & _MASK, old[1]
            else:
                put.append((uid, flags))
                self.now[uid] = mask, self._modseq
        self._put(put)

    def insert(self) -> None:
        new = [(uid, signed(mask)) for uid, mask in zip(self._news.new.uids, self._news.new.flags)]
        put = [(uid, flags) for uid, flags in new if uid not in self._old]
        self.skipped |= any(self._old.get(uid, (flags,))[0] != flags for uid, flags in new)
        self.inserted = [uid for uid, _ in put]
        self._put(put)
        self._con.executemany(
            "INSERT OR REPLACE INTO beside_attributes VALUES (?, ?, ?, ?, ?, ?)",
            [(self._number, uid, each.version, each.envelope, each.structure, each.index) for uid, each in self._news.attributes])

    def _put(self, messages: list[tuple[int, int]]) -> None:
        for uid, flags in messages:
            old = self._old.get(uid)
            if old is not None:
                self._tally(old[0], -1)
            self._tally(flags, 1)
        self._con.executemany("INSERT OR REPLACE INTO beside_message VALUES (?, ?, ?, ?)",
                              [(self._number, uid, flags, self._modseq) for uid, flags in messages])

    def remove(self) -> None:
        found = self._find(self._news.gone)
        if not found:
            return
        gone = [uid for uid, _, _ in found]
        for _, flags, _ in found:
            self._tally(flags, -1)
        for table in ("beside_message", "beside_attributes"):
            self._con.execute(f"DELETE FROM {table} WHERE mailbox = ? AND uid IN carray(?)", (self._number, uid_set(gone)))
        self._con.executemany("INSERT INTO beside_vanished VALUES (?, ?, ?)", [(self._number, self._modseq, uid) for uid in gone])
        self._prune()

    def _prune(self) -> None:
        count = fetch(self._con, "SELECT count(*) FROM beside_vanished WHERE mailbox = ?", (self._number,))[0][0]
        if count <= 2 * KEPT_EXPUNGES:
            return
        last = fetch(self._con, "SELECT modseq FROM beside_vanished WHERE mailbox = ? ORDER BY modseq DESC LIMIT 1 OFFSET ?",
                     (self._number, KEPT_EXPUNGES))[0][0]
        self._con.execute("DELETE FROM beside_vanished WHERE mailbox = ? AND modseq <= ?", (self._number, last))
        self._con.execute("UPDATE beside_mailbox SET pruned = ? WHERE id = ?", (last, self._number))

    def _tally(self, flags: int, sign: int) -> None:
        self._touched = True
        self._messages += sign
        self._unseen += sign * (not flags & SEEN)
        self._deleted += sign * (flags & DELETED != 0)

    def count(self) -> None:
        last = max([*self._news.new.uids[-1:], self._news.uidnext - 1])
        self._con.execute(
            "UPDATE beside_mailbox SET modseq = iif(?, ?, modseq), uidnext = max(uidnext, ?), messages = messages + ?, "
            "unseen = unseen + ?, deleted = deleted + ? WHERE id = ?",
            (self._touched, self._modseq, last + 1, self._messages, self._unseen, self._deleted, self._number))


def take_along(con: apsw.Connection, source: int, old: Sequence[int], target: int, new: Sequence[int]) -> None:
    """What is known of copied messages' octets, for their copies."""
    con.executemany(
        "INSERT OR REPLACE INTO beside_attributes SELECT ?, ?, version, envelope, structure, mime_index FROM beside_attributes "
        "WHERE mailbox = ? AND uid = ?", [(target, after, source, before) for before, after in zip(old, new)])


def remember(con: apsw.Connection, number: int, uids: Sequence[int], attributes: Sequence[Attributes]) -> None:
    """Beside those messages that are noted."""
    con.executemany(
        "INSERT OR REPLACE INTO beside_attributes SELECT ?1, ?2, ?3, ?4, ?5, ?6 "
        "WHERE EXISTS (SELECT 1 FROM beside_message WHERE mailbox = ?1 AND uid = ?2)",
        [(number, uid, each.version, each.envelope, each.structure, each.index) for uid, each in zip(uids, attributes)])


def claim_recent(con: apsw.Connection, number: int, uidnext: int) -> int:
    """The lowest UID that is recent, which nobody else is told; 2**32 when there is none below `uidnext`."""
    found = fetch(con, "SELECT recent FROM beside_mailbox WHERE id = ? AND recent < ?", (number, uidnext))
    con.execute("UPDATE beside_mailbox SET recent = max(recent, ?) WHERE id = ?", (uidnext, number))
    return int(found[0][0]) if found else 2**32
