"""Tests that an interface brings along: a plugin author writes six lines and is examined by all of ours.

::

    class AcmeStoreTests(StoreContract, TestCase):          # twisted.trial.unittest.TestCase
        def make_store(self) -> IMailStore:
            self.path = self.mktemp()
            return AcmeStore(self.path)

        def reopen(self, store: IMailStore) -> IMailStore:  # only where mail outlives the store
            return AcmeStore(self.path)

    class AcmeContentTests(ContentContract, TestCase):
        killed = "acme.content:make_content"                # for kill -9 in a process of its own

        def make_content(self, place: Path) -> IContentStore:
            return AcmeContent(place)
"""

from __future__ import annotations

from .content_lives import ContentLives
from .content_reading import ContentReading
from .content_trouble import ContentTrouble
from .store_mailboxes import MailboxesContract
from .store_messages import MessagesContract
from .store_optional import OptionalContract


class StoreContract(MailboxesContract, MessagesContract, OptionalContract):
    """Everything that `mailframe.interfaces.store` promises. Tests of what a store does not offer are skipped, by name."""


class ContentContract(ContentReading, ContentLives, ContentTrouble):
    """Everything that `mailframe.interfaces.content.IContentStore` promises."""
