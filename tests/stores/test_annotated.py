"""Annotations kept beside any store: the contract over a plain one, and what only the keeper can get wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from mailframe.interfaces.metadata import IMetadata
from mailframe.interfaces.store import IMailStore
from mailframe.model.mailbox import FRESH_ACCOUNT, INBOX, NewMailbox
from mailframe.model.refusal import AnnotationTooBig, OverQuota, TooManyAnnotations
from mailframe.sqlite.checking import found, mended
from mailframe.sqlite.engine import Engine
from mailframe.stores.annotated.schema import CHECKS
from mailframe.stores.annotated.settings import MetadataLimits
from mailframe.stores.annotated.store import store_annotated
from mailframe.stores.memory import MemoryStore
from mailframe.testing.store_metadata import MetadataContract

_NAME = "/private/comment"


class AnnotatedMemoryTests(MetadataContract, TestCase):
    """The contract's part, on a real engine."""

    def make_store(self) -> IMailStore:
        self.path = Path(self.mktemp())
        self.memory = MemoryStore(lambda: 1)
        return self._annotated_store()

    def _annotated_store(self) -> IMailStore:
        engine = Engine(self.path, reactor)
        self.addCleanup(engine.close)
        self.engine = engine
        return store_annotated(self.memory, engine, name="test")


class KeeperTests(TestCase):
    async def _world(self, store: Any = None, limits: MetadataLimits | None = None, path: Path | None = None) -> Any:
        self.path = path or Path(self.mktemp())
        self.engine = Engine(self.path, reactor)
        self.addCleanup(self.engine.close)
        self.store: Any = store_annotated(store or MemoryStore(lambda: 1), self.engine, name="test", limits=limits)
        await self.store.start()
        return await self.store.open_account("ada", FRESH_ACCOUNT)

    async def _rows(self) -> list[int]:
        return [(await self.engine.query(f"SELECT count(*) FROM metadata_{table}"))[0][0] for table in ("place", "entry")]

    async def test_a_mailbox_that_is_given_an_old_id_again_inherits_nothing(self) -> None:
        """A store that forgets: after a restart another mailbox has the id."""
        account = await self._world(MemoryStore(lambda: 1))
        made = await account.create(NewMailbox("secret"))
        await account.set_metadata(made.id, "ada", {_NAME: b"mine"})
        await self.engine.close()
        account = await self._world(MemoryStore(lambda: 2), path=self.path)
        other = await account.create(NewMailbox("other"))
        self.assertEqual(made.id, other.id)
        self.assertEqual({}, await account.metadata(other.id, "ada"))
        await account.set_metadata(other.id, "ada", {"/private/x": b"1"})
        self.assertEqual({"/private/x": b"1"}, await account.metadata(other.id, "ada"))
        self.assertEqual([1, 1], await self._rows())

    async def test_what_others_deleted_is_swept_with_the_next_list(self) -> None:
        memory = MemoryStore(lambda: 1)
        account = await self._world(memory)
        made = await account.create(NewMailbox("gone"))
        await account.set_metadata(made.id, "ada", {_NAME: b"1", "/shared/comment": b"2"})
        await account.set_metadata(None, "ada", {_NAME: b"stays"})
        await (await memory.open_account("ada", ())).delete(made.id)
        await account.mailboxes()
        self.assertEqual([1, 1], await self._rows())

    async def test_nothing_is_asked_of_the_engine_at_login_and_no_row_is_left_when_all_entries_went(self) -> None:
        account = await self._world()
        inbox = next(info.id for info in (await account.mailboxes()).mailboxes if info.name == INBOX)
        await account.set_metadata(inbox, "ada", {_NAME: b"1"})
        await account.set_metadata(inbox, "ada", {_NAME: None})
        self.assertEqual([0, 0], await self._rows())
        self.engine.query = None
        await self.store.open_account("bob", FRESH_ACCOUNT)

    async def test_its_limits(self) -> None:
        account = await self._world(limits=MetadataLimits(max_value_octets=1_024, max_entries=10, max_account_octets=65_536))
        ids = [(await account.create(NewMailbox(f"m{number}"))).id for number in range(8)]
        with self.assertRaises(AnnotationTooBig) as caught:
            await account.set_metadata(ids[0], "ada", {_NAME: b"x" * 1_025})
        self.assertEqual(b"METADATA MAXSIZE 1024", caught.exception.imap_code)
        names = [f"/private/{number}" for number in range(10)]
        await account.set_metadata(ids[0], "ada", dict.fromkeys(names, b""))
        await account.set_metadata(ids[0], "ada", dict.fromkeys([f"/shared/{number}" for number in range(10)], b""))
        with self.assertRaises(TooManyAnnotations):
            await account.set_metadata(ids[0], "ada", {names[0]: b"changed", "/private/one/more": b""})
        await account.set_metadata(ids[0], "ada", {names[0]: None, names[1]: b"changed", "/private/one/more": b""})
        big: dict[str, bytes | None] = dict.fromkeys(names, b"x" * 1_000)
        for mailbox_id in ids[1:7]:
            await account.set_metadata(mailbox_id, "ada", big)
        with self.assertRaises(OverQuota):
            await account.set_metadata(ids[7], "ada", big)
        self.assertEqual({}, await account.metadata(ids[7], "ada"))
        await account.set_metadata(ids[1], "ada", {names[0]: None})

    async def test_an_account_that_keeps_annotations_itself_is_given_as_it_is(self) -> None:
        memory = MemoryStore(lambda: 1)
        inner = store_annotated(memory, Engine(Path(self.mktemp()), reactor), name="inner")
        account = await (await self._outer(inner)).open_account("ada", FRESH_ACCOUNT)
        self.assertTrue(IMetadata.providedBy(account))
        self.assertEqual("MemoryAccount", type(account).__qualname__)
        self.assertNotIsInstance(account.inner, type(account))

    async def _outer(self, inner: Any) -> Any:
        engine = Engine(Path(self.mktemp()), reactor)
        self.addCleanup(engine.close)
        self.addCleanup(inner._keeper.engine.close)
        outer: Any = store_annotated(inner, engine, name="outer")
        await outer.start()
        return outer

    async def test_checks_name_what_is_wrong_and_mend_it(self) -> None:
        account = await self._world()
        inbox = next(info.id for info in (await account.mailboxes()).mailboxes if info.name == INBOX)
        await account.set_metadata(inbox, "ada", {_NAME: b"1", "/shared/comment": b"2"})

        def spoil(con: Any) -> list[str]:
            sound = [str(each) for each in found(con, CHECKS)]
            con.execute("INSERT INTO metadata_entry (at, actor, name, value) VALUES (99, '', '/shared/a', x'00')")
            con.execute("UPDATE metadata_entry SET name = '/shared/NOT' WHERE name = '/private/comment'")
            names = [each.words for each in found(con, CHECKS)]
            mended(con, CHECKS)
            return sound + names + [each.words for each in found(con, CHECKS)]

        words = await self.engine.submit(spoil)
        self.assertEqual(3, len(words), words)
        self.assertIn("nobody knows whose number 99 are", words[0])
        self.assertIn(f"annotations of ada mailbox {inbox}: '/shared/NOT' is no entry", words[1])
        self.assertIn("octets", words[2])
        self.assertEqual({"/shared/comment": b"2"}, await account.metadata(inbox, "ada"))
