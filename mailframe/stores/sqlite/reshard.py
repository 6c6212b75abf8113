"""Mail dealt out anew over another number of files: each new file takes what is its own from every old one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import apsw

from mailframe.sqlite import files
from mailframe.sqlite.migrate import Migration, create
from mailframe.sqlite.pieces import PIECE_BITS
from mailframe.sqlite.rows import fetch

from . import sharding
from .sharding import Shard, shard_of

#: No journal: until it is whole and synced the new file is nobody's.
_FRESH = "PRAGMA page_size = 8192; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536;"


def deal(old: Sequence[Path], target: Path, shard: Shard, components: Mapping[str, Sequence[Migration]]) -> None:
    """Make `target` with the accounts that belong there, under the ids that they have, and all tables of those `components`
    that have no column account or mailbox (the queue's, annotations'), which are in one of the old files at most."""
    files.prepare(target)
    con = apsw.Connection(str(target))
    try:
        fetch(con, _FRESH)
        create(con, {**components, sharding.COMPONENT: sharding.MIGRATIONS})
        con.execute("CREATE TEMP TABLE mine (account INTEGER PRIMARY KEY)")
        for path in old:
            con.execute("ATTACH ? AS old", (str(path),))
            with con:
                _take(con, shard)
            con.execute("DETACH old")
        with con:
            sharding.write(con, shard)
    finally:
        con.close()
    files.sync(target)


def _take(con: apsw.Connection, shard: Shard) -> None:
    con.execute("DELETE FROM mine")
    accounts = fetch(con, "SELECT id, name FROM old.account")
    con.executemany("INSERT INTO mine VALUES (?)", [
        (number,) for number, name in accounts if shard_of(name, shard.number) == shard.place])
    there = {str(name) for name, in fetch(con, "SELECT name FROM old.sqlite_schema WHERE type = 'table'")}
    tables = [str(name) for name, in fetch(con, "SELECT name FROM main.sqlite_schema WHERE type = 'table'") if name in there]
    for table in tables:
        if table in ("components", "shard", "content", "piece") or table.startswith("sqlite_"):
            continue
        columns = [str(row[1]) for row in fetch(con, f"PRAGMA main.table_info({table})")]
        con.execute(f"INSERT INTO main.{table} SELECT {', '.join(columns)} FROM old.{table}{_where(table, columns)}")
    _content(con, "queue_message" in tables)
    for name, last in fetch(con, "SELECT name, seq FROM old.sqlite_sequence"):
        if name in tables:          # what was given once is not given again
            fetch(con, """
                INSERT INTO main.sqlite_sequence SELECT ?1, 0
                WHERE NOT EXISTS (SELECT 1 FROM main.sqlite_sequence WHERE name = ?1)""", (name,))
            con.execute("UPDATE main.sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (last, name))


def _where(table: str, columns: Sequence[str]) -> str:
    if table == "account":
        return " WHERE id IN (SELECT account FROM mine)"
    if "account" in columns:
        return " WHERE account IN (SELECT account FROM mine)"
    if "mailbox" in columns:
        return " WHERE mailbox IN (SELECT id FROM old.mailbox WHERE account IN (SELECT account FROM mine))"
    return ""


def _content(con: apsw.Connection, queue: bool) -> None:
    """What this file's rows refer to; content that two old files had already is the same in both."""
    columns = ", ".join(str(row[1]) for row in fetch(con, "PRAGMA main.table_info(content)"))
    con.execute("CREATE TEMP TABLE wanted (content INTEGER PRIMARY KEY)")
    for table in ("message", "lingering", *(("queue_message",) if queue else ())):
        con.execute(f"""
            INSERT OR IGNORE INTO wanted SELECT content FROM main.{table}
            WHERE content IN (SELECT id FROM old.content) AND content NOT IN (SELECT id FROM main.content)""")
    con.execute(f"INSERT INTO main.content SELECT {columns} FROM old.content WHERE id IN (SELECT content FROM wanted)")
    con.execute(f"""
        INSERT INTO main.piece SELECT piece.id, piece.octets FROM wanted CROSS JOIN old.piece
        ON piece.id BETWEEN wanted.content << {PIECE_BITS} AND (wanted.content + 1 << {PIECE_BITS}) - 1""")
    con.execute("DROP TABLE wanted")
