"""What is kept beside a plain store: with it any store keeps the promises of one that has mod-sequences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.bare_store import BareStore
from support.coroutines import result_of
from support.inline_engine import InlineEngine
from support.plain_mailboxes import cursor_store
from twisted.internet import reactor
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from mailframe.interfaces.content import IContent, IReadableContent
from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import (
    IAccount,
    IAttributeCache,
    ICopyable,
    IMailbox,
    IMailboxFinder,
    IMailStore,
    IModSequenced,
    IMovable,
    IObjectIds,
    IRecent,
    IReplaces,
    ISaveDates,
)
from mailframe.model.mailbox import FRESH_ACCOUNT, Attributes, Field, New, NewMailbox
from mailframe.model.refusal import StorageFull
from mailframe.sqlite.engine import Engine
from mailframe.stores.beside import ledger
from mailframe.stores.beside.store import store_beside
from mailframe.stores.memory import MemoryStore
from mailframe.stores.memory_mailbox import MemoryMailbox
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
        raise TypeError(f"{type(self).__name__} lacks plain")

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


class BesideCursorTests(BesideContract, TestCase):
    """A store that says what changed, copies and moves, but keeps no mod-sequences, ENVELOPEs, nor what is recent."""

    def plain(self) -> Any:
        return cursor_store(reactor.seconds)  # type: ignore[attr-defined]


class Handed(SynchronousTestCase):
    """Who asks what is provided is told the truth, before and behind."""

    def setUp(self) -> None:
        self.engine: Any = InlineEngine()
        self.clock = Clock()
        self.clock.advance(1_700_000_000)

    def opened(self, plain: Any) -> tuple[Any, Any, Any]:
        """The store, an account, its INBOX."""
        store: Any = store_beside(plain, self.engine, self.clock, name="test", attributes_version=1)
        account = result_of(store.open_account("ada", FRESH_ACCOUNT))
        info = next(info for info in result_of(account.mailboxes()).mailboxes if info.name == "INBOX")
        return store, account, result_of(account.open_mailbox(info.id))

    def test_a_mailbox_with_mod_sequences_of_its_own_is_left_alone(self) -> None:
        memory = MemoryStore(lambda: 0)
        store, account, mailbox = self.opened(memory)
        self.assertIs(type(mailbox), MemoryMailbox)
        for interface, thing in ((IReadableContent, store), (IMailStore, store), (IAccount, account), (IMailboxFinder, account)):
            verifyObject(interface, thing)
        self.assertEqual("INBOX", result_of(account.find_mailbox("INBOX")).name)
        self.engine = InlineEngine()
        self.assertFalse(IContent.providedBy(self.opened(BareStore())[0]))

    def test_a_plain_one_gets_what_it_lacks_and_keeps_what_it_has(self) -> None:
        _, _, mailbox = self.opened(cursor_store(lambda: 0))
        for interface in (IMailbox, IModSequenced, IAttributeCache, IRecent, ICopyable, IMovable, IReplaces):
            verifyObject(interface, mailbox)
        self.engine = InlineEngine()
        _, account, mailbox = self.opened(BareStore())
        for interface in (IMailbox, IModSequenced, IAttributeCache, IRecent):
            verifyObject(interface, mailbox)
        self.assertFalse(any(each.providedBy(mailbox) for each in (ICopyable, IMovable, IReplaces)))
        self.assertFalse(IMailboxFinder.providedBy(account))
        self.assertFalse(IObjectIds.providedBy(mailbox) or ISaveDates.providedBy(mailbox), "promises nobody could keep")

    def test_it_goes_by_the_name_of_the_plugin(self) -> None:
        """I7: what fails is logged under that."""
        names = [type(each).__qualname__ for each in self.opened(BareStore())]
        self.assertEqual(["BareStore", "_BareAccount", "_BareMailbox"], names)

    def test_another_uidvalidity_begins_afresh(self) -> None:
        plain = BareStore()
        _, _, mailbox = self.opened(plain)
        result_of(mailbox.append([New(MESSAGE, attributes=Attributes(1, b"e", b"s", b"i"))]))
        before = result_of(mailbox.status())
        inner = result_of(result_of(plain.open_account("ada", ())).open_mailbox(mailbox.id))
        inner._mailbox._uidvalidity += 1
        after = result_of(mailbox.status())
        self.assertEqual(before.uidvalidity + 1, after.uidvalidity)
        self.assertIsNone(result_of(mailbox.changes(before.cursor)))
        rows = result_of(mailbox.rows([(1, 9)], 9, Field.ENVELOPE | Field.MODSEQ))
        self.assertEqual([b""], rows.envelopes)
        self.assertGreater(rows.modseqs[0], before.highest_modseq)

    def test_a_status_with_nothing_new_lists_nothing(self) -> None:
        plain = BareStore()
        _, _, mailbox = self.opened(plain)
        result_of(mailbox.append([New(MESSAGE)] * 3))
        before = result_of(mailbox.status())
        listed = self.patch(type(mailbox.inner), "rows", None)
        self.assertEqual(before, result_of(mailbox.status()))
        listed.restore()

    def test_what_is_deleted_is_forgotten(self) -> None:
        plain = BareStore()
        _, account, _ = self.opened(plain)
        made = [result_of(account.create(NewMailbox(name))) for name in ("here", "behind")]
        for info in made:
            result_of(result_of(account.open_mailbox(info.id)).append([New(MESSAGE)]))
        result_of(account.delete(made[0].id))
        result_of(result_of(plain.open_account("ada", ())).delete(made[1].id))
        result_of(account.mailboxes())
        self.assertEqual([], self.engine.read("SELECT * FROM beside_mailbox"))
        self.assertEqual([], self.engine.read("SELECT * FROM beside_message"))

    def test_an_index_that_cannot_be_written_loses_no_mail_and_doubles_none(self) -> None:
        """What the store has done is done; the client must not be made to do it again."""
        _, _, mailbox = self.opened(BareStore())
        result_of(mailbox.append([New(MESSAGE)]))
        self.engine.broken = StorageFull()
        self.assertEqual([2], list(result_of(mailbox.append([New(MESSAGE)]))))
        self.engine.broken = None
        self.assertEqual([1, 2], list(result_of(mailbox.rows([(1, 9)], 9, Field.MODSEQ)).uids))

    def test_a_copy_is_answered_though_its_envelopes_could_not_be_noted(self) -> None:
        _, account, mailbox = self.opened(cursor_store(lambda: 0))
        archive = next(info.id for info in result_of(account.mailboxes()).mailboxes if info.name == "Archive")
        result_of(mailbox.append([New(MESSAGE, attributes=Attributes(1, b"e", b"s", b"i"))]))
        old, new = result_of(mailbox.copy([1], archive))
        target = result_of(account.open_mailbox(archive))
        self.assertEqual([b"e"], result_of(target.rows([(1, 9)], 9, Field.ENVELOPE)).envelopes)
        self.engine.broken = StorageFull()
        self.assertEqual([2], list(result_of(mailbox.copy(old, archive))[1]))
        self.engine.broken = None
        self.assertEqual([*new, 2], list(result_of(target.rows([(1, 9)], 9, Field.MODSEQ)).uids))

    def test_an_expunge_log_has_an_end(self) -> None:
        self.patch(ledger, "KEPT_EXPUNGES", 5)
        _, _, mailbox = self.opened(BareStore())
        cursors = []
        for _ in range(20):
            cursors.append(result_of(mailbox.status()).cursor)
            result_of(mailbox.append([New(MESSAGE)]))
            result_of(mailbox.expunge(None, False))
        self.assertIsNone(result_of(mailbox.changes(cursors[0])))
        self.assertEqual([20], list(result_of(mailbox.changes(cursors[-1])).vanished))
        self.assertLess(len(self.engine.read("SELECT * FROM beside_vanished")), 12)
