"""A data folder with mail of every kind in it, made without a server; and all mail in a data folder as digests."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw
from twisted.internet.task import Clock

from mailframe.app.storefiles import COMPONENTS
from mailframe.model.address import Address
from mailframe.model.envelope import Envelope, Peer, Recipient
from mailframe.model.flags import DELETED, SEEN
from mailframe.model.mailbox import FRESH_ACCOUNT, Attributes, New
from mailframe.queue.item import NewItem
from mailframe.queue.spool import Spool
from mailframe.sqlite.migrate import create, open_writer
from mailframe.stores.sqlite.store import SqliteStore
from support.coroutines import result_of
from support.inline_engine import InlineEngine


def _trigger() -> str:
    con = apsw.Connection(":memory:")
    try:
        create(con, COMPONENTS)
        return str(con.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger' ORDER BY name LIMIT 1").fetchall()[0][0])
    finally:
        con.close()


TRIGGER = _trigger()        # one of the tables'
ADA, BOB = "ada@example.org", "bob@example.org"
LARGE = b"Subject: large\r\n\r\n" + b"0123456789abcdef" * 40_000
_HEAD = b"Return-Path: <eve@example.net>\r\n"


def small(number: int) -> bytes:
    return b"From: eve@example.net\r\nSubject: message %d\r\n\r\n" % number + b"line\r\n" * (number % 50)


class _FileEngine(InlineEngine):
    """On a file whose tables are there already."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.path = path

    def register(self, component: str, migrations: Sequence[Any]) -> None:
        pass


def fill(data: Path, messages: int = 40) -> Path:
    """The database in `data`: two accounts, shared and large content, copies, expunges, keywords, a queue."""
    data.mkdir(parents=True, exist_ok=True)
    path = data / "mailframe.db"
    open_writer(path, {name: steps for name, steps in COMPONENTS.items() if name != "shards"}).close()
    clock: Any = Clock()
    clock.advance(1_700_000_000)
    engine: Any = _FileEngine(path)
    store = SqliteStore(engine, clock)
    with engine.connection:
        result_of(_fill(store, Spool(engine, store.content, clock), messages))
    engine.connection.close()
    os.chmod(path, 0o600)
    return path


async def _fill(store: SqliteStore, spool: Spool, messages: int) -> None:
    for name in (ADA, BOB):
        account = await store.open_account(name, FRESH_ACCOUNT)
        ids = {info.name: info.id for info in (await account.mailboxes()).mailboxes}
        inbox: Any = await account.open_mailbox(ids["INBOX"])
        await inbox.keywords(["$Work", "$Home"])
        await inbox.append([
            New(small(number), _HEAD, flags=(SEEN if number % 3 else 0) | (DELETED if number % 7 == 0 else 0) | (number % 4) << 8,
                attributes=Attributes(1, b"(envelope)", b"(structure)", b"index")) for number in range(messages)])
        await inbox.copy([2, 3, 5], ids["Sent"])
        await inbox.expunge([4, 9], False)
    shared = bytes(LARGE)
    assert [*await store.deliver([(name, "INBOX", New(shared, _HEAD)) for name in (ADA, BOB)])] == [None, None]
    for octets in (small(99), LARGE):
        envelope = Envelope("ID", Address("ada", "example.org"), Peer("192.0.2.1"), 1_700_000_000.0)
        to = Recipient(Address("eve", "example.net"))
        await spool.add(NewItem(envelope, (to,), octets, len(octets), b"Received: here\r\n", {}))


def digests(path: Path) -> dict[tuple[str, str, int], str]:
    """Every message by (account, mailbox, UID): the digest of its octets, flags, date."""
    con = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        found = {}
        for account, name, uid, flags, date, number, head in con.execute("""
                SELECT account.name, mailbox.name, uid, flags, date, content, coalesce(octets, x'') FROM message
                JOIN mailbox ON mailbox.id = message.mailbox JOIN account ON account.id = account
                LEFT JOIN head USING (mailbox, uid) WHERE mailbox.name IS NOT NULL""").fetchall():
            pieces = con.execute("SELECT octets FROM piece WHERE id >> 16 = ? ORDER BY id", (number,)).fetchall()
            octets = head + b"".join([piece for piece, in pieces])
            found[account, name, uid] = f"{hashlib.sha256(octets).hexdigest()} {len(octets)} {flags} {date}"
        return found
    finally:
        con.close()
