"""A store and its accounts with annotations, which they need know nothing of; whatever else they provide is handed on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.logger import Logger
from zope.interface import implementer

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.metadata import IMetadata, MetadataListener
from mailframe.interfaces.store import IAccount, IMailStore
from mailframe.model.mailbox import MailboxList, MailboxStatus, NewMailbox
from mailframe.sqlite.engine import Engine
from mailframe.stores.beside.shell import promised, shell

from .keeper import Keeper
from .settings import MetadataLimits

_log = Logger()


def store_annotated(store: Any, engine: Engine, *, name: str, limits: MetadataLimits | None = None) -> IMailStore:
    """`store`, whose accounts without IMetadata get it.

    `engine` must not have been started, and is not closed with the store. `name` parts one store's annotations from another's,
    and stays the same as long as the mailboxes are the same ones.
    """
    made: IMailStore = shell((StoreAnnotated,), store)(store, Keeper(engine, name, limits or MetadataLimits()))
    return made


class StoreAnnotated:
    """See `store_annotated`."""

    def __init__(self, inner: Any, keeper: Keeper) -> None:
        self.inner = inner
        self._keeper = keeper

    async def start(self) -> None:
        """See IMailStore. Raises EngineError, and what the store raises."""
        await self._keeper.engine.start()
        await settled(self.inner.start())

    async def open_account(self, name: str, fresh: Sequence[NewMailbox]) -> IAccount:
        """See IMailStore. An account that keeps annotations itself is given as it is."""
        inner = promised(await settled(self.inner.open_account(name, fresh)), IAccount, self.inner, "open_account")
        account: IAccount = inner
        if not IMetadata.providedBy(inner):
            account = shell((AccountAnnotated,), inner)(inner, self._keeper, name)
        return account


@implementer(IMetadata)
class AccountAnnotated:
    """The store's account; nothing is asked of the engine before somebody lists mailboxes or annotations."""

    def __init__(self, inner: Any, keeper: Keeper, name: str) -> None:
        self.inner = inner
        self._keeper = keeper
        self._name = name

    async def mailboxes(self) -> MailboxList:
        """See IAccount. Annotations of mailboxes that somebody else deleted are forgotten."""
        noted = await self._keeper.noted(self._name)
        listing: MailboxList = await settled(self.inner.mailboxes())
        if noted:
            there = {info.id for info in listing.mailboxes}
            await self._forget([number for mailbox_id, number in noted if mailbox_id not in there])
        return listing

    async def delete(self, mailbox_id: str) -> None:
        """See IAccount."""
        await settled(self.inner.delete(mailbox_id))
        await self._forget([number for noted, number in await self._keeper.noted(self._name) if noted == mailbox_id])

    async def _forget(self, numbers: list[int]) -> None:
        why = await self._keeper.forget(numbers)
        if why is not None:         # the next listing finds them again
            _log.warn("annotations of deleted mailboxes of {account} are still there: {why}", account=self._name, why=str(why))

    async def metadata(self, mailbox_id: str | None, actor: str) -> Mapping[str, bytes]:
        """See IMetadata."""
        if mailbox_id is None:
            return await self._keeper.server(actor)
        entries, uidvalidity = await self._keeper.mailbox(self._name, mailbox_id, actor)
        return entries if entries and await self._uidvalidity(mailbox_id) == uidvalidity else {}

    async def set_metadata(self, mailbox_id: str | None, actor: str, entries: Mapping[str, bytes | None]) -> None:
        """See IMetadata."""
        if mailbox_id is None:
            await self._keeper.keep_server(actor, entries)
        else:
            await self._keeper.keep(self._name, mailbox_id, await self._uidvalidity(mailbox_id), actor, entries)

    def watch_metadata(self, actor: str, listener: MetadataListener) -> Callable[[], None]:
        """See IMetadata."""
        return self._keeper.watch(self._name, actor, listener)

    async def _uidvalidity(self, mailbox_id: str) -> int:
        """Raises NoSuchMailbox."""
        mailbox: Any = await settled(self.inner.open_mailbox(mailbox_id))
        status: MailboxStatus = await settled(mailbox.status())
        return status.uidvalidity
