"""One store over several: each account's mail is in one of N database files, each with a writer of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger
from zope.interface import implementer

from mailframe.interfaces.content import IReadableContent, IStaged
from mailframe.interfaces.store import IAccount, IAccountFinder, IDelivers, IIndexedStore
from mailframe.model.mailbox import FRESH_ACCOUNT, New, NewMailbox
from mailframe.model.refusal import InternalError, NoSuchMessage, Refusal, TryAgainLater
from mailframe.sqlite.errors import EngineError

from .sharding import shard_of
from .store import SqliteStore

log = Logger()

_PART = 1024 * 1024         # octets of large content copied at once from one file to another
Target = tuple[str, str, New]


@implementer(IIndexedStore, IDelivers, IReadableContent, IAccountFinder)
class ShardedStore:
    """`stores` are the `SqliteStore` of each file, in their order, each with its `shard` set.

    Content is staged in the first file, with the queue; a message for accounts in another is copied there once.
    """

    def __init__(self, stores: Sequence[SqliteStore]) -> None:
        self.stores = tuple(stores)
        for store in self.stores[1:]:
            store.adopt = partial(self._adopted, store)

    async def start(self) -> None:
        """Raises EngineError with a sentence for people, also where the mail is in another number of files."""
        for store in self.stores:
            await store.start()

    async def close(self) -> None:
        await gatherResults([Deferred.fromCoroutine(store.close()) for store in reversed(self.stores)], consumeErrors=True)

    async def open_account(self, name: str, fresh: Sequence[NewMailbox]) -> IAccount:
        return await self._of(name).open_account(name, fresh)

    async def has_account(self, name: str) -> bool:
        """See `IAccountFinder`."""
        return await self._of(name).has_account(name)

    async def stage(self) -> IStaged:
        return await self.stores[0].stage()

    async def read(self, content_id: str, offset: int, size: int) -> bytes:
        return await self.stores[0].read(content_id, offset, size)

    async def deliver(
        self, targets: Sequence[Target], fresh: Sequence[NewMailbox] = FRESH_ACCOUNT,
    ) -> Sequence[Refusal | None]:
        """See `IDelivers`: one unit for each file, all at once."""
        places: dict[int, list[int]] = {}
        for number, (account, _, _) in enumerate(targets):
            places.setdefault(shard_of(account, len(self.stores)), []).append(number)
        units = [self._deliver(self.stores[place], [targets[number] for number in numbers], fresh)
                 for place, numbers in places.items()]
        if len(units) == 1:
            return await units[0]
        answers = await gatherResults([Deferred.fromCoroutine(unit) for unit in units])
        outcomes: list[Refusal | None] = [None] * len(targets)
        for numbers, answer in zip(places.values(), answers, strict=True):
            for number, outcome in zip(numbers, answer, strict=True):
                outcomes[number] = outcome
        return outcomes

    def _of(self, account: str) -> SqliteStore:
        return self.stores[shard_of(account, len(self.stores))]

    async def _deliver(self, store: SqliteStore, targets: list[Target], fresh: Sequence[NewMailbox]) -> Sequence[Refusal | None]:
        """What is wrong with one file is no trouble of the others, and a message whose content is gone none of other messages."""
        outcomes: list[Refusal | None] = [None] * len(targets)
        known: dict[str, str] = {}
        ready: dict[int, Target] = {}
        for number, (account, folder, message) in enumerate(targets):
            try:
                ready[number] = account, folder, await self._brought(store, message, known)
            except Refusal as error:
                outcomes[number] = error
        for number, outcome in zip(ready, await self._handed(store, list(ready.values()), fresh), strict=True):
            outcomes[number] = outcome
        return outcomes

    async def _handed(self, store: SqliteStore, targets: list[Target], fresh: Sequence[NewMailbox]) -> Sequence[Refusal | None]:
        try:
            return await store.deliver(targets, fresh)
        except Refusal as error:
            refusal = error
        except EngineError as error:
            refusal = TryAgainLater(detail=str(error))
        except Exception:
            log.failure("delivery to {path} failed", path=store.engine.path)
            refusal = InternalError(detail=f"delivery to {store.engine.path}")
        return [refusal] * len(targets)

    async def _adopted(self, store: SqliteStore, messages: Sequence[New]) -> Sequence[New]:
        """The messages with staged content copied into the file of `store`, each content once. Raises TryAgainLater."""
        known: dict[str, str] = {}
        return [await self._brought(store, message, known) for message in messages]

    async def _brought(self, store: SqliteStore, message: New, known: dict[str, str]) -> New:
        """`message` for `store`; `known` is what has been copied there of one unit's content."""
        content = message.content
        if not isinstance(content, str) or store is self.stores[0]:
            return message
        if content not in known:
            known[content] = await self._copied(store, content)
        return replace(message, content=known[content])

    async def _copied(self, store: SqliteStore, content_id: str) -> str:
        staged = await store.stage()
        try:
            offset = 0
            while part := await self.read(content_id, offset, _PART):
                await staged.write(part)
                offset += len(part)
            return await staged.seal()
        except NoSuchMessage as gone:           # the sender still has it, and is not to be told that it is refused for good
            staged.abort()
            raise TryAgainLater(detail=str(gone)) from gone
        except BaseException:
            staged.abort()
            raise
