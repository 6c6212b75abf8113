"""One database with something of everything in it, and what it holds: kept once for each version of the tables.

When a step is added to any component's tables, keep a database as the program before that step writes it:
``PYTHONPATH=.:tests python -m support.keptdatabase tests/stores/databases/version-N``.
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, react

from mailframe.mime.attributes import attributes
from mailframe.model.address import Address
from mailframe.model.envelope import Envelope, Recipient
from mailframe.model.flags import ANSWERED, DELETED, FLAGGED, SEEN, FlagChange, keyword_bit
from mailframe.model.mailbox import FRESH_ACCOUNT, MAX_UID, Field, New, NewMailbox, SharedOctets
from mailframe.model.refusal import NoSuchMessage
from mailframe.queue.item import NewItem
from mailframe.queue.spool import Spool
from mailframe.sqlite.engine import Engine
from mailframe.stores.sqlite.store import SqliteStore

NAME = "mailframe.db"
NOW = 1_700_000_000
_LARGE = b"".join(b"line %d of many\r\n" % number for number in range(40_000))     # three pieces
_COLUMNS = ~Field.NONE & ~Field.INDEX & ~Field.PREVIEW      # those that version 1 had, too


def mail(number: int, more: bytes = b"") -> bytes:
    return (b"Message-ID: <%d@example.org>\r\nSubject: number %d\r\nFrom: Ada <ada@example.org>\r\n%b\r\nText %d\r\n"
            % (number, number, more, number))


def opened(path: Path, reactor: Any) -> tuple[SqliteStore, Spool]:
    """A store and a queue on the database, as of the instant at which it was written; to be started."""
    clock: Any = Clock()
    clock.advance(NOW)
    store = SqliteStore(Engine(path, reactor), clock)
    return store, Spool(store.engine, store.content, clock)


async def fill(store: SqliteStore, spool: Spool) -> None:
    """Two accounts, special-use and Unicode mailboxes, keywords, flags, expunged and lingering, large and shared content."""
    ada: Any = await store.open_account("ada@example.org", FRESH_ACCOUNT)
    await ada.create(NewMailbox("Père Noël/日本語", None, True))
    await ada.set_subscribed("gone long ago", True)
    boxes = {info.name: await ada.open_mailbox(info.id) for info in (await ada.mailboxes()).mailboxes}
    inbox = boxes["INBOX"]
    await inbox.keywords(["$Forwarded", "Wichtig"])
    for number in range(20):
        octets = mail(number, b"In-Reply-To: <3@example.org>\r\n" if number == 7 else b"")
        head = b"Return-Path: <%d@example.net>\r\n" % number
        known = attributes(head + octets) if number % 2 else None
        await inbox.append([New(octets, head, SEEN if number % 3 else 0, NOW - number, 0, known)])
    await inbox.set_flags([2, 4, 6], FlagChange.add(FLAGGED | keyword_bit(1)), None)
    await inbox.set_flags([5], FlagChange.add(DELETED | ANSWERED), None)
    await inbox.expunge([1, 5, 20], False)
    staged = await store.stage()
    await staged.write(_LARGE)
    await inbox.append([New(await staged.seal(), b"Subject: large\r\n\r\n", date=NOW)])
    await inbox.copy([2, 7, 8, 21], boxes["Père Noël/日本語"].id)
    await inbox.move([9], boxes["Archive"].id)
    doomed = await ada.open_mailbox((await ada.create(NewMailbox("Doomed"))).id)
    await doomed.append([New(mail(number)) for number in range(3)])
    await ada.delete(doomed.id)
    await ada.rename([(boxes["Trash"].id, "Wastepaper")])
    shared = SharedOctets(mail(99))
    unit, _ = store.append_unit([
        ("ada@example.org", "Junk", New(shared)), ("bob@example.org", "INBOX", New(shared, b"To: bob\r\n"))])
    await store.engine.submit(unit)
    bob: Any = await store.open_account("bob@example.org", ())
    await bob.set_quota(5_000_000, None)
    people = tuple(Recipient(Address.parse(f"{name}@example.com")) for name in ("eve", "mallory"))
    envelope = Envelope("kept", Address.parse("ada@example.org"), received_at=NOW)
    await spool.add(NewItem(envelope, people, mail(100), len(mail(100)), b"Received: here\r\n"))


async def described(store: SqliteStore, spool: Spool) -> dict[str, Any]:
    """All of it as a reader sees it."""
    accounts = {}
    for name in ("ada@example.org", "bob@example.org"):
        account: Any = await store.open_account(name, ())
        listing = await account.mailboxes()
        accounts[name] = {
            "subscribed": sorted(listing.subscribed), "quota": str(await account.quota()),
            "mailboxes": {each.name: {"id": each.id, "use": each.special_use, **await _mailbox(await account.open_mailbox(each.id))}
                          for each in listing.mailboxes}}
    return {"accounts": accounts, "queue": [
        [item.message.id, str(item.message.envelope.sender), item.message.head.decode(), item.message.size, item.message.created,
         await _digest(spool.read, item.message.content, item.message.size),
         [[str(each.recipient.address), each.next_try, each.tries] for each in item.waiting]] for item in await spool.list()]}


async def _mailbox(mailbox: Any) -> dict[str, Any]:
    status = await mailbox.status()
    rows = await mailbox.rows([(1, MAX_UID)], 1_000, _COLUMNS)
    changes = await mailbox.changes(1)
    return {
        "status": [status.uidvalidity, status.uidnext, status.messages, status.unseen, status.deleted, status.size,
                   status.highest_modseq],
        "keywords": list(await mailbox.keywords(())), "vanished": list(changes.vanished),
        "rows": {name: _plain(getattr(rows, name)) for name in (
            "uids", "flags", "modseqs", "sizes", "dates", "saved", "email_ids", "thread_ids", "envelopes",
            "structures")},
        "octets": {str(uid): await _digest(mailbox.read, uid, 1 << 30) for uid in range(1, status.uidnext)}}


async def _digest(read: Any, name: object, size: int) -> str:
    """Of what can be read, in pieces: also of what lingers."""
    digest, offset = sha256(), 0
    try:
        while part := await read(name, offset, min(size, 200_000)):
            digest.update(part)
            offset += len(part)
    except NoSuchMessage:
        return "gone"
    return digest.hexdigest()


def _plain(column: Sequence[Any]) -> list[Any]:
    return [each.decode("latin-1") if isinstance(each, bytes) else each for each in column]


async def keep(target: Path, reactor: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / NAME
        store, spool = opened(path, reactor)
        await spool.start()
        await store.start()
        await fill(store, spool)
        found = await described(store, spool)
        await store.close()
        target.with_suffix(".db.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
        target.with_suffix(".json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    react(lambda _, target: Deferred.fromCoroutine(keep(Path(target), the_reactor)), [sys.argv[1]])
