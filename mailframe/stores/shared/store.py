"""Any store as sessions reach it: accounts that can share their mailboxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zope.interface import implementer

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.metadata import IMetadata
from mailframe.interfaces.sharing import IAccountQuotas
from mailframe.interfaces.store import IAccount, IAccountFinder, IMailStore, IQuota, ISpecialUses
from mailframe.model.mailbox import NewMailbox, Quota
from mailframe.sqlite.engine import Engine
from mailframe.stores.beside.shell import promised, shell

from .account import SharedAccount, SpecialUsesOfOwn
from .annotated import AnnotatedAccount
from .keeper import Keeper
from .names import Naming
from .others import Others
from .settings import SharingSettings


def store_shared(store: Any, engine: Engine, *, name: str, settings: SharingSettings | None = None) -> IMailStore:
    """`store`, whose accounts provide `IAcl` and `INamespaces` besides all that they provide.

    `engine` must not have been started, and is not closed with the store. `name` parts what is granted in one store from
    what is granted in another. Deliveries may go by it or past it.
    """
    settings = settings or SharingSettings()
    made: IMailStore = shell((SharedStore,), store)(store, Keeper(engine, name, settings.max_entries), settings)
    return made


@implementer(IMailStore)
class SharedStore:
    """See `store_shared`."""

    def __init__(self, inner: Any, keeper: Keeper, settings: SharingSettings) -> None:
        self.inner = inner
        self._keeper = keeper
        self._settings = settings

    async def start(self) -> None:
        """See IMailStore. Raises EngineError, and what the store raises."""
        await self._keeper.engine.start()
        await settled(self.inner.start())

    async def open_account(self, name: str, fresh: Sequence[NewMailbox]) -> IAccount:
        """See IMailStore."""
        async def opened(owner: str) -> IAccount:
            account: IAccount = promised(
                await settled(self.inner.open_account(owner, fresh)), IAccount, self.inner, "open_account")
            return account

        inner = await opened(name)
        others = Others(self._keeper, Naming(self._settings.prefix), name, opened)
        finds = IAccountFinder.providedBy(self.inner) and IQuota.providedBy(inner)
        bases = tuple(base for base, wanted in (
            (QuotasOfOthers, finds), (AnnotatedAccount, IMetadata.providedBy(inner)),
            (SpecialUsesOfOwn, ISpecialUses.providedBy(inner)), (SharedAccount, True)) if wanted)
        account: Any = shell(bases, inner)(inner, name, self._keeper, self._settings, others)
        if finds:
            account.finder, account.opened = self.inner, opened
        made: IAccount = account
        return made

    async def close(self) -> None:
        """See IMailStore."""
        await settled(self.inner.close())


@implementer(IAccountQuotas)
class QuotasOfOthers:
    """The store knows which accounts there are, and limits them."""

    finder: Any
    opened: Any

    async def account_quota(self, name: str) -> Quota | None:
        """See IAccountQuotas."""
        account = await self._limited(name)
        return None if account is None else await settled(account.quota())

    async def set_account_quota(self, name: str, max_octets: int | None, max_messages: int | None) -> Quota | None:
        """See IAccountQuotas."""
        account = await self._limited(name)
        if account is None:
            return None
        await settled(account.set_quota(max_octets, max_messages))
        return await settled(account.quota())

    async def _limited(self, name: str) -> Any:
        there = await settled(self.finder.has_account(name))
        return await self.opened(name) if there else None
