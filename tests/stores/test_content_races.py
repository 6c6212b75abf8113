"""Races over the whole of store and content, with large content in SQLite's pieces and in plain files alike."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.servers import ANY_PORTS, MailServer, running
from support.wires import Imap
from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from mailframe.model.mailbox import FRESH_ACCOUNT, INBOX, MAX_UID, Field, New
from mailframe.model.refusal import NoSuchMessage
from mailframe.sqlite.content import GRACE_S, SqliteContent
from mailframe.sqlite.engine import Engine
from mailframe.stores.directory import DirectoryContent
from mailframe.stores.sqlite import SqliteStore
from mailframe.testing.cases import Cases, cases
from mailframe.testing.temporary import TemporaryPlaces

reactor: Any = the_reactor
OCTETS = b"Subject: large\r\n\r\n" + b"a line of the message\r\n" * 40_000
BOTH = {"in_pieces": (False,), "in_files": (True,)}


class Races(Cases, TemporaryPlaces, TestCase):
    async def opened(self, files: bool) -> SqliteStore:
        place, self.clock = Path(self.mktemp()), Clock()
        self.clock.advance(1_000_000)
        engine = Engine(place / "mail.db", reactor)
        self.outside = DirectoryContent(place / "content", reactor) if files else None
        if self.outside is not None:
            await self.outside.start()
            self.addCleanup(lambda: Deferred.fromCoroutine(self.outside.close()))   # type: ignore[union-attr]
        content = SqliteContent(engine, self.clock, self.outside)       # type: ignore[arg-type]
        store = SqliteStore(engine, self.clock, content=content)        # type: ignore[arg-type]
        await store.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(store.close()))
        return store

    async def inbox(self, store: SqliteStore, name: str = "ada") -> Any:
        account = await store.open_account(name, FRESH_ACCOUNT)
        (found,) = [info.id for info in (await account.mailboxes()).mailboxes if info.name == INBOX]
        return await account.open_mailbox(found)

    async def staged(self, store: SqliteStore, octets: bytes = OCTETS) -> str:
        staged = await store.stage()
        for offset in range(0, len(octets), 65_536):
            await staged.write(octets[offset:offset + 65_536])
        return await staged.seal()

    async def delivered(self, store: SqliteStore, inbox: Any) -> int:
        return int((await inbox.append([New(await self.staged(store), b"Head: x\r\n")]))[0])

    async def later(self, store: SqliteStore) -> None:
        """Ten minutes on, and swept, twice: first the mailbox lets go, then the content."""
        for _ in range(2):
            self.clock.advance(GRACE_S + 1)
            await store.sweep()
            await store.content.sweep()

    def kept(self, store: SqliteStore) -> tuple[int, int]:
        """(contents in the ledger, pieces and files)."""
        pieces = store.engine.read("SELECT count(*) FROM piece")[0][0]
        files = sum(path.is_file() for path in self.outside.path.rglob("*-*")) if self.outside else 0
        return store.engine.read("SELECT count(*) FROM content")[0][0], pieces + files

    @cases(BOTH)
    async def test_a_delivery_of_the_same_octets_while_the_last_reference_goes(self, files: bool) -> None:
        """Sweep, delivery and expunge in any order of their steps: whoever was told yes reads the whole of it."""
        store = await self.opened(files)
        inbox = await self.inbox(store)
        for turn in range(6):
            old = await self.delivered(store, inbox)
            await inbox.expunge([old], False)
            self.clock.advance(GRACE_S + 1)
            work: list[Any] = [store.sweep, store.content.sweep, partial(self.delivered, store, inbox), store.content.sweep]
            results = await gatherResults([Deferred.fromCoroutine(each()) for each in work[turn % 4:] + work[:turn % 4]])
            (new,) = [result for result in results if result in (await inbox.rows([(1, MAX_UID)], 99, Field.NONE)).uids]
            self.assertEqual(b"Head: x\r\n" + OCTETS, await inbox.read(new, 0, 1 << 30))
            await inbox.expunge(None, False)
        await self.later(store)
        self.assertEqual((0, 0), self.kept(store))

    @cases(BOTH)
    async def test_what_is_being_staged_outlives_any_sweep(self, files: bool) -> None:
        store = await self.opened(files)
        inbox = await self.inbox(store)
        staged = await store.stage()
        for offset in range(0, len(OCTETS), 100_000):
            await staged.write(OCTETS[offset:offset + 100_000])
            await self.later(store)
        name = await staged.seal()
        self.clock.advance(GRACE_S - 1)
        await store.content.sweep()
        uid = (await inbox.append([New(name)]))[0]
        await self.later(store)
        self.assertEqual(OCTETS, await inbox.read(uid, 0, 1 << 30))

    @cases(BOTH)
    async def test_a_reader_in_the_middle_goes_on_after_the_expunge(self, files: bool) -> None:
        store = await self.opened(files)
        inbox = await self.inbox(store)
        uid = await self.delivered(store, inbox)
        found = await inbox.read(uid, 0, 100_000)
        await inbox.expunge([uid], False)
        while len(found) < len(OCTETS):
            self.clock.advance(GRACE_S // 20)
            await store.sweep()
            await store.content.sweep()
            found += await inbox.read(uid, len(found), 100_000)
        self.assertEqual(b"Head: x\r\n" + OCTETS, found)
        await self.later(store)
        with self.assertRaises(NoSuchMessage):
            await inbox.read(uid, 0, 1)
        self.assertEqual((0, 0), self.kept(store))

    @cases(BOTH)
    async def test_an_expunged_message_is_forgotten_before_its_content_goes(self, files: bool) -> None:
        """A kill in between would leave what `store check` calls a fault."""
        store = await self.opened(files)
        inbox = await self.inbox(store)
        uid = await self.delivered(store, inbox)
        await inbox.expunge([uid], False)
        self.clock.advance(GRACE_S + 1)
        await store.content.sweep()
        self.assertEqual([(0,)], store.engine.read("SELECT count(*) FROM lingering"))
        self.assertEqual((0, 0), self.kept(store))

    @cases(BOTH)
    async def test_one_of_many_recipients_expunges(self, files: bool) -> None:
        store = await self.opened(files)
        boxes = [await self.inbox(store, name) for name in ("ada", "bob", "eve")]
        name = await self.staged(store)
        unit, after = store.append_unit([(person, "INBOX", New(name, b"Head: %s\r\n" % person.encode()))
                                         for person in ("ada", "bob", "eve")])
        self.assertEqual([None] * 3, await store.engine.submit(unit))
        after()
        for number, box in enumerate(boxes):
            await box.expunge(None, False)
            await self.later(store)
            for other in boxes[number + 1:]:
                self.assertEqual(OCTETS, (await other.read(1, 0, 1 << 30)).partition(b"\r\n")[2])
        self.assertEqual((0, 0), self.kept(store))


@pytest.mark.parametrize("kind", ["sqlite", "directory"])
def test_a_literal_is_told_whole_though_the_message_is_expunged_meanwhile(tmp_path: Path, kind: str) -> None:
    """A server of its own, a client that reads slowly, and another one that expunges."""
    octets = b"Subject: large\r\n\r\n" + b"a line of the message\r\n" * 500_000
    server = MailServer(tmp_path, "--data", "data", *ANY_PORTS, "--content", kind)
    with running(server), Imap(server.ports["imap"]) as slow, Imap(server.ports["imap"]) as other:
        for imap in (slow, other):
            imap.greet().login("dev@localhost", server.password)
        other.ok("APPEND INBOX {}", octets)
        assert bool(list((tmp_path / "data").glob("content/*/*/*"))) is (kind == "directory")
        for imap in (slow, other):
            imap.ok("SELECT INBOX")
        slow.send(b"x FETCH 1 BODY.PEEK[]\r\n")
        assert slow.line().endswith(b"{%d}\r\n" % len(octets))
        found = slow.exactly(100_000)
        other.ok("STORE 1 +FLAGS (\\Deleted)")
        other.ok("EXPUNGE")
        assert found + slow.exactly(len(octets) - len(found)) == octets
        assert slow.line() == b")\r\n"
        assert slow.answer(b"x")[0].startswith(b"OK")
