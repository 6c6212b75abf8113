"""The store contract about mailboxes that are gone: each method says so, in whatever session, and nobody else is harmed."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IAccount, IAttributeCache, IMailbox, IMailboxFinder, IRecent
from mailframe.model.flags import FlagChange
from mailframe.model.mailbox import INBOX, Attributes, Field, New, NewMailbox
from mailframe.model.refusal import NoSuchMailbox, NoSuchMessage, Refusal

from .cases import cases
from .store_base import ALL, MESSAGE, StoreBase

Ask = Callable[[IAccount, IMailbox], Any]
#: What must be refused about a deleted mailbox that had three messages.
ASKED: dict[str, Ask] = {
    "status": lambda account, mailbox: mailbox.status(),
    "append": lambda account, mailbox: mailbox.append([New(MESSAGE)]),
    "append_of_nothing": lambda account, mailbox: mailbox.append([]),
    "set_flags": lambda account, mailbox: mailbox.set_flags(array("I", [1]), FlagChange.add(1), None),
    "set_flags_of_none": lambda account, mailbox: mailbox.set_flags(array("I"), FlagChange.add(1), None),
    "expunge": lambda account, mailbox: mailbox.expunge(array("I", [1]), False),
    "expunge_of_all": lambda account, mailbox: mailbox.expunge(None, False),
    "expunge_of_deleted": lambda account, mailbox: mailbox.expunge(None, True),
    "new_keywords": lambda account, mailbox: mailbox.keywords(["new"]),
    "open": lambda account, mailbox: account.open_mailbox(mailbox.id),
    "delete": lambda account, mailbox: account.delete(mailbox.id),
    "rename": lambda account, mailbox: account.rename([(mailbox.id, "elsewhere")]),
}
#: What may still be answered with what was there, or with nothing, or be refused.
READING: dict[str, Ask] = {
    "flags": lambda account, mailbox: mailbox.rows(ALL, 10, Field.FLAGS),
    "sizes": lambda account, mailbox: mailbox.rows(ALL, 10, Field.SIZE),
    "octets": lambda account, mailbox: mailbox.read(1, 0, 10),
    "keywords": lambda account, mailbox: mailbox.keywords([]),
}
NEVER = {
    "word": "no such id", "empty": "", "zero": "0", "negative": "-1", "huge": "9" * 30, "umlaut": "ü", "path": "../x",
    "digits_of_another_script": "١٢", "superscript": "²", "space": " 1", "plus": "+1", "float": "1.0", "underscore": "1_0",
    "hex": "0x1", "nul": "\0",
}


class GoneContract(StoreBase):
    """NoSuchMailbox."""

    async def _deleted(self, name: str = "box") -> tuple[IAccount, IMailbox]:
        store = await self.opened()
        account, other = await self.account(store), await self.account(store)
        mailbox = await self.mailbox(account, name)
        await self.append(mailbox, MESSAGE, MESSAGE, MESSAGE)
        await settled(mailbox.keywords(["word"]))
        await settled(other.delete(mailbox.id))
        return account, mailbox

    @cases(ASKED)
    async def test_of_a_deleted_mailbox_is_refused(self, ask: Ask) -> None:
        account, mailbox = await self._deleted()
        await self.refused(NoSuchMailbox, lambda: ask(account, mailbox))
        self.assertNotIn("box", await self.infos(account))

    @cases(ASKED)
    async def test_of_a_mailbox_made_again_the_old_one_is_refused(self, ask: Ask) -> None:
        account, mailbox = await self._deleted()
        new = await self.mailbox(account, "box")
        await self.append(new, MESSAGE)
        await self.refused(NoSuchMailbox, lambda: ask(account, mailbox))
        self.assertEqual([1], await self.uids(new))
        self.assertEqual({1: 0}, await self.flags(new))

    @cases(ASKED)
    async def test_of_a_mailbox_deleted_before_reopening_is_refused(self, ask: Ask) -> None:
        store = await self.opened()
        account = await self.account(store)
        mailbox = await self.mailbox(account, "box")
        await self.append(mailbox, MESSAGE)
        await settled(account.delete(mailbox.id))
        account = await self.account(await self.reopened(store))
        await self.refused(NoSuchMailbox, lambda: account.open_mailbox(mailbox.id))
        self.assertNotIn("box", await self.infos(account))

    @cases(READING)
    async def test_reading_of_a_deleted_mailbox_harms_nobody(self, ask: Ask) -> None:
        account, mailbox = await self._deleted()
        for answer in await self.together(lambda: ask(account, mailbox)):
            if isinstance(answer, Refusal):
                self.assertIsInstance(answer, (NoSuchMailbox, NoSuchMessage))

    async def test_changes_of_a_deleted_mailbox_end_the_session(self) -> None:
        """The framework then says BYE or unselects: it must not be told that all is as it was."""
        account = await self.account()
        mailbox = await self.mailbox(account, "box")
        await self.append(mailbox, MESSAGE)
        cursor = (await self.status(mailbox)).cursor
        await settled(account.delete(mailbox.id))
        answer, = await self.together(lambda: mailbox.changes(cursor))
        self.assertTrue(answer is None or isinstance(answer, NoSuchMailbox), answer)

    async def test_optional_methods_of_a_deleted_mailbox_do_not_bring_it_back(self) -> None:
        account, mailbox = await self._deleted()
        if IAttributeCache.providedBy(mailbox):
            await self.together(lambda: mailbox.remember([1], [Attributes(1, b"e", b"s", b"i")]))
        if IRecent.providedBy(mailbox):
            await self.together(lambda: mailbox.claim_recent())
        await self.refused(NoSuchMailbox, mailbox.status)
        if IMailboxFinder.providedBy(account):
            self.assertIsNone(await settled(account.find_mailbox("box")))

    @cases(NEVER)
    async def test_an_id_that_never_was_is_refused(self, mailbox_id: str) -> None:
        account = await self.account()
        for ask in (lambda: account.open_mailbox(mailbox_id), lambda: account.delete(mailbox_id),
                    lambda: account.rename([(mailbox_id, "x")])):
            await self.refused(NoSuchMailbox, ask)
        self.assertEqual(6, len(await self.infos(account)))

    async def test_a_mailbox_of_another_account_is_not_opened(self) -> None:
        store = await self.opened()
        ada, bob = await self.account(store), await self.account(store, "bob")
        secret = await settled(ada.create(NewMailbox("secret")))
        await self.append(await self.mailbox(ada, "secret"), b"secret")
        if secret.id not in {info.id for info in (await self.infos(bob)).values()}:
            for ask in (lambda: bob.open_mailbox(secret.id), lambda: bob.delete(secret.id), lambda: bob.rename([(secret.id, "x")])):
                await self.refused(NoSuchMailbox, ask)
        self.assertEqual(b"secret", await self.whole(await self.mailbox(ada, "secret"), 1))

    async def test_inbox_is_there_also_after_it_was_deleted(self) -> None:
        """The framework refuses that; a store that is asked all the same keeps its promise that INBOX exists."""
        account = await self.account()
        old = await self.mailbox(account)
        await self.append(old, MESSAGE)
        if isinstance((await self.together(lambda: account.delete(old.id)))[0], Refusal):
            self.assertEqual([1], await self.uids(old))
            return
        new = await self.mailbox(account)
        self.assertIn(INBOX, await self.infos(account))
        self.assertNotEqual(old.id, new.id)
        self.assertEqual([], await self.uids(new))
