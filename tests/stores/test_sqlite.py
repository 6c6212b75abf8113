"""The SQLite store keeps every promise of a store, and the ones that only it makes."""

from __future__ import annotations

import random
from array import array
from pathlib import Path
from typing import Any

import apsw
from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from mailframe.interfaces.store import IMailStore
from mailframe.model.flags import DELETED, SEEN, FlagChange
from mailframe.model.mailbox import FRESH_ACCOUNT, Attributes, Field, New
from mailframe.model.refusal import NoSuchMailbox, NoSuchMessage, TryAgainLater
from mailframe.sqlite.content import GRACE_S
from mailframe.sqlite.engine import Engine
from mailframe.stores.sqlite import SqliteStore
from mailframe.stores.sqlite.columns import _PAGE, _REMOVALS
from mailframe.stores.sqlite.copies import SLICE, copy_attributes
from mailframe.testing.contracts import StoreContract
from mailframe.testing.store_base import ALL, MESSAGE, StoreBase

reactor: Any = the_reactor


class SqliteStoreTests(StoreContract, TestCase):
    child_factory = "support.crash_factories:sqlite"

    def make_store(self) -> IMailStore:
        self.path = Path(self.mktemp()) / "mail.db"
        store: IMailStore = SqliteStore(Engine(self.path, reactor), reactor)
        return store

    def reopen(self, store: IMailStore) -> IMailStore:
        again: IMailStore = SqliteStore(Engine(self.path, reactor), reactor)
        return again


