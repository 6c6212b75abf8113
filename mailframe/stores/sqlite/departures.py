"""What the writer does when messages go: expunge, and the sweeping of what is left behind."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from mailframe.model.flags import DELETED, SEEN
from mailframe.model.refusal import NoSuchMailbox
from mailframe.sqlite.content import GRACE_S
from mailframe.sqlite.rows import fetch

from .schema import LOGGED, uid_set

_SLICE = 500                # rows swept in one job: a few milliseconds of the writer

_THESE = "FROM message WHERE mailbox = ?1 AND uid IN carray(?2)"


def expunge(con: apsw.Connection, mailbox: int, uids: Sequence[int] | None, only_deleted: bool, now: float) -> list[int]:
    """The UIDs that are gone now. Their content loses its reference, and stays for readers as long as the sweeper lets it."""
    chosen = "" if uids is None else " AND uid IN carray(?)"
    found = fetch(con, "SELECT uid, flags, size FROM message WHERE mailbox = ?" + chosen
                  + (f" AND flags & {DELETED}" if only_deleted else "") + " ORDER BY uid",
                  (mailbox,) if uids is None else (mailbox, uid_set(uids)))
    if not found:
        current_modseq(con, mailbox)
        return []
    gone = [row[0] for row in found]
    modseq = fetch(con, """
        UPDATE mailbox SET modseq = modseq + 1, messages = messages - ?1, unseen = unseen - ?2, deleted = deleted - ?3,
            size = size - ?4, expunged = expunged + ?1
        WHERE id = ?5 AND name IS NOT NULL RETURNING modseq""", (
        len(gone), sum(not row[1] & SEEN for row in found), sum(bool(row[1] & DELETED) for row in found),
        sum(row[2] for row in found), mailbox))
    if not modseq:
        raise NoSuchMailbox()
    con.execute("INSERT INTO vanished SELECT ?, ?, value FROM carray(?)", (mailbox, modseq[0][0], uid_set(gone)))
    _remove(con, mailbox, gone, now)
    return gone


def sweep(con: apsw.Connection, now: float, expunged_kept: int) -> bool:
    """Remove a slice of what nobody may read any more, or of too long a log; returns whether there may be more."""
    old = fetch(con, "SELECT mailbox, uid FROM lingering WHERE since <= ? ORDER BY since LIMIT ?", (now - GRACE_S, _SLICE))
    for name in ("head", "attributes", "lingering"):
        con.executemany(f"DELETE FROM {name} WHERE mailbox = ? AND uid = ?", old)
    if len(old) == _SLICE:
        return True
    for (mailbox,) in fetch(con, "SELECT id FROM mailbox INDEXED BY mailbox_deleted WHERE name IS NULL LIMIT 1"):
        uids = [row[0] for row in fetch(con, "SELECT uid FROM message WHERE mailbox = ? LIMIT ?", (mailbox, _SLICE))]
        if uids:
            _remove(con, mailbox, uids, now)
            return True
        gone = fetch(con, "SELECT mailbox, modseq, uid FROM vanished WHERE mailbox = ? LIMIT ?", (mailbox, _SLICE))
        con.executemany("DELETE FROM vanished WHERE mailbox = ? AND modseq = ? AND uid = ?", gone)
        if not gone:
            con.execute("DELETE FROM keyword WHERE mailbox = ?", (mailbox,))
            con.execute("DELETE FROM mailbox WHERE id = ?", (mailbox,))
        return True
    return _forget(con, expunged_kept)


def _forget(con: apsw.Connection, kept: int) -> bool:
    """Cut a slice off the beginning of a log of expunges that is longer than `kept`."""
    found = fetch(con, f"""
        SELECT id, expunged FROM mailbox INDEXED BY mailbox_expunged
        WHERE expunged > {LOGGED} AND expunged > ? AND name IS NOT NULL LIMIT 1""", (kept,))
    for mailbox, expunged in found:
        oldest = fetch(con, "SELECT modseq, uid FROM vanished WHERE mailbox = ? ORDER BY modseq, uid LIMIT ?",
                       (mailbox, min(expunged - kept, _SLICE)))
        modseq, uid = oldest[-1] if oldest else (0, 0)
        con.execute("DELETE FROM vanished WHERE mailbox = ? AND (modseq, uid) <= (?, ?)", (mailbox, modseq, uid))
        con.execute("UPDATE mailbox SET expunged = ?, forgotten = max(forgotten, ?) WHERE id = ?",
                    (expunged - len(oldest) if oldest else 0, modseq, mailbox))
    return bool(found)


def _remove(con: apsw.Connection, mailbox: int, uids: Sequence[int], now: float) -> None:
    these = (mailbox, uid_set(uids))
    con.execute(f"INSERT INTO lingering SELECT mailbox, uid, content, ?3 {_THESE}", (*these, now))
    con.execute(f"""
        UPDATE content SET refs = refs - gone.n, since = ?3 FROM (SELECT content, count(*) AS n {_THESE} GROUP BY content) AS gone
        WHERE content.id = gone.content""", (*these, now))
    con.execute(f"DELETE {_THESE}", these)


def current_modseq(con: apsw.Connection, mailbox: int) -> int:
    """Raises NoSuchMailbox."""
    found = fetch(con, "SELECT modseq FROM mailbox WHERE id = ? AND name IS NOT NULL", (mailbox,))
    if not found:
        raise NoSuchMailbox()
    return int(found[0][0])
