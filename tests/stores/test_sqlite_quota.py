"""Quota of the SQLite store: exact whoever writes at once, and what is refused changes nothing (RFC 9208)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw
from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from mailframe.interfaces.store import IMailStore, IQuota
from mailframe.model.mailbox import Field, New, Quota, SharedOctets
from mailframe.model.refusal import OverQuota
from mailframe.sqlite.content import GRACE_S
from mailframe.sqlite.engine import Engine
from mailframe.stores.sqlite import SqliteStore
from mailframe.stores.sqlite.settings import SqliteSettings
from mailframe.testing.store_base import StoreBase

reactor: Any = the_reactor


class QuotaTests(StoreBase, TestCase):
    settings = SqliteSettings()

    def make_store(self) -> IMailStore:
        self.clock: Any = Clock()
        self.clock.advance(1_700_000_000)
        self.path = Path(self.mktemp()) / "mail.db"
        self.store = SqliteStore(Engine(self.path, reactor), self.clock, settings=self.settings)
        made: IMailStore = self.store
        return made

    def reopen(self, store: IMailStore) -> IMailStore:
        self.store = SqliteStore(Engine(self.path, reactor), self.clock, settings=self.settings)
        made: IMailStore = self.store
        return made

    async def limited(self, max_octets: int | None, max_messages: int | None) -> Any:
        account: Any = await self.account()
        await account.set_quota(max_octets, max_messages)
        return account

    def content(self) -> int:
        return int(self.store.engine.read("SELECT count(*) FROM content")[0][0])

    async def deliver(self, *targets: tuple[str, str, New]) -> list[Any]:
        unit, after = self.store.append_unit(targets)
        outcomes: list[Any] = await self.store.engine.submit(unit)
        after()
        return outcomes

    async def test_use_is_counted_over_all_mailboxes(self) -> None:
        account: Any = await self.account()
        self.assertTrue(IQuota.providedBy(account))
        inbox, sent = await self.mailbox(account), await self.mailbox(account, "Sent")
        await inbox.append([New(b"12345", b"head"), New(b"x")])
        await inbox.copy([1], sent.id)
        self.assertEqual(Quota(19, 3), await account.quota())
        await inbox.expunge([1], False)
        self.assertEqual(Quota(10, 2), await account.quota())
        await account.delete(sent.id)
        self.assertEqual(Quota(1, 1), await account.quota())

    async def test_limits_outlive_the_server_and_are_lifted(self) -> None:
        account = await self.limited(100, 7)
        account = await self.account(await self.reopened(self.store))
        self.assertEqual(Quota(0, 0, 100, 7), await account.quota())
        await account.set_quota(None, None)
        self.assertEqual(Quota(0, 0), await account.quota())

    async def test_an_append_is_refused_whole(self) -> None:
        account = await self.limited(10, 3)
        inbox = await self.mailbox(account)
        await inbox.append([New(b"12345", b"1234")])
        before = await inbox.status()
        for messages in ([New(b"1"), New(b"1")], [New(b"12")], [New(b"")] * 3):
            await self.refused(OverQuota, lambda messages=messages: inbox.append(messages))     # type: ignore[misc]
        self.assertEqual((before, 1), (await inbox.status(), self.content()))
        self.assertEqual([2], list(await inbox.append([New(b"1")])))
        self.assertEqual(Quota(10, 2, 10, 3), await account.quota())

    async def test_a_copy_counts_and_a_move_does_not(self) -> None:
        account = await self.limited(10, None)
        inbox, other = await self.mailbox(account), await self.mailbox(account, "other")
        await inbox.append([New(b"123456")])
        before = await other.status()
        await self.refused(OverQuota, lambda: inbox.copy([1], other.id))
        self.assertEqual(before, await other.status())
        await account.set_quota(1, 0)
        await inbox.move([1], other.id)
        self.assertEqual([1], await self.uids(other))
        self.assertEqual(Quota(6, 1, 1, 0), await account.quota())

    async def test_lower_limits_take_nothing_away(self) -> None:
        mailbox, uids = await self.filled(5, account := await self.account())
        await account.set_quota(0, 0)  # type: ignore[attr-defined]
        self.assertEqual(list(uids), await self.uids(mailbox))
        await self.refused(OverQuota, lambda: mailbox.append([New(b"")]))
        await mailbox.append([])

    async def test_one_target_of_a_delivery_is_refused_alone(self) -> None:
        await self.limited(None, 1)
        shared = SharedOctets(b"shared")
        large = await self.stage(b"x" * 300_000)
        one = New(b"small")
        outcomes = await self.deliver(
            ("ada", "INBOX", New(shared)), ("bob", "INBOX", New(shared)), ("ada", "INBOX", one), ("ada", "Sent", one),
            ("ada", "INBOX", New(large)), ("bob", "INBOX", New(large)), ("bob", "INBOX", New(b"y")))
        nothing = type(None)
        self.assertEqual([nothing, nothing, OverQuota, OverQuota, OverQuota, nothing, nothing], [type(each) for each in outcomes])
        ada, bob = await self.account(self.store), await self.account(self.store, "bob")
        self.assertEqual([b"shared"], [await self.whole(await self.mailbox(ada), 1)])
        self.assertEqual([1, 2, 3], await self.uids(await self.mailbox(bob)))
        status = await (await self.mailbox(ada, "Sent")).status()
        self.assertEqual((1, 1, 0, 0), (status.uidnext, status.highest_modseq, status.messages, status.size))
        self.clock.advance(GRACE_S + 1)
        await self.store.content.sweep()
        self.assertEqual(3, self.content())

    async def test_shared_octets_of_an_undone_delivery_are_kept_anew(self) -> None:
        """The id that the undone try had noted is given to the next message: nobody must be shown that one."""
        await self.limited(None, None)
        shared = SharedOctets(b"shared")
        unit, _ = self.store.append_unit([("ada", "INBOX", New(shared)), ("bob", "INBOX", New(shared))])

        def undone(con: apsw.Connection) -> None:
            unit(con)
            raise OverQuota()
        await self.refused(OverQuota, lambda: self.store.engine.submit(undone))
        other = SharedOctets(b"another's")
        await self.deliver(("eve", "INBOX", New(other)), ("eve", "Sent", New(other)))
        await self.deliver(("ada", "INBOX", New(shared)), ("bob", "INBOX", New(shared)))
        for name in ("ada", "bob"):
            self.assertEqual(b"shared", await self.whole(await self.mailbox(await self.account(self.store, name)), 1))

    async def stage(self, octets: bytes) -> str:
        staged = await self.store.stage()
        await staged.write(octets)
        return await staged.seal()

    async def test_what_is_small_fits_where_the_large_did_not(self) -> None:
        await self.limited(10, None)
        self.assertEqual([OverQuota, type(None), OverQuota, type(None)], [type(each) for each in await self.deliver(
            *(("ada", "INBOX", New(octets)) for octets in (b"x" * 11, b"x" * 9, b"xx", b"x")))])
        inbox = await self.mailbox(await self.account(self.store))
        rows = await self.rows(inbox, Field.SIZE | Field.MODSEQ)
        self.assertEqual(([1, 2], [9, 1], [2, 2]), (list(rows.uids), list(rows.sizes), list(rows.modseqs)))

    async def test_many_writers_at_once_fill_it_exactly(self) -> None:
        account = await self.limited(None, 50)
        boxes = [await self.mailbox(account, name) for name in ("INBOX", "Sent", "more")]
        await boxes[0].append([New(b"x")] * 3)
        tries: list[Deferred[Any]] = []
        for number in range(40):
            mailbox = boxes[number % 3]
            tries += [Deferred.fromCoroutine(mailbox.append([New(b"x")])), Deferred.fromCoroutine(boxes[0].copy([1], boxes[2].id)),
                      Deferred.fromCoroutine(self.deliver(("ada", "Sent", New(b"y"))))]
        done = await DeferredList(tries, consumeErrors=True)
        refused = sum(not success or (isinstance(outcome, list) and outcome != [None]) for success, outcome in done)
        self.assertEqual((Quota(50, 50, None, 50), 120 - 47), (await account.quota(), refused))
        self.assertEqual(50, self.store.engine.read("SELECT count(*) FROM message")[0][0])

    async def test_without_limits_no_statement_is_spent_on_them(self) -> None:
        inbox = await self.mailbox()
        said: list[str] = []

        def trace(cursor: apsw.Cursor, sql: str, bindings: object) -> bool:
            said.append(sql)
            return True
        await self.store.engine.submit(lambda con: setattr(con, "exec_trace", trace))
        await inbox.append([New(b"x")])
        await self.store.engine.submit(lambda con: setattr(con, "exec_trace", None))
        self.assertEqual(2, len([sql for sql in said if sql.split()[0] in ("SELECT", "UPDATE", "INSERT")]), said)


class DefaultQuotaTests(QuotaTests):
    """Accounts without limits of their own have those of the settings."""

    settings = SqliteSettings(max_octets=1_000_000, max_messages=10_000)

    async def test_use_is_counted_over_all_mailboxes(self) -> None:
        account: Any = await self.account()
        self.assertEqual(Quota(0, 0, 1_000_000, 10_000), await account.quota())
        inbox = await self.mailbox(account)
        await inbox.append([New(b"x" * 999_999)])
        await self.refused(OverQuota, lambda: inbox.append([New(b"xx")]))
        await account.set_quota(None, None)
        await inbox.append([New(b"xx")])

    async def test_without_limits_no_statement_is_spent_on_them(self) -> None:
        """Of no account here."""


class SettingsTests(TestCase):
    def test_what_cannot_be_is_said_in_a_sentence(self) -> None:
        for wrong in ({"max_octets": -1}, {"max_messages": -5}, {"expunged_kept": 3}):
            with self.assertRaisesRegex(ValueError, f"{next(iter(wrong))} is .*, expected"):
                SqliteSettings(**wrong)