class SqliteOnlyTests(StoreBase, TestCase):
    """What is beyond the contract."""

    def make_store(self) -> IMailStore:
        self.clock: Any = Clock()
        self.clock.advance(1_700_000_000)
        self.store = SqliteStore(Engine(Path(self.mktemp()) / "mail.db", reactor), self.clock, attributes_version=2)
        made: IMailStore = self.store
        return made

    def count(self, table: str) -> int:
        return int(self.store.engine.read(f"SELECT count(*) FROM {table}")[0][0])

    async def sweep(self) -> None:
        self.clock.advance(GRACE_S + 1)
        await self.store.sweep()
        self.clock.advance(GRACE_S + 1)
        await self.store.content.sweep()

    async def test_one_unit_delivers_to_many_and_keeps_the_octets_once(self) -> None:
        store = await self.opened()
        octets, large = bytes(MESSAGE), await (await self.store.stage()).seal()
        hints: list[str] = []
        ada = await self.account(store)
        inbox = await self.mailbox(ada)
        ada.subscribe(hints.append)
        unit, after = self.store.append_unit([
            ("ada", "INBOX", New(octets, b"To: ada\r\n")), ("bob", "no such folder", New(octets, b"To: bob\r\n")),
            ("ada", "Junk", New(octets)), ("eve", "INBOX", New("123456")), ("eve", "Sent", New(large))])
        outcomes = await self.store.engine.submit(unit)
        self.assertEqual([None, None, None, None], [*outcomes[:3], outcomes[4]])
        self.assertIsInstance(outcomes[3], TryAgainLater)
        self.assertEqual([], hints)
        after()
        self.assertIn(inbox.id, hints)
        self.assertEqual(2, self.count("content"))
        self.assertEqual(b"To: ada\r\n" + MESSAGE, await self.whole(inbox, 1))
        bob = await self.mailbox(await self.account(store, "bob"))
        self.assertEqual(b"To: bob\r\n" + MESSAGE, await self.whole(bob, 1))
        self.assertEqual(MESSAGE, await self.whole(await self.mailbox(ada, "Junk"), 1))

    async def test_more_deliveries_at_once_than_one_statement_takes_keep_their_order(self) -> None:
        store = await self.opened()
        bodies = [b"Subject: %d\r\n\r\nx" % number for number in range(40)]
        units = [self.store.append_unit([("ada", "INBOX", New(body, b"X-Head: %d\r\n" % number))])[0]
                 for number, body in enumerate(bodies)]
        before = self.store.engine.commits
        await gatherResults([self.store.engine.submit(unit) for unit in units])
        self.assertEqual(1, self.store.engine.commits - before)
        inbox = await self.mailbox(await self.account(store))
        found = [await self.whole(inbox, uid) for uid in range(1, 41)]
        self.assertEqual([b"X-Head: %d\r\n" % number + body for number, body in enumerate(bodies)], found)

    async def test_changes_are_of_one_instant_and_forget_no_message(self) -> None:
        """Else a view would append a later UID first, and count wrongly for good (I6)."""
        mailbox, _ = await self.filled(1)
        cursor = (await mailbox.status()).cursor
        await mailbox.append([New(b"a"), New(b"b")])
        ask, flagged = self.store.engine.query, list[Any]()

        async def query(sql: str, parameters: Any = (), **options: Any) -> Any:
            answer = await ask(sql, parameters, **options)
            if "vanished" in sql and not flagged:
                flagged.append(await mailbox.set_flags([2], FlagChange.add(SEEN), None))
            return answer

        self.patch(self.store.engine, "query", query)
        changes = await self.changed(mailbox, cursor)
        self.assertEqual(([2, 3], [0, 0]), (list(changes.rows.uids), list(changes.rows.flags)))
        again = await self.changed(mailbox, changes.cursor)
        self.assertEqual(([2], [SEEN]), (list(again.rows.uids), list(again.rows.flags)))
        self.assertEqual(1, len(flagged))

    async def test_one_delivery_has_one_outcome(self) -> None:
        await self.opened()
        unit, after = self.store.delivery_job("ada", "INBOX", New(MESSAGE), FRESH_ACCOUNT)
        self.assertIsNone(await self.store.engine.submit(unit))
        after()
        self.assertEqual([1], await self.uids(await self.mailbox(await self.account(self.store))))

    async def test_what_is_expunged_leaves_no_octets_behind(self) -> None:
        mailbox, uids = await self.filled(30)
        await mailbox.append([New(b"x", b"head", attributes=Attributes(2, b"e", b"s", b"i"))])
        copies = await self.mailbox(await self.account(self.store), "copies")
        await mailbox.copy(uids, copies.id)
        await mailbox.expunge(None, False)
        await self.sweep()
        self.assertEqual((30, 30, 0, 0), (self.count("content"), self.count("piece"), self.count("head"), self.count("attributes")))
        await self.refused(NoSuchMessage, lambda: mailbox.read(uids[0], 0, 10))
        self.assertEqual(self.octets(29), await self.whole(copies, 30))
        await copies.expunge(None, False)
        await self.sweep()
        self.assertEqual((0, 0, 0), (self.count("content"), self.count("piece"), self.count("lingering")))

    async def test_what_a_deleted_mailbox_held_goes_in_slices(self) -> None:
        account = await self.account()
        mailbox = await self.mailbox(account, "big")
        await mailbox.append([New(self.octets(number)) for number in range(1_200)])
        await mailbox.keywords(["word"])
        await account.delete(mailbox.id)
        self.assertEqual(self.octets(3), await self.whole(mailbox, 4))
        await self.store.sweep()
        self.assertEqual(self.octets(3), await self.whole(mailbox, 4))
        await self.sweep()
        await self.sweep()
        self.assertEqual((0, 0, 0, 0, 0, 6), tuple(
            self.count(table) for table in ("message", "content", "keyword", "vanished", "lingering", "mailbox")))
        await self.refused(NoSuchMailbox, lambda: mailbox.rows(ALL, 10, Field.FLAGS))

    async def test_attributes_of_another_renderer_are_not_given_out(self) -> None:
        mailbox = await self.mailbox()
        await mailbox.append([New(MESSAGE, attributes=Attributes(version, b"e", b"s", b"i")) for version in (1, 2)])
        self.assertEqual([b"", b"e"], (await self.rows(mailbox, Field.ENVELOPE)).envelopes)
        await mailbox.remember([1], [Attributes(2, b"new", b"s", b"i")])
        self.assertEqual([b"new", b"e"], (await self.rows(mailbox, Field.ENVELOPE)).envelopes)

    async def test_deleting_or_renaming_inbox_leaves_an_empty_one(self) -> None:
        """RFC 3501 section 6.3.5"""
        store = await self.opened()
        inbox, _ = await self.filled(2, account := await self.account(store))
        await account.rename([(inbox.id, "Old")])
        self.assertEqual([1, 2], await self.uids(await self.mailbox(account, "Old")))
        self.assertEqual([], await self.uids(await self.mailbox(account)))

    async def test_kept_columns_follow_every_change(self) -> None:
        """The listing of flags is the same with and without what is kept, however much changes in between."""
        mailbox = await self.mailbox()
        await mailbox.append([New(b"x")] * (_PAGE + 500))
        rng = random.Random(8)
        for size in (1, 3, _REMOVALS + 10, 3, 1_100, 5, 2):
            uids = await self.uids(mailbox)
            some = array("I", sorted(rng.sample(uids, size)))
            await mailbox.set_flags(some, FlagChange.add(rng.choice([SEEN, DELETED, 1 << 63])), None)
            await mailbox.append([New(b"y", flags=SEEN)] * rng.randrange(3))
            if size < 1_000:
                await mailbox.expunge(some[::2], False)
            for ranges in (ALL, [(1, 5), (10, 10), (20, _PAGE + 3)], [(_PAGE * 3, _PAGE * 4)], [(4_000, 9_999)]):
                kept = await mailbox.rows(ranges, 10_000, Field.FLAGS | Field.MODSEQ)
                fresh = await mailbox.rows(ranges, 10_000, Field.FLAGS | Field.MODSEQ | Field.SIZE)
                self.assertEqual((fresh.uids, fresh.flags, fresh.modseqs), (kept.uids, kept.flags, kept.modseqs))

    async def test_what_another_process_writes_is_noticed(self) -> None:
        mailbox, uids = await self.filled(3)
        self.assertEqual([0, 0, 0], list((await self.rows(mailbox, Field.FLAGS)).flags))
        other = apsw.Connection(str(self.store.engine.path))
        with other:
            other.execute("UPDATE mailbox SET modseq = modseq + 1 WHERE id = ?", (int(mailbox.id),))
            other.execute("UPDATE message SET flags = 1, modseq = (SELECT modseq FROM mailbox WHERE id = ?1) "
                          "WHERE mailbox = ?1 AND uid = ?2", (int(mailbox.id), uids[1]))
        other.close()
        self.assertEqual([0, 1, 0], list((await self.rows(mailbox, Field.FLAGS)).flags))

    async def test_a_listing_of_everything_is_right_however_large(self) -> None:
        mailbox = await self.mailbox()
        for _ in range(5):
            await mailbox.append([New(b"x", flags=SEEN)] * 4_000)
        for fields in (Field.FLAGS, Field.SIZE | Field.FLAGS):
            rows = await self.rows(mailbox, fields)
            self.assertEqual((list(range(1, 20_001)), 20_000), (list(rows.uids), rows.flags.count(SEEN)))

    async def test_a_copy_into_its_own_mailbox_carries_everything(self) -> None:
        mailbox = await self.mailbox()
        await mailbox.keywords(["one"])
        await mailbox.append([New(b"x", b"head", flags=SEEN | DELETED, attributes=Attributes(2, b"e", b"s", b"i")),
                              New(b"y", flags=1 << 8), New(b"z")])
        old, new = await mailbox.copy([1, 2, 9], mailbox.id)
        self.assertEqual(([1, 2], [4, 5]), (list(old), list(new)))
        rows = await self.rows(mailbox, Field.FLAGS | Field.SIZE | Field.EMAILID | Field.THREADID | Field.ENVELOPE)
        for column in (rows.flags, rows.sizes, rows.email_ids, rows.thread_ids, rows.envelopes):
            self.assertEqual(list(column[:2]), list(column[3:]))
        self.assertEqual(b"headx", await self.whole(mailbox, 4))
        status = await mailbox.status()
        self.assertEqual((5, 3, 2, 13), (status.messages, status.unseen, status.deleted, status.size))

    async def test_attributes_of_many_copies_come_in_slices(self) -> None:
        """I3: and of copies that are gone meanwhile there are none."""
        account = await self.account()
        mailbox, target = await self.mailbox(account), await self.mailbox(account, "target")
        count = SLICE * 2 + 7
        await mailbox.append([New(b"x", attributes=Attributes(2, b"%d" % number, b"s", b"i")) for number in range(count)])
        submit = self.store.engine.submit

        def watched(job: Any, size: int = 0) -> Any:
            if getattr(job, "func", None) is copy_attributes and not gone:
                gone.append(Deferred.fromCoroutine(target.expunge([3, count], False)))
            return submit(job, size)
        gone: list[Any] = []
        self.patch(self.store.engine, "submit", watched)
        await mailbox.move(range(1, count + 1), target.id)
        self.assertEqual([[3, count]], [list(await each) for each in gone])
        rows = await self.rows(target, Field.ENVELOPE)
        self.assertEqual([b"%d" % (uid - 1) for uid in rows.uids], rows.envelopes)
        self.assertEqual(count - 2, len(rows))
        await self.sweep()
        await self.sweep()
        self.assertEqual(count - 2, self.count("attributes"))

    async def test_keywords_are_carried_to_other_numbers(self) -> None:
        account = await self.account()
        mailbox, target = await self.mailbox(account), await self.mailbox(account, "target")
        await mailbox.keywords([f"k{number}" for number in range(56)])
        await target.keywords(["other", "k55", "K3"])
        await mailbox.append([New(b"x", flags=1 << 63 | 1 << 8 | SEEN), New(b"y", flags=1 << 11), New(b"z", flags=DELETED)])
        await mailbox.copy([1, 2, 3], target.id)
        self.assertEqual(("other", "k55", "K3", "k0"), await target.keywords(()))
        self.assertEqual([1 << 9 | 1 << 11 | SEEN, 1 << 10, DELETED], list((await self.rows(target, Field.FLAGS)).flags))

    async def test_slow_disks_are_read_in_a_thread(self) -> None:
        """I2"""
        mailbox, uids = await self.filled(3)
        for _ in range(40):
            self.store.engine._pace.note(1.0)
        self.assertEqual(list(uids), await self.uids(mailbox))
        self.assertEqual(self.octets(0), await self.whole(mailbox, uids[0]))

    async def test_appends_at_once_share_commits(self) -> None:
        mailbox = await self.mailbox()
        before = self.store.engine.commits
        await gatherResults([Deferred.fromCoroutine(mailbox.append([New(MESSAGE)])) for _ in range(300)])
        self.assertLess(self.store.engine.commits - before, 100)

    async def test_sparse_sets_of_uids_are_one_question(self) -> None:
        mailbox = await self.mailbox()
        await mailbox.append([New(b"x")] * 3_000)
        odd = [(uid, uid) for uid in range(1, 3_000, 2)]
        rows = await mailbox.rows(odd, 5_000, Field.SIZE)
        self.assertEqual([uid for uid, _ in odd], list(rows.uids))
        self.assertEqual([1, 3, 5], list((await mailbox.rows(odd, 3, Field.SIZE)).uids))
