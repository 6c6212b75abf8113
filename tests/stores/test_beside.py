"""What is kept beside a plain store: with it any store keeps the promises of one that has mod-sequences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.bare_store import BareStore
from support.inline_engine import InlineEngine
from twisted.internet import reactor
from twisted.trial.unittest import TestCase
from zope.interface import providedBy
from zope.interface.verify import verifyObject

from mailframe.interfaces.content import IReadableContent
from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IAttributeCache, IMailboxFinder, IMailStore, IModSequenced, IRecent
from mailframe.mime.attributes import VERSION
from mailframe.model.flags import SEEN, FlagChange
from mailframe.model.mailbox import FRESH_ACCOUNT, Attributes, Field, New
from mailframe.sqlite.engine import Engine
from mailframe.stores.beside.store import store_beside
from mailframe.stores.memory import MemoryStore
from mailframe.stores.plain_store import PlainStore
from mailframe.testing.contracts import StoreContract
from mailframe.testing.store_base import MESSAGE


class InDictionary(PlainStore):
    def __init__(self, kept: dict[str, Any]) -> None:
        super().__init__()
        self.kept = kept

    def load(self, name: str) -> Any:
        return self.kept.get(name)

    def save(self, name: str, account: dict[str, Any]) -> None:
        self.kept[name] = account


class BesideContract(StoreContract):
    """The contract, over a plain store with the index."""

    durable = False         # the index on disk, with the threads of the server's own engine
    engine: Any

    def plain(self) -> Any:
        raise NotImplementedError

    def make_store(self) -> IMailStore:
        self.path = Path(self.mktemp())
        return self.beside(self.plain())

    def beside(self, plain: Any) -> IMailStore:
        self.engine = Engine(self.path, reactor) if self.durable else InlineEngine()
        self.addCleanup(self.engine.close)
        return store_beside(plain, self.engine, reactor, name="test", attributes_version=1)


class BesideBareTests(BesideContract, TestCase):
    def plain(self) -> Any:
        return BareStore()


class BesidePlainTests(BesideContract, TestCase):
    durable = True

    def plain(self) -> Any:
        self.kept: dict[str, Any] = {}
        return InDictionary(self.kept)

    async def reopened(self, store: IMailStore) -> IMailStore:
        await settled(store.close())
        await self.engine.close()
        self._open.remove(store)
        return await self._start(self.beside(InDictionary(self.kept)))


class BesideMemoryTests(BesideContract, TestCase):
    def plain(self) -> Any:
        return MemoryStore()
