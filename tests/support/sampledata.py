"""A data folder with mail of every kind in it, made without a server; and all mail in a data folder as digests."""

from __future__ import annotations

import hashlib
import os
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
from mailframe.sqlite.content import SqliteContent
from mailframe.sqlite.engine import Engine
from mailframe.sqlite.migrate import create, open_writer
from mailframe.stores.sqlite import arrivals, departures, tree


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


def fill(data: Path, messages: int = 40) -> Path:
    """The database in `data`: two accounts, shared and large content, copies, expunges, keywords, a queue."""
    data.mkdir(parents=True, exist_ok=True)
    path = data / "mailframe.db"
    clock: Any = Clock()
    clock.advance(1_700_000_000)
    engine: Any = Engine(path, clock)
    content = SqliteContent(engine, clock)
    spool = Spool(engine, content, clock)
    wanted = {name: steps for name, steps in COMPONENTS.items() if name != "shards"}
    con = open_writer(path, wanted)
    try:
        with con:
            _fill(con, content, spool, messages)
    finally:
        con.close()
    os.chmod(path, 0o600)
    return path


def _fill(con: apsw.Connection, content: SqliteContent, spool: Spool, messages: int) -> None:
    for name in (ADA, BOB):
        account = tree.account_id(con, name, FRESH_ACCOUNT, 1_700_000_000)
        inbox, sent = (con.execute("SELECT id FROM mailbox WHERE account = ? AND name = ?", (account, box)).fetchall()[0][0]
                       for box in ("INBOX", "Sent"))
        con.execute("INSERT INTO keyword VALUES (?, 0, '$Work'), (?, 1, '$Home')", (inbox, inbox))
        arrivals.append(con, content, inbox, [
            New(small(number), _HEAD, flags=(SEEN if number % 3 else 0) | (DELETED if number % 7 == 0 else 0) | (number % 4) << 8,
                attributes=Attributes(1, b"(envelope)", b"(structure)", b"index")) for number in range(messages)])
        arrivals.copy(con, account, inbox, [2, 3, 5], sent, 1_700_000_000)
        departures.expunge(con, inbox, [4, 9], False, 1_700_000_000.0)
    shared = bytes(LARGE)
    targets = [(name, "INBOX", New(shared, _HEAD)) for name in (ADA, BOB)]
    assert arrivals.deliver(con, [arrivals.Delivery(targets, FRESH_ACCOUNT)], content) == [[None, None]]
    for octets in (small(99), LARGE):
        envelope = Envelope("ID", Address("ada", "example.org"), Peer("192.0.2.1"), 1_700_000_000.0)
        to = Recipient(Address("eve", "example.net"))
        spool.add_unit(NewItem(envelope, (to,), octets, len(octets), b"Received: here\r\n", {}))[0](con)


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
