"""The store itself: its life, its accounts, and deliveries that commit together with the queue."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import apsw
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from mailframe.interfaces.content import IReadableContent, IStaged
from mailframe.interfaces.store import IAccount, IAccountFinder, IDelivers, IIndexedStore, IJoinedStore
from mailframe.model.mailbox import FRESH_ACCOUNT, New, NewMailbox
from mailframe.model.refusal import Refusal
from mailframe.sqlite.bundle import Bundled
from mailframe.sqlite.content import SqliteContent
from mailframe.sqlite.engine import Engine

from . import arrivals, departures, sharding, tree
from .account import SqliteAccount
from .fuzzysearch import FuzzyMailbox
from .mailbox import SqliteMailbox
from .parts import Parts
from .schema import MIGRATIONS
from .settings import SqliteSettings
from .textmaker import TextLimits, TextMaker
from .textsearch import SearchableMailbox


@implementer(IJoinedStore, IIndexedStore, IDelivers, IReadableContent, IAccountFinder)
class SqliteStore:
    """`engine` may be shared with others, who register before `start`; `close` closes it, so they stop before.

    `attributes_version` is that of the renderer in use: kept ENVELOPEs and the like of another one are not given out.
    `shard` is (place, number) where it is one of several files.
    """

    def __init__(
        self, engine: Engine, clock: IReactorTime, *, content: SqliteContent | None = None, attributes_version: int | None = None,
        settings: SqliteSettings | None = None, shard: tuple[int, int] = (0, 1),
    ) -> None:
        self.engine = engine
        self.content = content or SqliteContent(engine, clock)
        settings = settings or SqliteSettings()
        self._parts = Parts(engine, self.content, clock, attributes_version, settings)
        self._deliver = partial(arrivals.deliver, content=self.content, settings=settings)
        self.content.forgetting.append(self.sweep)      # so that nothing expunged is listed whose content is gone
        self._shard = shard
        engine.register("store", MIGRATIONS)
        self.texts = TextMaker(engine, self.content, clock, words=settings.search_index, limits=TextLimits().among(
            shard[1])) if settings.searches else None
        self._parts.mailbox = (
            partial(FuzzyMailbox, words=True) if settings.search_index else SearchableMailbox if self.texts else SqliteMailbox)
        if shard[1] > 1:
            engine.register(sharding.COMPONENT, sharding.MIGRATIONS)

    @property
    def parts(self) -> Parts:
        """What its accounts and mailboxes share, for a store that keeps its index in these tables."""
        return self._parts

    async def start(self) -> None:
        """Raises EngineError with a sentence for people."""
        await self.engine.start()
        await self.engine.submit(lambda con: sharding.settle(con, self.engine.path, *self._shard))
        self.content.require_outside()
        await self.content.start()
        if self.texts:
            self.texts.start()

    async def open_account(self, name: str, fresh: Sequence[NewMailbox]) -> IAccount:
        found = await self.engine.query("SELECT id FROM account WHERE name = ?", (name,))
        if found:
            number = int(found[0][0])
        else:
            now = int(self._parts.clock.seconds())
            number = await self.engine.submit(lambda con: tree.account_id(con, name, fresh, now))
        account: IAccount = SqliteAccount(self._parts, number)
        return account

    async def has_account(self, name: str) -> bool:
        """See `IAccountFinder`."""
        return bool(await self.engine.query("SELECT 1 FROM account WHERE name = ?", (name,)))

    async def close(self) -> None:
        if self.texts:
            self.texts.stop()
        self.content.stop()
        await self.engine.close()

    async def stage(self) -> IStaged:
        return await self.content.stage()

    async def read(self, content_id: str, offset: int, size: int) -> bytes:
        return await self.content.read(content_id, offset, size)

    @property
    def adopt(self) -> Callable[[Sequence[New]], Awaitable[Sequence[New]]] | None:
        """What brings content that was staged in another file into this one, before messages that have it are added."""
        return self._parts.adopt

    @adopt.setter
    def adopt(self, adopt: Callable[[Sequence[New]], Awaitable[Sequence[New]]]) -> None:
        self._parts.adopt = adopt

    async def deliver(
        self, targets: Sequence[tuple[str, str, New]], fresh: Sequence[NewMailbox] = FRESH_ACCOUNT,
    ) -> Sequence[Refusal | None]:
        """See `IDelivers`."""
        unit, after = self.append_unit(targets, fresh)
        kept = {id(message.content): len(message.content) for _, _, message in targets if isinstance(message.content, bytes)}
        outcomes = await self.engine.submit(unit, sum(kept.values()))
        after()
        return outcomes

    def append_unit(
        self, targets: Sequence[tuple[str, str, New]], fresh: Sequence[NewMailbox] = FRESH_ACCOUNT,
    ) -> tuple[Callable[[apsw.Connection], list[Refusal | None]], Callable[[], None]]:
        """See `IJoinedStore`."""
        delivery = arrivals.Delivery(targets, [arrivals.links_of(message) for _, _, message in targets], fresh)

        def after() -> None:
            for account, mailbox in delivery.changed:
                self._parts.tell(account, str(mailbox))
        return Bundled(self._deliver, delivery, _as_it_is), after

    def delivery_job(
        self, account: str, folder: str, message: New, fresh: Sequence[NewMailbox] = FRESH_ACCOUNT,
    ) -> tuple[Callable[[apsw.Connection], Refusal | None], Callable[[], None]]:
        """`append_unit` for one target."""
        unit, after = self.append_unit([(account, folder, message)], fresh)
        return lambda con: unit(con)[0], after

    async def sweep(self) -> None:
        """Forget, in slices, what was expunged or in mailboxes deleted more than ten minutes ago, and what is too much in logs."""
        kept = self._parts.settings.expunged_kept
        while await self.engine.submit(partial(departures.sweep, now=self._parts.clock.seconds(), expunged_kept=kept)):
            pass


def _as_it_is(outcomes: list[Refusal | None]) -> list[Refusal | None]:
    return outcomes
