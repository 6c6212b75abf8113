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
from .store_columns import ColumnsContract
from .store_copies import CopiesContract
from .store_crash import CrashContract
from .store_deliveries import DeliveriesContract
from .store_flags import FlagsContract
from .store_gone import GoneContract
from .store_mailboxes import MailboxesContract
from .store_messages import MessagesContract
from .store_metadata import MetadataContract
from .store_modseqs import ModSeqsContract
from .store_names import NamesContract
from .store_octets import OctetsContract
from .store_optional import OptionalContract
from .store_quota import QuotaContract
from .store_races import RacesContract
from .store_renames import RenamesContract
from .store_replaces import ReplacesContract
from .store_search import SearchContract
from .store_sessions import SessionsContract
from .store_sharing import SharingContract
from .store_staged import StagedContract
from .store_uids import UidsContract


class StoreContract(
    MailboxesContract, NamesContract, RenamesContract, GoneContract, MessagesContract, OctetsContract, FlagsContract,
    ColumnsContract, UidsContract, SessionsContract, ModSeqsContract, CopiesContract, ReplacesContract, RacesContract,
    StagedContract, QuotaContract, DeliveriesContract, SearchContract, CrashContract, MetadataContract, SharingContract,
    OptionalContract,
):
    """Everything that `mailframe.interfaces.store` promises. Tests of what a store does not offer are skipped, by name.

    With ``child_factory`` set (see `CrashContract`), the store is killed again and again in a process of its own.
    With ``long = True`` in the subclass those run, too, that take many seconds (a message of 100 MiB, long histories).
    """


class ContentContract(ContentReading, ContentLives, ContentTrouble):
    """Everything that `mailframe.interfaces.content.IContentStore` promises."""
