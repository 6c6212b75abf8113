"""Whether a database left behind by a dead server is sound as it is: structure, counts, references, and nothing orphaned."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
from twisted.internet.task import Clock
from zope.interface import implementer

from mailframe.interfaces.content import IContentStore
from mailframe.sqlite.content import SqliteContent
from mailframe.sqlite.outside import LEDGERS
from mailframe.stores.directory.place import Place
from mailframe.stores.sqlite.store import SqliteStore
from support.coroutines import result_of
from support.inline_engine import InlineEngine

#: What must yield no row, by the sentence that says what is wrong otherwise.
_NEVER = {
    "a content's references are miscounted": """
        SELECT id, refs, (SELECT count(*) FROM message WHERE content = content.id)
            + (SELECT count(*) FROM queue_message WHERE content = content.id) AS real FROM content WHERE refs != real""",
    "a message has no content": """
        SELECT mailbox, uid FROM message LEFT JOIN content ON content.id = message.content WHERE content.size IS NULL""",
    "a queued message has no content": """
        SELECT queue_message.id FROM queue_message LEFT JOIN content ON content.id = content WHERE content.size IS NULL""",
    "a content is shorter or longer than its size": """
        SELECT id, size, (SELECT sum(length(octets)) FROM piece
            WHERE piece.id BETWEEN content.id << 16 AND (content.id + 1 << 16) - 1) AS real
        FROM content WHERE size > 0 AND outside IS NULL AND real IS NOT size""",
    "content that rests outside has pieces as well": """
        SELECT content.id FROM content JOIN piece ON piece.id >> 16 = content.id WHERE outside IS NOT NULL""",
    "a message's size is not that of head and content": """
        SELECT mailbox, uid FROM message JOIN content ON content.id = message.content LEFT JOIN head USING (mailbox, uid)
        WHERE message.size != content.size + coalesce(length(octets), 0)""",
    "a mailbox's counts are wrong": """
        SELECT id, messages, unseen, deleted, size FROM mailbox WHERE name IS NOT NULL AND (messages, size) IS NOT (
            SELECT count(*), coalesce(sum(size), 0) FROM message WHERE mailbox = mailbox.id)""",
    "a UID is not below UIDNEXT, or a mod-sequence above the mailbox's": """
        SELECT mailbox, uid FROM message JOIN mailbox ON mailbox.id = mailbox
        WHERE uid >= uidnext OR message.modseq > mailbox.modseq""",
    "the log of expunges is miscounted, or holds what it should have forgotten": """
        SELECT id, expunged, (SELECT count(*) FROM vanished WHERE mailbox = mailbox.id) AS real FROM mailbox
        WHERE name IS NOT NULL AND (expunged != real OR forgotten > modseq)""",
    "a message is both there and gone": "SELECT mailbox, uid FROM message JOIN vanished USING (mailbox, uid)",
    "a message is nobody's": "SELECT mailbox FROM message WHERE mailbox NOT IN (SELECT id FROM mailbox)",
    "a queued message has no recipient": """
        SELECT id FROM queue_message WHERE id NOT IN (SELECT message FROM queue_recipient)""",
    "a queued recipient has no message": """
        SELECT id FROM queue_recipient WHERE message NOT IN (SELECT id FROM queue_message)""",
}
_ORPHANS = {
    "content without references outlives the sweep": "SELECT id, size FROM content WHERE refs = 0",
    "a piece of no content": "SELECT id >> 16 FROM piece WHERE id >> 16 NOT IN (SELECT id FROM content)",
    "a head of no message": "SELECT mailbox, uid FROM head LEFT JOIN message USING (mailbox, uid) WHERE content IS NULL",
    "attributes of no message": "SELECT mailbox, uid FROM attributes LEFT JOIN message USING (mailbox, uid) WHERE content IS NULL",
    "a message lingers": "SELECT * FROM lingering",
    "a deleted mailbox stays": "SELECT id FROM mailbox WHERE name IS NULL",
}


@implementer(IContentStore)
class Files:
    """A content folder as the ledger sees it when it sweeps, without threads."""

    def __init__(self, folder: Path) -> None:
        place = Place(folder)
        self.remove, self.ids, self.verify, self.path = place.remove, place.ids, place.verify, place.path

    def start(self) -> None:
        pass

    def close(self) -> None:
        pass

    def stage(self) -> Any:
        raise OSError("nothing is written here")

    def read(self, content_id: str, offset: int, size: int) -> bytes:
        raise OSError("nothing is read here")


def faults(data: Path, scratch: Path) -> list[str]:
    """What is wrong with the database in `data`, which is only copied. No server may be running on it."""
    if scratch.exists():
        shutil.rmtree(scratch)
    scratch.mkdir()
    for name in ("mailframe.db", "mailframe.db-wal"):
        if (data / name).exists():
            shutil.copyfile(data / name, scratch / name)
    if (data / "content").exists():
        shutil.copytree(data / "content", scratch / "content")
    connection = apsw.Connection(str(scratch / "mailframe.db"))
    try:
        return [*_faults(connection, Files(scratch / "content"))]
    finally:
        connection.close()


def _faults(connection: apsw.Connection, files: Files) -> Iterator[str]:
    answer = connection.execute("PRAGMA integrity_check").fetchall()
    if answer != [("ok",)]:
        yield f"integrity_check: {answer}"
    yield from _broken(connection, _NEVER)
    yield from _spoilt(connection, files)
    _sweep(connection, files)
    yield from _broken(connection, _NEVER)
    yield from _broken(connection, _ORPHANS)
    yield from _spoilt(connection, files)
    known = {row[0] for row in connection.execute("SELECT outside FROM content WHERE outside IS NOT NULL").fetchall()}
    if strangers := set(files.ids("", 1_000_000)) - known:
        yield f"a file of no content: {sorted(strangers)[:5]}"


def _broken(connection: apsw.Connection, rules: dict[str, str]) -> Iterator[str]:
    for sentence, sql in rules.items():
        if rows := connection.execute(sql).fetchall():
            yield f"{sentence}: {rows[:5]}"


def _spoilt(connection: apsw.Connection, files: Files) -> Iterator[str]:
    """Content in files that are not there, or not whole."""
    rows = connection.execute("SELECT id, outside, size FROM content WHERE outside IS NOT NULL AND size IS NOT NULL").fetchall()
    for number, outside, size in rows:
        path = files.path(outside)
        fault = files.verify(outside) or (None if path and path.stat().st_size == size else "another size")
        if fault:
            yield f"content {number}: {fault}"


def _sweep(connection: apsw.Connection, files: Files) -> None:
    """What a server would do in its next days."""
    engine: Any = InlineEngine()
    clock = Clock()
    clock.advance(time.time() + 7_200)
    content = SqliteContent(engine, clock, files)
    store = SqliteStore(engine, clock, content=content)
    engine.connection.close()
    engine.connection = connection
    for step in LEDGERS:                        # a database of before the first of them has not got it yet
        connection.execute(step.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS"))
    result_of(store.start())
    for _ in range(3):
        result_of(store.sweep())
        clock.rightNow += 90_000
        result_of(content.sweep())
    result_of(store.close())
