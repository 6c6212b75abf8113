"""The store in memory keeps every promise of a store that needs no disk."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from mailframe.interfaces.store import IMailStore
from mailframe.stores.memory import MemoryStore
from mailframe.testing.contracts import StoreContract


class MemoryStoreTests(StoreContract, TestCase):
    def make_store(self) -> IMailStore:
        store: IMailStore = MemoryStore()
        return store
