"""EMAILID and THREADID of the SQLite store: one conversation, one id, and no id ever changes (RFC 8474)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet import reactor as the_reactor
from twisted.trial.unittest import TestCase

from mailframe.interfaces.store import IMailStore, IObjectIds, ISaveDates
from mailframe.mime.attributes import attributes
from mailframe.model.mailbox import Attributes, Field, New
from mailframe.sqlite.engine import Engine
from mailframe.stores.sqlite import SqliteStore
from mailframe.testing.store_base import StoreBase

reactor: Any = the_reactor
IDS = Field.EMAILID | Field.THREADID


def mail(own: int, *references: int, reply: int = 0) -> bytes:
    lines = b"Message-ID: <%d@x>\r\n" % own if own else b""
    if references:
        lines += b"References: %b\r\n" % b" ".join(b"<%d@x>" % each for each in references)
    if reply:
        lines += b"In-Reply-To: <%d@x>\r\n" % reply
    return lines + b"\r\nText\r\n"


class ThreadTests(StoreBase, TestCase):
    def make_store(self) -> IMailStore:
        self.path = Path(self.mktemp()) / "mail.db"
        store: IMailStore = SqliteStore(Engine(self.path, reactor), reactor)
        return store

    def reopen(self, store: IMailStore) -> IMailStore:
        again: IMailStore = SqliteStore(Engine(self.path, reactor), reactor)
        return again

    async def threads(self, mailbox: Any) -> list[str]:
        return (await self.rows(mailbox, IDS)).thread_ids

    async def arrive(self, mailbox: Any, *octets: bytes) -> list[str]:
        """Each in an append of its own; the thread ids of all that is there."""
        for one in octets:
            await mailbox.append([New(one, b"Received: here\r\n", attributes=attributes(b"Received: here\r\n" + one))])
        return await self.threads(mailbox)

    async def test_replies_share_the_thread_of_what_they_answer(self) -> None:
        first, reply, other, by_reply_alone = await self.arrive(
            await self.mailbox(), mail(1), mail(2, 1), mail(3), mail(4, reply=2))
        self.assertEqual([first, first, True], [reply, by_reply_alone, other != first])
        self.assertRegex(first, r"\A[A-Za-z0-9_-]{1,255}\Z")

    async def test_the_order_of_arrival_does_not_part_a_thread(self) -> None:
        for octets in ((mail(2, 1), mail(1)), (mail(5, 3, 4), mail(3, 1), mail(1), mail(4, 1, 3)),
                       (mail(3, reply=2), mail(2, reply=1), mail(1), mail(4, 1))):
            with self.subTest(octets=octets):
                account = await self.account(name=str(len(octets)) + octets[0].decode())
                self.assertEqual(1, len(set(await self.arrive(await self.mailbox(account), *octets))))

    async def test_all_of_one_append_and_of_all_mailboxes_are_one_conversation(self) -> None:
        account = await self.account()
        inbox, sent = await self.mailbox(account), await self.mailbox(account, "Sent")
        await inbox.append([New(mail(number, *range(1, number))) for number in (1, 2, 3)])
        await self.arrive(sent, mail(4, 1, 3))
        self.assertEqual(1, len({*await self.threads(inbox), *await self.threads(sent)}))

    async def test_another_account_sees_nothing_of_it(self) -> None:
        """Two threads that meet here only in what they quote stay two there."""
        store = await self.opened()
        ada, eve = await self.mailbox(await self.account(store)), await self.mailbox(await self.account(store, "eve"))
        await self.arrive(ada, mail(2, 1))
        mine = await self.arrive(ada, mail(3, reply=2))
        theirs = await self.arrive(eve, mail(1), mail(3, reply=2))
        self.assertEqual((1, 2), (len(set(mine)), len(set(theirs))))

    async def test_what_names_nothing_is_a_thread_of_its_own(self) -> None:
        mailbox = await self.mailbox()
        await mailbox.append([New(b"x"), New(b"x"), New(b"Subject: y\r\n\r\n", attributes=Attributes(1, b"e", b"s", b"i"))])
        staged = await self.stage(mail(1))
        await mailbox.append([New(staged)])
        self.assertEqual(4, len(set(await self.threads(mailbox))))

    async def stage(self, octets: bytes) -> str:
        store: Any = self._open[0]
        staged = await store.stage()
        await staged.write(octets)
        sealed: str = await staged.seal()
        return sealed

    async def test_what_comes_without_attributes_is_read_here(self) -> None:
        mailbox = await self.mailbox()
        await mailbox.append([
            New(mail(1)), New(mail(2, 1)), New(b"\r\nno header\r\n", b"Message-ID: <3@x>\r\nReferences: <1@x>\r\n")])
        first, reply, headed = await self.threads(mailbox)
        self.assertEqual([first, first], [reply, headed])

    async def test_a_copy_keeps_both_ids_and_nothing_changes_them(self) -> None:
        store = await self.opened()
        account = await self.account(store)
        inbox, copies = await self.mailbox(account), await self.mailbox(account, "copies")
        await inbox.append([New(b"x"), New(mail(1)), New(mail(2, 1), attributes=attributes(mail(2, 1)))])
        before = await self.rows(inbox, IDS)
        await inbox.copy([1, 2, 3], copies.id)
        await copies.move([2], inbox.id)
        await inbox.remember([3], [attributes(mail(9, 8))])
        await self.arrive(inbox, mail(8, 1), mail(7, 8, 2))
        store = await self.reopened(store)
        account = await self.account(store)
        rows = await self.rows(await self.mailbox(account), IDS)
        kept = await self.rows(await self.mailbox(account, "copies"), IDS)
        for column in ("email_ids", "thread_ids"):
            first, old = getattr(before, column), getattr(rows, column)
            self.assertEqual((first, [first[0], first[2]], first[1]), (old[:3], getattr(kept, column), old[3]))
        self.assertEqual(3, len(set(before.email_ids)))

    async def test_a_delivery_joins_the_thread(self) -> None:
        store: Any = await self.opened()
        mailbox = await self.mailbox(await self.account(store))
        await self.arrive(mailbox, mail(1))
        unit, _ = store.append_unit([
            ("ada", "INBOX", New(mail(2, 1), attributes=attributes(mail(2, 1)))), ("ada", "INBOX", New(mail(3, 2)))])
        await store.engine.submit(unit)
        self.assertEqual(1, len(set(await self.threads(mailbox))))

    async def test_the_abilities_are_said(self) -> None:
        mailbox = await self.mailbox()
        self.assertTrue(IObjectIds.providedBy(mailbox) and ISaveDates.providedBy(mailbox))
