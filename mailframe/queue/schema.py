"""The queue's tables, and what the writer's jobs do with them."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from mailframe.sqlite.content import SqliteContent
from mailframe.sqlite.rows import Row, fetch

#: `created`, `next_try`, `tried_at`, `release_at` (not to be tried before) and `return_at` (nor after; 0: none) are seconds since
#: the epoch; a held recipient is in no index of what is due.
MIGRATIONS = (
    """
    CREATE TABLE queue_message (
        id INTEGER PRIMARY KEY AUTOINCREMENT, envelope TEXT NOT NULL, head BLOB NOT NULL, content INTEGER NOT NULL,
        size INTEGER NOT NULL, created REAL NOT NULL);
    CREATE TABLE queue_recipient (
        id INTEGER PRIMARY KEY AUTOINCREMENT, message INTEGER NOT NULL, recipient TEXT NOT NULL, domain TEXT NOT NULL,
        head BLOB NOT NULL, next_try REAL NOT NULL, tries INTEGER NOT NULL DEFAULT 0, problem TEXT,
        tried_at REAL NOT NULL DEFAULT 0, held INTEGER NOT NULL DEFAULT 0, warned INTEGER NOT NULL DEFAULT 0);
    CREATE INDEX queue_recipient_message ON queue_recipient (message);
    CREATE INDEX queue_recipient_due ON queue_recipient (next_try, id, domain) WHERE held = 0;
    CREATE INDEX queue_recipient_domain ON queue_recipient (domain, next_try, id) WHERE held = 0;
    """,
    """
    ALTER TABLE queue_recipient ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE queue_recipient ADD COLUMN release_at REAL NOT NULL DEFAULT 0;
    ALTER TABLE queue_recipient ADD COLUMN return_at REAL NOT NULL DEFAULT 0;
    CREATE INDEX queue_recipient_urgent ON queue_recipient (next_try, id, domain) WHERE held = 0 AND priority > 0;
    CREATE INDEX queue_recipient_return ON queue_recipient (return_at, id) WHERE held = 0 AND return_at > 0;
    """,
)
COLUMNS = "id, message, recipient, domain, head, next_try, tries, problem, tried_at, held, warned, priority"


def insert(
    con: apsw.Connection, content: SqliteContent, octets: bytes | str, message: Sequence[object],
    recipients: Sequence[Sequence[object]],
) -> int:
    """Keep a message (envelope, head, size, created) and its recipients (recipient, domain, head, next_try, priority, release_at,
    return_at).

    Returns its id.
    """
    if isinstance(octets, bytes):
        content_id = content.keep(con, octets)
    else:
        content_id = int(octets)
        content.reference(con, content_id)
    con.execute("INSERT INTO queue_message (envelope, head, size, created, content) VALUES (?, ?, ?, ?, ?)", (*message, content_id))
    message_id = con.last_insert_rowid()
    con.executemany("""
        INSERT INTO queue_recipient (message, recipient, domain, head, next_try, priority, release_at, return_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)""", ((message_id, *each) for each in recipients))
    return message_id


def settle(
    con: apsw.Connection, content: SqliteContent, message_id: int, gone: Sequence[tuple[int]], waiting: Sequence[Sequence[object]],
) -> None:
    """Remove the recipients `gone`, put off those `waiting` (next_try, problem, tried_at, warned, tried, id)."""
    con.executemany(
        "UPDATE queue_recipient SET next_try = ?, problem = ?, tried_at = ?, warned = ?, tries = tries + ? WHERE id = ?", waiting)
    if gone:
        con.executemany("DELETE FROM queue_recipient WHERE id = ?", gone)
        end_if_empty(con, content, message_id)


def remove(con: apsw.Connection, content: SqliteContent, ids: Sequence[int]) -> int:
    """Drop whole messages; returns how many recipients they had."""
    removed = 0
    for message_id in ids:
        con.execute("DELETE FROM queue_recipient WHERE message = ?", (message_id,))
        removed += con.changes()
        end_if_empty(con, content, message_id)
    return removed


def end_if_empty(con: apsw.Connection, content: SqliteContent, message_id: int) -> None:
    """Without recipients a message leaves the queue, and its content goes when nobody else refers to it."""
    ended = fetch(con, """
        DELETE FROM queue_message WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM queue_recipient WHERE message = ?1)
        RETURNING content""", (message_id,))
    for (content_id,) in ended:
        content.release(con, content_id)


def alter(con: apsw.Connection, assignment: str, ids: Sequence[int], held: bool | None = None) -> int:
    """Change all recipients of these messages, of all messages if `ids` is empty; only those held, or not; returns how many."""
    where = "" if held is None else f" AND held = {int(held)}"
    if not ids:
        con.execute(f"UPDATE queue_recipient SET {assignment} WHERE 1{where}")
        return con.changes()
    changed = 0
    for message_id in ids:
        con.execute(f"UPDATE queue_recipient SET {assignment} WHERE message = ?{where}", (message_id,))
        changed += con.changes()
    return changed


def retry(con: apsw.Connection, ids: Sequence[int], now: float) -> int:
    """Make due all recipients of these messages, of all if `ids` is empty, that are neither held nor to leave only later."""
    change = "UPDATE queue_recipient SET next_try = release_at WHERE held = 0 AND release_at <= ?"
    if not ids:
        con.execute(change, (now,))
        return con.changes()
    changed = 0
    for message_id in ids:
        con.execute(f"{change} AND message = ?", (now, message_id))
        changed += con.changes()
    return changed


def retry_domain(con: apsw.Connection, domain: str, below: bool) -> int:
    """Make due what was tried in vain for a domain, and for those `below` it; returns how many recipients."""
    where, parameters = ("domain = ?", [domain]) if not below else ("(domain = ? OR substr(domain, ?) = ?)", [
        domain, -len(domain) - 1, f".{domain}"])
    con.execute(f"UPDATE queue_recipient SET next_try = release_at WHERE {where} AND held = 0 AND tries > 0", parameters)
    return con.changes()


def due_query(
    now: float, limit: int, after: tuple[float, int], domain: str | None, skip: Sequence[str], urgent: bool,
) -> tuple[str, Row]:
    """SQL and parameters of `ISpool.due`; each form runs along an index."""
    where = f"held = 0 {'AND priority > 0 ' * urgent}AND (next_try, id) > (?, ?) AND next_try <= ?"
    parameters: Row = (*after, now)
    if domain is not None:
        where, parameters = f"domain = ? AND {where}", (domain, *parameters)
    if skip:
        where, parameters = f"{where} AND domain NOT IN ({','.join('?' * len(skip))})", (*parameters, *skip)
    return f"SELECT {COLUMNS} FROM queue_recipient WHERE {where} ORDER BY next_try, id LIMIT ?", (*parameters, limit)


OVERDUE = f"""
    SELECT {COLUMNS} FROM queue_recipient WHERE held = 0 AND return_at > 0 AND return_at <= ?1 AND next_try <= ?1
    ORDER BY return_at, id LIMIT ?2"""
NEXT_DUE = """
    SELECT min(at) FROM (
        SELECT min(next_try) AS at FROM queue_recipient WHERE held = 0 AND next_try > ?1 UNION ALL
        SELECT min(return_at) FROM queue_recipient WHERE held = 0 AND return_at > 0 AND return_at > ?1)"""
