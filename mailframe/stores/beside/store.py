"""A plain store and its accounts, with the index beside them; whatever else they provide is handed on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IAccount, IMailbox, IMailStore
from mailframe.model.mailbox import MailboxInfo, MailboxList, NewMailbox
from mailframe.model.refusal import Refusal
from mailframe.sqlite.engine import Engine

from . import ledger
from .index import Index
from .mailbox import beside
from .shell import promised, shell

_log = Logger()


def store_beside(store: Any, engine: Engine, clock: IReactorTime, *, name: str, attributes_version: int) -> IMailStore:
    """`store`, whose mailboxes without IModSequenced get it, with IAttributeCache and IRecent where they lack those.

    `engine` must not have been started, and is not closed with the store. `name` parts what is noted of one store from what is
    noted of another. `attributes_version` is that of the renderer in use.
    """
    made: IMailStore = shell((StoreBeside,), store)(store, Index(engine, clock, name, attributes_version))
    return made


@implementer(IMailStore)
class StoreBeside:
    """See `store_beside`."""

    def __init__(self, inner: Any, index: Index) -> None:
        self.inner = inner
        self._index = index

    async def start(self) -> None:
        """See IMailStore. Raises EngineError, and what the store raises."""
        await self._index.engine.start()
        await settled(self.inner.start())

    async def open_account(self, name: str, fresh: Sequence[NewMailbox]) -> IAccount:
        """See IMailStore."""
        inner = promised(await settled(self.inner.open_account(name, fresh)), IAccount, self.inner, "open_account")
        account: IAccount = shell((AccountBeside,), inner)(inner, self._index, name)
        return account

    async def close(self) -> None:
        """See IMailStore."""
        await settled(self.inner.close())


@implementer(IAccount)
class AccountBeside:
    """The store's account; its mailboxes are `beside` the index."""

    def __init__(self, inner: Any, index: Index, name: str) -> None:
        self.inner = inner
        self._index = index
        self._name = name

    async def mailboxes(self) -> MailboxList:
        """See IAccount. What is noted of mailboxes that somebody else deleted is forgotten."""
        noted = await self._index.mailboxes(self._name)
        listing: MailboxList = await settled(self.inner.mailboxes())
        there = {info.id for info in listing.mailboxes}
        await self._forget([number for mailbox_id, number in noted if mailbox_id not in there])
        return listing

    async def _forget(self, numbers: list[int]) -> None:
        if numbers:
            try:
                await self._index.engine.submit(partial(ledger.forget_all, numbers=numbers))
            except Refusal as refusal:      # the next listing finds them again
                _log.warn("deleted mailboxes of {account} are still in the index: {why}", account=self._name, why=str(refusal))

    async def create(self, mailbox: NewMailbox) -> MailboxInfo:
        """See IAccount."""
        return await settled(self.inner.create(mailbox))

    async def delete(self, mailbox_id: str) -> None:
        """See IAccount."""
        await settled(self.inner.delete(mailbox_id))
        await self._forget([number for noted, number in await self._index.mailboxes(self._name) if noted == mailbox_id])

    async def rename(self, moves: Sequence[tuple[str, str]]) -> None:
        """See IAccount."""
        await settled(self.inner.rename(moves))

    async def set_subscribed(self, name: str, subscribed: bool) -> None:
        """See IAccount."""
        await settled(self.inner.set_subscribed(name, subscribed))

    async def open_mailbox(self, mailbox_id: str) -> IMailbox:
        """See IAccount."""
        inner = promised(await settled(self.inner.open_mailbox(mailbox_id)), IMailbox, self.inner, "open_mailbox")
        return beside(inner, self._index, self._name, self.open_mailbox)

    def subscribe(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """See IAccount. A hint also says that the index is behind."""
        def heard(mailbox_id: str) -> None:
            self._index.hint(self._name, mailbox_id)
            listener(mailbox_id)
        end: Callable[[], None] = self.inner.subscribe(heard)
        return end
