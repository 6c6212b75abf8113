"""The store contract about accounts and their mailboxes."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from zope.interface import providedBy
from zope.interface.verify import verifyObject

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IAccount, IMailbox, IMailStore
from mailframe.model.mailbox import FRESH_ACCOUNT, INBOX, New, NewMailbox
from mailframe.model.refusal import MailboxExists, NoSuchMailbox

from .store_base import MESSAGE, StoreBase


class MailboxesContract(StoreBase):
    """Names, ids, UIDVALIDITY, subscriptions, hints."""

    async def test_everything_is_what_it_says(self) -> None:
        """All methods of all interfaces provided are there, with the arguments promised."""
        store = await self.opened()
        account = await self.account(store)
        mailbox = await self.mailbox(account)
        for interface, thing in ((IMailStore, store), (IAccount, account), (IMailbox, mailbox)):
            self.assertTrue(interface.providedBy(thing), interface)
        for thing in (store, account, mailbox):
            for interface in providedBy(thing):
                verifyObject(interface, thing)

    async def test_a_new_account_has_the_fresh_mailboxes(self) -> None:
        listed = await settled((await self.account()).mailboxes())
        self.assertEqual({box.name: box.special_use for box in FRESH_ACCOUNT},
                         {info.name: info.special_use for info in listed.mailboxes})
        self.assertEqual({box.name for box in FRESH_ACCOUNT}, set(listed.subscribed))

    async def test_inbox_always_exists(self) -> None:
        account = await self.account(fresh=())
        self.assertIn(INBOX, await self.infos(account))
        old = await self.mailbox(account)
        await settled(old.append([New(MESSAGE)]))
        await settled(account.rename([(old.id, "Old")]))
        self.assertEqual({INBOX, "Old"}, set(await self.infos(account)), "a renamed INBOX leaves an empty one behind")
        self.assertEqual([], await self.uids(await self.mailbox(account)))

    async def test_fresh_is_for_the_first_time_only(self) -> None:
        store = await self.opened()
        first = await self.account(store)
        await settled(first.delete((await self.infos(first))["Junk"].id))
        self.assertNotIn("Junk", await self.infos(await self.account(store)))

    async def test_the_same_account_opened_twice_is_one(self) -> None:
        store = await self.opened()
        one, two = await self.mailbox(await self.account(store)), await self.mailbox(await self.account(store))
        uids = await settled(one.append([New(MESSAGE)]))
        self.assertEqual(MESSAGE, await self.whole(two, uids[0]))

    async def test_accounts_are_apart(self) -> None:
        store = await self.opened()
        await self.filled(3, await self.account(store))
        other = await self.account(store, "bob")
        self.assertEqual([], await self.uids(await self.mailbox(other)))
        await settled(other.create(NewMailbox("only bob's")))
        self.assertNotIn("only bob's", await self.infos(await self.account(store)))

    async def test_creating_an_existing_mailbox_is_refused(self) -> None:
        account = await self.account()
        await self.refused(MailboxExists, lambda: account.create(NewMailbox("Sent")))

    async def test_special_use_and_subscription_are_kept(self) -> None:
        account = await self.account(fresh=())
        info = await settled(account.create(NewMailbox("Out", "\\Sent", True)))
        self.assertEqual(info, (await self.infos(account))["Out"])
        self.assertEqual("\\Sent", info.special_use)
        self.assertIn("Out", (await settled(account.mailboxes())).subscribed)

    async def test_a_deleted_mailbox_is_gone_with_its_messages_and_without_its_children(self) -> None:
        account = await self.account()
        mailbox, child = await self.mailbox(account, "a"), await self.mailbox(account, "a/b")
        await settled(mailbox.append([New(MESSAGE)]))
        await settled(child.append([New(MESSAGE)]))
        await settled(account.delete(mailbox.id))
        names = await self.infos(account)
        self.assertNotIn("a", names)
        self.assertEqual(child.id, names["a/b"].id)
        self.assertEqual([1], await self.uids(child))
        for ask in (mailbox.status, lambda: account.open_mailbox(mailbox.id), lambda: account.delete(mailbox.id),
                    lambda: mailbox.append([New(MESSAGE)])):
            await self.refused(NoSuchMailbox, ask)

    async def test_a_mailbox_made_again_is_another(self) -> None:
        """RFC 3501 section 2.3.1.1"""
        account = await self.account()
        old = await self.mailbox(account, "again")
        before = await settled(old.status())
        await settled(old.append([New(MESSAGE)]))
        await settled(account.delete(old.id))
        new = await self.mailbox(account, "again")
        self.assertNotEqual(old.id, new.id)
        self.assertNotEqual(before.uidvalidity, (await settled(new.status())).uidvalidity)
        self.assertEqual([], await self.uids(new))

    async def test_renaming_keeps_everything_but_the_name(self) -> None:
        account = await self.account(fresh=())
        parent, child = await self.mailbox(account, "a"), await self.mailbox(account, "a/b")
        await settled(child.append([New(MESSAGE)]))
        before = await settled(child.status())
        await settled(account.rename([(parent.id, "c"), (child.id, "c/b")]))
        names = await self.infos(account)
        self.assertEqual({INBOX, "c", "c/b"}, set(names))
        self.assertEqual(child.id, names["c/b"].id)
        after = await settled((await settled(account.open_mailbox(child.id))).status())
        self.assertEqual((before.uidvalidity, before.uidnext, 1), (after.uidvalidity, after.uidnext, after.messages))

    async def test_subscriptions_need_no_mailbox(self) -> None:
        """RFC 3501 section 6.3.6"""
        account = await self.account()
        await settled(account.set_subscribed("not there/ü", True))
        await settled(account.set_subscribed("not there/ü", True))
        await settled(account.set_subscribed("Sent", False))
        subscribed = (await settled(account.mailboxes())).subscribed
        self.assertIn("not there/ü", subscribed)
        self.assertNotIn("Sent", subscribed)

    async def test_a_listener_is_told_until_it_leaves(self) -> None:
        store = await self.opened()
        account = await self.account(store)
        mailbox = await self.mailbox(account)
        told: Deferred[None] = Deferred()
        hints: list[str] = []

        def listen(hint: str) -> None:
            hints.append(hint)
            if {mailbox.id, ""} <= set(hints) and not told.called:
                told.callback(None)
        leave = account.subscribe(listen)
        other = await self.account(store)
        await settled((await self.mailbox(other)).append([New(MESSAGE)]))
        await settled(other.create(NewMailbox("news")))
        await told
        leave()
        leave()

    async def test_mailboxes_outlive_the_store(self) -> None:
        store = await self.opened()
        account = await self.account(store)
        info = await settled(account.create(NewMailbox("Überall/b", "\\Archive", True)))
        uidvalidity = (await settled((await settled(account.open_mailbox(info.id))).status())).uidvalidity
        before = await settled(account.mailboxes())
        account = await self.account(await self.reopened(store))
        after = await settled(account.mailboxes())
        self.assertEqual(set(before.mailboxes), set(after.mailboxes))
        self.assertEqual(before.subscribed, after.subscribed)
        status = await settled((await settled(account.open_mailbox(info.id))).status())
        self.assertEqual(uidvalidity, status.uidvalidity)
        await settled(account.delete(info.id))
        again = await self.mailbox(account, "Überall/b")
        self.assertNotEqual(info.id, again.id)
        self.assertNotEqual(uidvalidity, (await settled(again.status())).uidvalidity)
