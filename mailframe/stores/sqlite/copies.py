"""What the writer does when messages are copied or moved within an account: few statements for any number of messages."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from mailframe.model.flags import DELETED, FIRST_KEYWORD_BIT, SEEN, keyword_bit
from mailframe.sqlite.rows import fetch
from mailframe.stores import keywords

from . import quota
from .counting import count
from .departures import expunge
from .keywordtable import grow, table
from .schema import EMAIL_ID, masks, signed, uid_set
from .settings import SqliteSettings
from .tree import require

SLICE = 5_000       # messages whose attributes are copied at once: some 10 ms of the writer
_SYSTEM = (1 << FIRST_KEYWORD_BIT) - 1
_THESE = "FROM message WHERE mailbox = ? AND uid IN carray(?)"
# Rows of a carray are numbered from 1 in the order of its values: so each UID meets its new one.
_PAIRED = "FROM carray(:uids) AS old CROSS JOIN {} AS m ON m.mailbox = :source AND m.uid = old.value"
_NEW_UID = ":first + old.rowid - 1"


def copy(
    con: apsw.Connection, account: int, source: int, uids: Sequence[int], target: int, saved: int,
    settings: SqliteSettings | None,
) -> tuple[list[int], range]:
    """(UIDs that existed, their new UIDs). Raises NoSuchMailbox, and OverQuota if there are `settings`."""
    require(con, account, source)
    require(con, account, target)
    these = (source, uid_set(uids))
    old = [row[0] for row in fetch(con, f"SELECT uid {_THESE} ORDER BY uid", these)]
    if not old:
        return [], range(0)
    unseen, deleted, size = fetch(
        con, f"SELECT total(flags & {SEEN} = 0), total(flags & {DELETED} <> 0), sum(size) {_THESE}", these)[0]
    counted = count(con, target, (len(old), int(unseen), int(deleted), size))
    if settings is not None and quota.too_much(con, counted, settings, (size, *[0] * (len(old) - 1))):
        raise quota.refusal(con, account)
    new = range(counted.uidnext - len(old), counted.uidnext)
    flags = _translation(con, source, target, masks([row[0] for row in fetch(con, f"SELECT DISTINCT flags {_THESE}", these)]))
    names = {"uids": uid_set(old), "source": source, "target": target, "first": new[0], "modseq": counted.modseq, "saved": saved}
    con.execute(f"""
        INSERT INTO message SELECT :target, {_NEW_UID}, {flags}, :modseq, m.date, :saved, m.size, m.content, {EMAIL_ID}, m.thread
        {_PAIRED.format('message')}""", names)
    where = {name: names[name] for name in ("uids", "source", "target", "first")}
    con.execute(f"INSERT INTO head SELECT :target, {_NEW_UID}, m.octets {_PAIRED.format('head')}", where)
    if len(old) <= SLICE:
        copy_attributes(con, source, old, target, new[0])
    con.execute("""
        UPDATE content SET refs = refs + copies.n
        FROM (SELECT content, count(*) AS n FROM message WHERE mailbox = ? AND uid >= ? GROUP BY content) AS copies
        WHERE content.id = copies.content""", (target, new[0]))
    return old, new


def copy_attributes(con: apsw.Connection, source: int, old: Sequence[int], target: int, first: int) -> None:
    """What is kept of the messages `old` for those of their copies, from UID `first` on, that are still there.

    These are half of a copy's octets, and may be missing: of more than SLICE messages they come afterwards, in slices."""
    con.execute(f"""
        INSERT OR IGNORE INTO attributes SELECT :target, t.uid, m.version, m.envelope, m.structure, m.mime_index, m.preview
        {_PAIRED.format('attributes')} CROSS JOIN message AS t ON t.mailbox = :target AND t.uid = {_NEW_UID}""",
        {"uids": uid_set(old), "source": source, "target": target, "first": first})


def move(con: apsw.Connection, account: int, source: int, uids: Sequence[int], target: int, now: float) -> tuple[list[int], range]:
    """As `copy`, and the originals are gone (RFC 6851). No quota is in its way: the account holds what it held."""
    old, new = copy(con, account, source, uids, target, int(now), None)
    if old:
        expunge(con, source, old, False, now)
    return old, new


def _translation(con: apsw.Connection, source: int, target: int, flags: Sequence[int]) -> str:
    """How a mask of the source's becomes one by the target's table, which grows as far as it can, in SQL."""
    if not any(mask > _SYSTEM for mask in flags):
        return "m.flags"
    mine, theirs = table(con, source), table(con, target)
    wanted = keywords.carried(mine, flags, theirs)
    grow(con, target, theirs, wanted)
    if wanted[:len(mine)] == mine:
        return "m.flags"
    terms = [f"m.flags & {_SYSTEM}"]
    for number in range(len(mine)):
        bit = keyword_bit(number)
        there = keywords.translate(bit, mine, wanted)
        if there and any(mask & bit for mask in flags):
            terms.append(f"CASE WHEN m.flags & {signed(bit)} THEN {signed(there)} ELSE 0 END")
    return " | ".join(f"({term})" for term in terms)
