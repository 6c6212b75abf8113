"""A store with the bare minimum, which answers `changes` with None, keeps every promise that it makes."""

from __future__ import annotations

from support.bare_store import BareStore
from twisted.trial.unittest import TestCase

from mailframe.interfaces.store import IMailStore
from mailframe.testing.contracts import StoreContract


class BareStoreTests(StoreContract, TestCase):
    def make_store(self) -> IMailStore:
        store: IMailStore = BareStore()
        return store
