"""What the writer does when flags change: what few messages each of a group's jobs name is done together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

import apsw

from mailframe.model.flags import DELETED, SEEN, FlagChange
from mailframe.sqlite.bundle import Bundled
from mailframe.sqlite.rows import Row, fetch

from .departures import current_modseq
from .schema import MAX_INTEGER, signed, uid_set

_FEW = 16           # messages in a job that is bundled: they are looked at in Python; SQLite is the faster one for many

_THESE = "FROM message WHERE mailbox = ?1 AND uid IN carray(?2)"
# "+modseq": so that the UIDs are looked up one by one, and not the whole mailbox by mod-sequence
_NEW = "((flags & :keep) | :put)"
_CHANGED = f"FROM message WHERE mailbox = :mailbox AND uid IN carray(:uids) AND +modseq <= :since AND flags <> {_NEW}"
_COUNT = f"""
    SELECT count(*), sum(({_NEW} & {SEEN} = 0) - (flags & {SEEN} = 0)), sum(({_NEW} & {DELETED} <> 0) - (flags & {DELETED} <> 0))
    {_CHANGED}"""
_CHANGE = f"UPDATE message SET flags = {_NEW}, modseq = :modseq {_CHANGED.removeprefix('FROM message ')}"
#: [uid, flags, modseq] of messages that are there. One statement, since the writer's thread waits for the interpreter after every
#: one; and not an UPDATE ... FROM, for which SQLite goes through the mailbox. Nothing is inserted.
_CHANGE_EACH = """
    INSERT INTO message (mailbox, uid, flags, modseq, date, saved, size, content)
    SELECT ?1, value ->> 0, value ->> 1, value ->> 2, 0, 0, 0, 0 FROM json_each(?2) WHERE true
    ON CONFLICT DO UPDATE SET flags = excluded.flags, modseq = excluded.modseq"""
_COUNT_UP = "UPDATE mailbox SET modseq = ?, unseen = unseen + ?, deleted = deleted + ? WHERE id = ?"


class Flagging(NamedTuple):
    """What one `IMailbox.set_flags` asks for."""

    mailbox: int
    uids: Sequence[int]
    change: FlagChange
    unchanged_since: int | None


class Flagged(NamedTuple):
    """`rows`: (uid, flags, modseq) of what is there and was let through; `refused` UIDs; `modseq`: up to which all is written
    with this, of the others, too; 0 where it has changed nothing."""

    rows: list[Row]
    refused: list[int]
    modseq: int


def job(flagging: Flagging) -> Bundled[Flagging, Flagged]:
    """For `Engine.submit`; its result is a Flagged. Raises NoSuchMailbox."""
    return Bundled(_few if len(flagging.uids) <= _FEW else _many, flagging, _as_it_is)


def _as_it_is(flagged: Flagged) -> Flagged:
    return flagged


def _many(con: apsw.Connection, items: Sequence[Flagging]) -> list[Flagged]:
    return [set_flags(con, *item) for item in items]


def _few(con: apsw.Connection, items: Sequence[Flagging]) -> list[Flagged]:
    if len(items) == 1:
        return _many(con, items)
    by_mailbox: dict[int, list[int]] = {}
    for place, item in enumerate(items):
        by_mailbox.setdefault(item.mailbox, []).append(place)
    done: dict[int, Flagged] = {}
    for mailbox, places in by_mailbox.items():
        done.update(zip(places, _in_one(con, mailbox, [items[place] for place in places])))
    return [done[place] for place in range(len(items))]


def _in_one(con: apsw.Connection, mailbox: int, items: Sequence[Flagging]) -> list[Flagged]:
    """One after the other as if each were alone, with a mod-sequence of its own (no two STOREs share one: RFC 7162 section
    3.1), but read and written once."""
    modseq = current_modseq(con, mailbox)
    wanted = uid_set(sorted({uid for item in items for uid in item.uids}))
    before = {row[0]: row for row in fetch(con, f"SELECT uid, flags, modseq {_THESE}", (mailbox, wanted))}
    now, changed, outcomes = dict(before), dict[int, Row](), []
    for item in items:
        rows, refused, new = _apply(item, now, modseq + 1)
        if new:
            modseq += 1
            changed.update(new)
        outcomes.append((rows, refused, bool(new)))
    if changed:
        con.execute(_CHANGE_EACH, (mailbox, json.dumps(list(changed.values()))))
        both = [(before[uid][1], row[1]) for uid, row in changed.items()]
        unseen = sum((not new & SEEN) - (not old & SEEN) for old, new in both)
        deleted = sum(bool(new & DELETED) - bool(old & DELETED) for old, new in both)
        con.execute(_COUNT_UP, (modseq, unseen, deleted, mailbox))
    return [Flagged(rows, refused, modseq if new else 0) for rows, refused, new in outcomes]


def _apply(item: Flagging, now: dict[int, Row], modseq: int) -> tuple[list[Row], list[int], dict[int, Row]]:
    """Do one to `now`, (uid, flags, modseq) by UID; what it has changed there, too, which has `modseq` then."""
    keep, put = signed(item.change.keep), signed(item.change.set)
    since = MAX_INTEGER if item.unchanged_since is None else item.unchanged_since
    rows: list[Row] = []
    refused: list[int] = []
    changed: dict[int, Row] = {}
    for uid in sorted(set(item.uids)) if len(item.uids) > 1 else item.uids:
        row = now.get(uid)
        if row is None:
            continue
        if row[2] > since:
            refused.append(uid)
            continue
        flags = (row[1] & keep) | put
        if flags != row[1]:
            row = now[uid] = changed[uid] = (uid, flags, modseq)
        rows.append(row)
    return rows, refused, changed


def set_flags(
    con: apsw.Connection, mailbox: int, uids: Sequence[int], change: FlagChange, unchanged_since: int | None,
) -> Flagged:
    """One alone, in SQL. Raises NoSuchMailbox."""
    modseq = current_modseq(con, mailbox) + 1
    since = MAX_INTEGER if unchanged_since is None else min(unchanged_since, MAX_INTEGER)
    wanted = uid_set(uids)
    refused: list[int] = []
    if since < modseq:
        refused = [row[0] for row in fetch(con, f"SELECT uid {_THESE} AND +modseq > ?3 ORDER BY uid", (mailbox, wanted, since))]
    names = {"mailbox": mailbox, "uids": wanted, "since": since, "keep": signed(change.keep), "put": signed(change.set)}
    count, unseen, deleted = con.execute(_COUNT, names).fetchall()[0]
    if count:
        con.execute(_CHANGE, {**names, "modseq": modseq})
        con.execute(_COUNT_UP, (modseq, unseen, deleted, mailbox))
    rows = fetch(con, f"SELECT uid, flags, modseq {_THESE} AND (+modseq <= ?3 OR +modseq = ?4) ORDER BY uid",
                 (mailbox, wanted, since, modseq))
    return Flagged(rows, refused, modseq if count else 0)
