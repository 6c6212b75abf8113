"""Several database files over one content store: what one of them forgets is never taken from another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.content_stores import Later
from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from mailframe.app.builtin import sqlite
from mailframe.app.plugins import BuildContext
from mailframe.model.mailbox import FRESH_ACCOUNT, New
from mailframe.sqlite.content import GRACE_S, SqliteContent
from mailframe.sqlite.engine import Engine
from mailframe.sqlite.outside import ORPHAN_S
from mailframe.stores.directory import DirectoryContent
from mailframe.stores.sqlite.sharding import shard_of
from mailframe.stores.sqlite.shards import ShardedStore

SHARDS = 3
NAMES = [next(name for name in (f"user{n}" for n in range(100)) if shard_of(name, SHARDS) == place) for place in range(SHARDS)]


def large(text: str) -> bytes:
    return b"Subject: large\r\n\r\n" + text.encode() * 100_000


class SharedContentTests(TestCase):
    """Built as a server builds them."""

    async def build(self, path: Path | None = None) -> None:
        folder = Path(self.mktemp())
        self.clock: Any = Later(reactor)
        self.files = DirectoryContent(folder / "content", self.clock)
        engine = Engine(folder / "mailframe.db", self.clock)
        self.queue = SqliteContent(engine, self.clock, self.files)
        context = BuildContext(self.clock, folder, "mail.example.org", base=folder, engine=engine, content=self.queue)
        store = sqlite(context, path and folder / path, shards=SHARDS, search_text=False)
        assert isinstance(store, ShardedStore)
        self.store = store
        await self.files.start()
        await engine.start()
        await self.queue.start()
        await store.start()
        self.addCleanup(self.close, engine)

    async def close(self, engine: Engine) -> None:
        self.queue.stop()
        await self.store.close()
        await engine.close()
        await self.files.close()

    async def staged(self, octets: bytes) -> str:
        staged = await self.store.stage()
        await staged.write(octets)
        return await staged.seal()

    async def inbox(self, name: str) -> Any:
        account = await self.store.open_account(name, FRESH_ACCOUNT)
        return await account.open_mailbox(next(info.id for info in (await account.mailboxes()).mailboxes if info.name == "INBOX"))

    async def mail(self, name: str) -> list[bytes]:
        mailbox = await self.inbox(name)
        return [await mailbox.read(uid, 0, 1 << 20) for uid in (1, 2)]

    async def sweep(self, after: float) -> None:
        """Every ledger, the queue's too, often enough to look at all files."""
        self.clock.ahead += after
        for _ in range(3):
            for ledger in {self.queue, *(store.content for store in self.store.stores)}:
                await ledger.sweep()

    async def filled(self) -> None:
        """Each account has the same large message and one of its own; the queue has another."""
        targets = [(name, "INBOX", New(await self.staged(large(text)))) for name in NAMES for text in ("all", name)]
        self.assertEqual([None] * len(targets), list(await self.store.deliver(targets)))
        staged = await self.queue.stage()
        await staged.write(large("queue"))
        self.queued = await staged.seal()
        await self.queue.engine.submit(lambda con: self.queue.reference(con, int(self.queued)))

    async def played(self) -> None:
        await self.filled()
        await (await self.inbox(NAMES[1])).expunge(None, False)
        await self.sweep(GRACE_S + 1)
        for store in self.store.stores:
            await store.sweep()
        await self.sweep(GRACE_S + 1)
        for _ in range(3):
            await self.sweep(ORPHAN_S + 1)
        for name in (NAMES[0], NAMES[2]):
            self.assertEqual([large("all"), large(name)], await self.mail(name))
        self.assertEqual(large("queue"), await self.queue.read(self.queued, 0, 1 << 20))
        self.assertEqual(5, len(await self.files.ids("", 1_000)), "of what was expunged, or only staged, nothing is left")

    async def test_what_one_file_expunges_stays_in_the_others_and_nobody_takes_another_s_for_an_orphan(self) -> None:
        await self.build()
        await self.played()

    async def test_also_where_mail_is_apart_from_the_queue(self) -> None:
        await self.build(Path("mail.db"))
        await self.played()
