"""What the parts of the store contract share: opening, closing, and small words for what they do often."""

from __future__ import annotations

from array import array
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from unittest import SkipTest

from twisted.internet.defer import Deferred, gatherResults
from zope.interface.interface import InterfaceClass

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IAccount, IMailbox, IMailStore
from mailframe.model.mailbox import (
    FRESH_ACCOUNT,
    INBOX,
    MAX_UID,
    Changes,
    Field,
    MailboxInfo,
    MailboxStatus,
    New,
    NewMailbox,
    Rows,
)
from mailframe.model.refusal import Refusal

from .cases import Cases
from .temporary import TemporaryPlaces

ALL = ((1, MAX_UID),)
MESSAGE = b"From: ada@example.org\r\nSubject: engine\r\n\r\nIt might act upon other things besides number.\r\n"


class StoreBase(Cases, TemporaryPlaces):
    """The subclass is a trial TestCase."""

    timeout = 120
    #: Whether tests run that take many seconds (a message of 100 MiB, long histories): set it in a subclass.
    long = False

    def make_store(self) -> IMailStore:
        """A new, empty store that was not started. Call `self.mktemp()` for a place."""
        raise TypeError(f"{type(self).__name__} lacks make_store")

    def reopen(self, store: IMailStore) -> IMailStore | None:
        """Another store, not started, on the same data as `store`, which is closed. None: nothing outlives this store."""
        return None

    async def opened(self) -> IMailStore:
        return await self._start(self.make_store())

    async def reopened(self, store: IMailStore) -> IMailStore:
        await settled(store.close())
        self._open.remove(store)
        again = self.reopen(store)
        if again is None:
            raise SkipTest("reopen() is not offered: nothing outlives this store")
        return await self._start(again)

    async def _start(self, store: IMailStore) -> IMailStore:
        if not hasattr(self, "_open"):
            self._open: list[IMailStore] = []
            self.addCleanup(lambda: Deferred.fromCoroutine(self._close()))
        await settled(store.start())
        self._open.append(store)
        return store

    async def _close(self) -> None:
        for store in self._open:
            await settled(store.close())

    async def account(self, store: IMailStore | None = None, name: str = "ada",
                      fresh: Sequence[NewMailbox] = FRESH_ACCOUNT) -> IAccount:
        return await settled((store or await self.opened()).open_account(name, fresh))

    async def mailbox(self, account: IAccount | None = None, name: str = INBOX) -> IMailbox:
        """The mailbox `name`, made when it does not exist."""
        account = account or await self.account()
        for info in (await settled(account.mailboxes())).mailboxes:
            if info.name == name:
                return await settled(account.open_mailbox(info.id))
        return await settled(account.open_mailbox((await settled(account.create(NewMailbox(name)))).id))

    async def filled(self, count: int, account: IAccount | None = None) -> tuple[IMailbox, array[int]]:
        """INBOX with `count` messages, each of its own octets."""
        mailbox = await self.mailbox(account)
        return mailbox, await settled(mailbox.append([New(self.octets(number)) for number in range(count)]))

    async def infos(self, account: IAccount) -> dict[str, MailboxInfo]:
        """All mailboxes by name."""
        return {info.name: info for info in (await settled(account.mailboxes())).mailboxes}

    async def names(self, account: IAccount) -> set[str]:
        return set(await self.infos(account))

    async def append(self, mailbox: IMailbox, *messages: New | bytes) -> list[int]:
        """The new UIDs; octets alone are a message without flags and date."""
        new = [New(message) if isinstance(message, bytes) else message for message in messages]
        return list(await settled(mailbox.append(new)))

    async def status(self, mailbox: IMailbox) -> MailboxStatus:
        return await settled(mailbox.status())

    async def expunge(self, mailbox: IMailbox, uids: Sequence[int] | None = None, only_deleted: bool = False) -> list[int]:
        return list(await settled(mailbox.expunge(uids if uids is None else array("I", uids), only_deleted)))

    async def together(self, *asked: Callable[[], Awaitable[Any] | Any]) -> list[Any]:
        """All at the same time; their answers, in which a Refusal stands for one that was refused."""
        async def one(ask: Callable[[], Awaitable[Any] | Any]) -> Any:
            try:
                return await settled(ask())
            except Refusal as refusal:
                return refusal
        answers: list[Any] = await gatherResults([Deferred.fromCoroutine(one(ask)) for ask in asked], consumeErrors=True)
        return answers

    def octets(self, number: int) -> bytes:
        return MESSAGE + b"%d\r\n" % number

    async def uids(self, mailbox: IMailbox) -> list[int]:
        return list((await self.rows(mailbox, Field.NONE)).uids)

    async def rows(self, mailbox: IMailbox, fields: Field) -> Rows:
        return await settled(mailbox.rows(ALL, 1_000_000, fields))

    async def flags(self, mailbox: IMailbox) -> dict[int, int]:
        rows = await self.rows(mailbox, Field.FLAGS)
        return dict(zip(rows.uids, rows.flags, strict=True))

    async def whole(self, mailbox: IMailbox, uid: int) -> bytes:
        return await settled(mailbox.read(uid, 0, 2**31))

    async def changed(self, mailbox: IMailbox, cursor: object) -> Changes:
        changes = await settled(mailbox.changes(cursor))
        if changes is None:
            raise SkipTest("changes() cannot say: the framework compares")
        return changes

    async def refused(self, refusal: type[BaseException], ask: Callable[[], Awaitable[Any] | Any]) -> None:
        """`ask()` raises `refusal`, at once or later."""
        with self.assertRaises(refusal):
            await settled(ask())

    def need_long(self) -> None:
        if not self.long:
            raise SkipTest("only with `long`")

    def need(self, interface: InterfaceClass, thing: object) -> None:
        if not interface.providedBy(thing):
            raise SkipTest(f"{interface.__name__} is not provided")
