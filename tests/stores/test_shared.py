"""Mailboxes shared over any store: the contract, and what only the keeper of grants can get wrong."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from support.bare_store import BareStore
from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from mailframe.interfaces.metadata import IMetadata
from mailframe.interfaces.sharing import IAccountQuotas
from mailframe.interfaces.store import IMailStore, ISearchable
from mailframe.model.mailbox import FRESH_ACCOUNT, MAX_UID, New, NewMailbox, Quota
from mailframe.model.query import InText
from mailframe.model.refusal import Forbidden, LimitReached, NoPermission, NoSuchMailbox, OverQuota, TryAgainLater
from mailframe.model.rights import EVERY, RightsChange, effective, identities, parse, told
from mailframe.sqlite.checking import found, mended
from mailframe.sqlite.engine import Engine
from mailframe.stores.annotated.store import store_annotated
from mailframe.stores.memory import MemoryStore
from mailframe.stores.shared.schema import CHECKS
from mailframe.stores.shared.settings import SharingSettings
from mailframe.stores.shared.store import store_shared
from mailframe.stores.sqlite import SqliteStore
from mailframe.stores.sqlite.settings import SqliteSettings
from mailframe.testing.store_copies import CopiesContract
from mailframe.testing.store_gone import GoneContract
from mailframe.testing.store_mailboxes import MailboxesContract
from mailframe.testing.store_metadata import MetadataContract
from mailframe.testing.store_optional import OptionalContract
from mailframe.testing.store_quota import QuotaContract
from mailframe.testing.store_renames import RenamesContract
from mailframe.testing.store_sessions import SessionsContract
from mailframe.testing.store_sharing import SharingContract

CLOCK: Any = reactor
SHARED = "Other Users/ada/shared"


class SharedMemoryTests(
    SharingContract, MailboxesContract, RenamesContract, GoneContract, SessionsContract, CopiesContract, QuotaContract,
    OptionalContract, TestCase,
):
    """With what of the contract goes through the account: whoever shares nothing notices nothing."""

    def make_store(self) -> IMailStore:
        engine = Engine(Path(self.mktemp()), CLOCK)
        self.addCleanup(engine.close)
        return store_shared(MemoryStore(), engine, name="test")


class SharedSqliteTests(SharingContract, TestCase):
    """On one engine with the mail itself."""

    def make_store(self) -> IMailStore:
        self.path = Path(self.mktemp())
        return self._store()

    def _store(self) -> IMailStore:
        engine = Engine(self.path, CLOCK)
        return store_shared(SqliteStore(engine, CLOCK), engine, name="test")

    def reopen(self, store: IMailStore) -> IMailStore:
        return self._store()


class SharedBareTests(SharingContract, TestCase):
    """Over a store that has nothing but what it must."""

    def make_store(self) -> IMailStore:
        engine = Engine(Path(self.mktemp()), CLOCK)
        self.addCleanup(engine.close)
        return store_shared(BareStore(), engine, name="test")


class SharedAnnotationsTests(MetadataContract, TestCase):
    """Annotations through the wrapper are as before."""

    def make_store(self) -> IMailStore:
        engine = Engine(Path(self.mktemp()), CLOCK)
        self.addCleanup(engine.close)
        return store_shared(store_annotated(MemoryStore(), engine, name="test"), engine, name="test")


class KeeperTests(TestCase):
    async def _world(
        self, inner: Any = None, settings: SharingSettings | None = None, path: Path | None = None, annotated: bool = False,
    ) -> tuple[Any, Any]:
        """ada's and bob's accounts."""
        self.path = path or Path(self.mktemp())
        self.engine = Engine(self.path, CLOCK)
        self.addCleanup(self.engine.close)
        inner = MemoryStore(lambda: 1) if inner is None else inner(self.engine) if callable(inner) else inner
        if annotated:
            inner = store_annotated(inner, self.engine, name="test")
        self.inner = inner
        self.store: Any = store_shared(inner, self.engine, name="test", settings=settings)
        await self.store.start()
        return await self.store.open_account("ada", FRESH_ACCOUNT), await self.store.open_account("bob", FRESH_ACCOUNT)

    async def _shared(self, ada: Any, rights: str, identifier: str = "bob", name: str = "shared") -> Any:
        info = await ada.find_mailbox(name) or await ada.create(NewMailbox(name))
        await ada.set_acl(info.id, identifier, RightsChange("", rights))
        return info

    async def _rows(self) -> int:
        return int((await self.engine.query("SELECT count(*) FROM acl"))[0][0])

    async def test_a_mailbox_that_is_given_an_old_id_again_is_not_shared(self) -> None:
        """A store that forgets: after a restart another mailbox has the id."""
        ada, _ = await self._world(MemoryStore(lambda: 1))
        shared = await self._shared(ada, EVERY)
        await self.engine.close()
        for number, how in enumerate(("list", "find", "open", "acl"), 1):
            ada, bob = await self._world(MemoryStore(partial(float, 1_000 * number)), path=self.path)
            other = await ada.create(NewMailbox("shared"))
            self.assertEqual(shared.id, other.id)
            if how == "list":
                self.assertNotIn(SHARED, [info.name for info in (await bob.mailboxes()).mailboxes])
                await self._shared(ada, EVERY)
            elif how == "find":
                self.assertIsNone(await bob.find_mailbox(SHARED))
                await self._shared(ada, EVERY)
            elif how == "open":
                with self.assertRaises(NoSuchMailbox):
                    await bob.open_mailbox("\0ada\0" + other.id)
                await self._shared(ada, EVERY)
            elif how == "acl":
                self.assertEqual({"ada": EVERY}, dict(await ada.acl(other.id)))
                await self._shared(ada, "l", "carol")
                self.assertEqual({"ada": EVERY, "carol": "l"}, dict(await ada.acl(other.id)))
            await self.engine.close()

    async def test_rows_of_mailboxes_deleted_elsewhere_go_when_they_are_found(self) -> None:
        ada, bob = await self._world()
        shared = await self._shared(ada, "lr")
        await (await self.inner.open_account("ada", ())).delete(shared.id)
        self.assertEqual(1, await self._rows())
        await bob.mailboxes()
        self.assertEqual(0, await self._rows())

    async def test_a_login_asks_nothing_a_list_one_question_and_deleting_writes_nothing_where_nothing_is_shared(self) -> None:
        await self._world()
        asked: list[str] = []
        query = self.engine.query

        async def counted(sql: str, parameters: Any = (), *, bulk: bool = False) -> Any:
            asked.append(sql)
            return await query(sql, parameters, bulk=bulk)

        self.engine.query = counted     # type: ignore[method-assign]
        account = await self.store.open_account("bob", FRESH_ACCOUNT)
        await account.open_mailbox((await account.find_mailbox("INBOX")).id)
        await account.set_subscribed("INBOX", True)
        self.assertEqual([], asked)
        await account.mailboxes()
        self.assertEqual(1, len(asked))
        jobs = self.engine.jobs
        await account.delete((await account.create(NewMailbox("a/b"))).id)
        self.assertEqual(jobs, self.engine.jobs)
        plans = [row[3] for sql in set(asked) for row in await query("EXPLAIN QUERY PLAN " + sql, ("x",) * sql.count("?"))]
        self.assertTrue(all("USING" in plan and plan.startswith("SEARCH") for plan in plans if "TEMP B-TREE" not in plan), plans)

    async def test_an_owners_trouble_hides_his_mailboxes_alone(self) -> None:
        """I7: neither a refusal nor a fault of the store costs a guest his own list, or another owner's."""
        ada, bob = await self._world()
        await self._shared(ada, "lr")
        await self._shared(await self.store.open_account("carol", FRESH_ACCOUNT), "lr")
        opened = self.inner.open_account
        for trouble in (TryAgainLater(), ZeroDivisionError()):
            async def open_account(name: str, fresh: Any, trouble: Exception = trouble) -> Any:
                if name == "ada":
                    raise trouble
                return await opened(name, fresh)

            self.inner.open_account = open_account
            names = {info.name for info in (await bob.mailboxes()).mailboxes}
            self.assertLessEqual({"INBOX", SHARED.replace("ada", "carol")}, names)
            self.assertNotIn(SHARED, names)
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
        self.inner.open_account = opened
        self.assertIn(SHARED, {info.name for info in (await bob.mailboxes()).mailboxes})

    async def test_an_own_mailbox_below_the_prefix_is_still_there(self) -> None:
        memory = MemoryStore(lambda: 1)
        before: Any = await memory.open_account("bob", FRESH_ACCOUNT)
        old = await before.create(NewMailbox(SHARED))
        ada, bob = await self._world(memory)
        await self._shared(ada, "lr")
        self.assertEqual([old], [info for info in (await bob.mailboxes()).mailboxes if info.name == SHARED])
        self.assertEqual(old, await bob.find_mailbox(SHARED))
        for name in ("Other Users", "Other Users/new", "Other Users/bob/new"):
            with self.assertRaises(NoPermission):
                await bob.create(NewMailbox(name))
            with self.assertRaises(Forbidden):
                await bob.rename([(old.id, name)])
        await bob.rename([(old.id, "mine")])
        self.assertEqual("lr", (await bob.find_mailbox(SHARED)).rights)

    async def test_the_longest_list_and_everybody(self) -> None:
        ada, bob = await self._world(settings=SharingSettings(max_entries=2, anyone=False, prefix="Users/Others"))
        shared = await self._shared(ada, "lr")
        await self._shared(ada, "lr", "carol")
        await self._shared(ada, "lrs", "carol")
        with self.assertRaises(LimitReached):
            await self._shared(ada, "lr", "dave")
        for everybody in ("anyone", "authenticated"):
            with self.assertRaises(NoPermission):
                await self._shared(ada, "lr", everybody)
            self.assertEqual(("", ()), await ada.grantable(shared.id, everybody))
        self.assertEqual("lr", (await bob.find_mailbox("Users/Others/ada/shared")).rights)

    async def test_an_account_whose_name_means_somebody_else_has_no_entry_of_its_own(self) -> None:
        ada, _ = await self._world()
        await self._shared(ada, "lr", "-bob")
        self.assertIsNone(await (await self.store.open_account("-bob", FRESH_ACCOUNT)).find_mailbox(SHARED))
        self.assertEqual({"anyone", "authenticated"}, set(identities("anyone")))
        self.assertEqual("", effective([("-bob", "lr")], "-bob"))

    async def test_quota_counts_at_the_owner(self) -> None:
        ada, bob = await self._world()
        await self._shared(ada, "lri")
        await ada.set_quota(10, None)
        mailbox = await bob.open_mailbox((await bob.find_mailbox(SHARED)).id)
        await mailbox.append([New(b"12345678")])
        with self.assertRaises(OverQuota):
            await mailbox.append([New(b"12345678")])
        self.assertEqual((8, 0), ((await ada.quota()).octets, (await bob.quota()).octets))

    async def test_limits_of_others_make_no_account(self) -> None:
        ada, bob = await self._world()
        self.assertTrue(IAccountQuotas.providedBy(bob))
        self.assertIsNone(await bob.account_quota("nobody"))
        self.assertIsNone(await bob.set_account_quota("nobody", 1, 1))
        self.assertFalse(await self.inner.has_account("nobody"))
        self.assertEqual(Quota(0, 0, 5, None), await bob.set_account_quota("ada", 5, None))
        self.assertEqual(Quota(0, 0, 5, None), await ada.quota())

    async def test_annotations_follow_the_rights(self) -> None:
        ada, bob = await self._world(annotated=True)
        self.assertTrue(IMetadata.providedBy(bob))
        shared = await self._shared(ada, "lr")
        theirs = (await bob.find_mailbox(SHARED)).id
        await ada.set_metadata(shared.id, "ada", {"/shared/comment": b"all", "/private/comment": b"mine"})
        await bob.set_metadata(theirs, "bob", {"/private/comment": b"his"})
        self.assertEqual({"/shared/comment": b"all", "/private/comment": b"his"}, dict(await bob.metadata(theirs, "bob")))
        with self.assertRaises(NoPermission):
            await bob.set_metadata(theirs, "bob", {"/shared/comment": b"no"})
        await self._shared(ada, "lrw")
        await bob.set_metadata(theirs, "bob", {"/shared/comment": b"yes"})
        self.assertEqual({"/shared/comment": b"yes", "/private/comment": b"mine"}, dict(await ada.metadata(shared.id, "ada")))
        for rights, refusal in (("l", NoPermission), ("lk", NoPermission), ("k", NoSuchMailbox), ("", NoSuchMailbox)):
            await self._shared(ada, rights)
            with self.assertRaises(refusal):
                await bob.metadata(theirs, "bob")

    async def test_a_search_in_kept_text_asks_too(self) -> None:
        ada, bob = await self._world(lambda engine: SqliteStore(engine, CLOCK, settings=SqliteSettings(search_text=True)))
        self.addCleanup(self.store.close)
        await self._shared(ada, "lr")
        mailbox = await bob.open_mailbox((await bob.find_mailbox(SHARED)).id)
        self.assertTrue(ISearchable.providedBy(mailbox))
        await mailbox.search(InText("x"), [(1, MAX_UID)])
        await self._shared(ada, "l")
        with self.assertRaises(NoPermission):
            await mailbox.search(InText("x"), [(1, MAX_UID)])

    async def test_checks_name_what_is_wrong_and_mend_it(self) -> None:
        ada, _ = await self._world()
        await self._shared(ada, "lr")

        def spoil(con: Any) -> list[str]:
            sound = [each.words for each in found(con, CHECKS)]
            con.execute("INSERT INTO acl VALUES ('test', 'ada', '1', 'eve', 1, 'lrQ')")
            names = [each.words for each in found(con, CHECKS)]
            mended(con, CHECKS)
            return [*sound, *names, *(each.words for each in found(con, CHECKS))]

        self.assertEqual(["sharing: 'eve' has 'lrQ' on a mailbox of ada, which are no rights"], await self.engine.submit(spoil))
        self.assertEqual(1, await self._rows())


class RightsTests(TestCase):
    def test_letters(self) -> None:
        self.assertEqual("lrkxte", parse("dclr"))
        self.assertEqual(["lrted", "lrkc", "lrxc", "lr", ""], [told(each) for each in ("lrte", "lrk", "lrx", "lr", "")])
        for bad in ("L", "q", "0", " ", "lr,", "é"):
            self.assertRaises(ValueError, parse, bad)
        self.assertEqual("lri", RightsChange.parse("+i").apply("lr"))
        self.assertEqual("lr", RightsChange.parse("-d").apply("lrte"))
        self.assertEqual("", RightsChange.parse("").apply("lr"))
