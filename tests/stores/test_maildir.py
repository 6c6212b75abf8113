"""The Maildir store keeps every promise of a store, and the ones that only it makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet import reactor as the_reactor
from twisted.trial.unittest import TestCase

from mailframe.interfaces.store import IMailStore
from mailframe.stores.maildir import MaildirStore
from mailframe.testing.contracts import StoreContract

reactor: Any = the_reactor


class MaildirStoreTests(StoreContract, TestCase):
    def make_store(self) -> IMailStore:
        self.path = Path(self.mktemp())
        store: IMailStore = MaildirStore(self.path, reactor)
        return store

    def reopen(self, store: IMailStore) -> IMailStore:
        again: IMailStore = MaildirStore(self.path, reactor)
        return again
