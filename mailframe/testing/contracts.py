"""Tests that an interface brings along: a plugin author writes six lines and is examined by all of ours.

::

    class AcmeStoreTests(StoreContract, TestCase):          # twisted.trial.unittest.TestCase
        def make_store(self) -> IMailStore:
            self.path = self.mktemp()
            return AcmeStore(self.path)

        def reopen(self, store: IMailStore) -> IMailStore:  # only where mail outlives the store
            return AcmeStore(self.path)
"""

from __future__ import annotations

from .store_mailboxes import MailboxesContract
from .store_messages import MessagesContract
from .store_optional import OptionalContract


class StoreContract(MailboxesContract, MessagesContract, OptionalContract):
    """Everything that `mailframe.interfaces.store` promises. Tests of what a store does not offer are skipped, by name."""
