"""A store over several files keeps every promise of a store, and what it promises beyond one file's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet import reactor as the_reactor
from twisted.trial.unittest import TestCase

from mailframe.interfaces.store import IMailStore
from mailframe.model.mailbox import FRESH_ACCOUNT, New
from mailframe.model.refusal import TryAgainLater
from mailframe.sqlite.engine import Engine
from mailframe.sqlite.errors import EngineError
from mailframe.stores.sqlite.sharding import shard_of, shard_paths
from mailframe.stores.sqlite.shards import ShardedStore
from mailframe.stores.sqlite.store import SqliteStore
from mailframe.testing.contracts import StoreContract
from mailframe.testing.store_base import MESSAGE, StoreBase

reactor: Any = the_reactor
LARGE = b"Subject: large\r\n\r\n" + b"0123456789abcdef" * 80_000


def sharded(first: Path, number: int = 3) -> ShardedStore:
    return ShardedStore([
        SqliteStore(Engine(path, reactor), reactor, shard=(place, number))
        for place, path in enumerate(shard_paths(first, number))])


def in_each(number: int) -> list[str]:
    """An account for each of `number` files, in their order."""
    names = [f"user{n}" for n in range(100)]
    return [next(name for name in names if shard_of(name, number) == place) for place in range(number)]


class ShardedStoreTests(StoreContract, TestCase):
    child_factory = "support.crash_factories:sharded"

    def make_store(self) -> IMailStore:
        self.path = Path(self.mktemp()) / "mail.db"
        store: IMailStore = sharded(self.path)
        return store

    def reopen(self, store: IMailStore) -> IMailStore:
        again: IMailStore = sharded(self.path)
        return again


class ShardsTests(StoreBase, TestCase):
    """What is beyond the contract."""

    def make_store(self) -> IMailStore:
        self.path = Path(self.mktemp()) / "mail.db"
        self.store = sharded(self.path)
        made: IMailStore = self.store
        return made

    async def all_mail(self, name: str) -> list[bytes]:
        mailbox = await self.mailbox(await self.account(self.store, name))
        return [await self.whole(mailbox, uid) for uid in await self.uids(mailbox)]

    def test_an_account_is_in_the_same_file_for_ever(self) -> None:
        """A changed rule would hide everybody's mail."""
        self.assertEqual([2, 1, 3, 1], [shard_of(name, 4) for name in ("ada@example.org", "bob@example.org", "é", "user0")])

    async def test_one_delivery_reaches_accounts_in_all_files(self) -> None:
        store, names = await self.opened(), in_each(3)
        octets = bytes(MESSAGE)
        outcomes = await self.store.deliver([(name, "INBOX", New(octets)) for name in (*names, *names)])
        self.assertEqual([None] * 6, list(outcomes))
        for name, single in zip(names, self.store.stores, strict=True):
            self.assertEqual([MESSAGE, MESSAGE], await self.all_mail(name))
            self.assertEqual([(1,)], single.engine.read("SELECT count(*) FROM content"))
        self.assertIs(store, self.store)

    async def test_large_staged_content_is_copied_once_into_each_file(self) -> None:
        await self.opened()
        names = in_each(3)
        staged = await self.store.stage()
        await staged.write(LARGE)
        number = await staged.seal()
        targets = [(name, "INBOX", New(number, b"Head: 1\r\n", size=len(LARGE) + 9)) for name in (*names, *names)]
        self.assertEqual([None] * 6, list(await self.store.deliver(targets)))
        for name, single in zip(names, self.store.stores, strict=True):
            self.assertEqual([b"Head: 1\r\n" + LARGE] * 2, await self.all_mail(name))
            self.assertEqual([(len(LARGE), 2)], single.engine.read("SELECT size, refs FROM content"))

    async def test_staged_content_is_appended_whichever_file_the_mailbox_is_in(self) -> None:
        await self.opened()
        for name in in_each(3):
            staged = await self.store.stage()
            await staged.write(LARGE)
            mailbox = await self.mailbox(await self.account(self.store, name))
            await mailbox.append([New(await staged.seal())])
            self.assertEqual([LARGE], await self.all_mail(name))
            await self.refused(TryAgainLater, lambda: mailbox.append([New("999")]))  # noqa: B023

    async def test_one_file_in_trouble_is_no_trouble_of_the_others(self) -> None:
        """I7"""
        await self.opened()
        names = in_each(3)
        await self.store.stores[1].engine.close()
        outcomes = await self.store.deliver([(name, "INBOX", New(MESSAGE)) for name in names])
        self.assertEqual([type(None), TryAgainLater, type(None)], [type(outcome) for outcome in outcomes])
        self.assertEqual([MESSAGE], await self.all_mail(names[2]))

    async def test_another_number_is_refused_with_the_way_out(self) -> None:
        store = await self.opened()
        await self.account(store, "ada")
        await store.close()
        self._open.remove(store)
        for number in (1, 2, 4):
            other = sharded(self.path, number)
            with self.assertRaisesRegex(EngineError, f"in 3 files and not in .* set shards = 3, or .* reshard {number}"):
                await other.start()
            await other.close()
        again = await self._start(sharded(self.path))
        self.assertIsNotNone(await again.open_account("ada", FRESH_ACCOUNT))

    async def test_one_file_with_mail_is_not_taken_for_the_first_of_three(self) -> None:
        path = Path(self.mktemp()) / "mail.db"
        single = SqliteStore(Engine(path, reactor), reactor)
        await single.start()
        await single.open_account("ada", FRESH_ACCOUNT)
        await single.close()
        store = sharded(path)
        with self.assertRaisesRegex(EngineError, "in one file and not in 3 files"):
            await store.start()
        await store.close()

    async def test_files_that_were_mixed_up_are_refused(self) -> None:
        store = await self.opened()
        for name in in_each(3):
            await self.account(store, name)
        await store.close()
        self._open.remove(store)
        one, other = shard_paths(self.path, 3)[1:]
        other.rename(other.with_name("aside"))
        one.rename(other)
        other.with_name("aside").rename(one)
        again = sharded(self.path)
        with self.assertRaisesRegex(EngineError, "is 3 of 3 and not 2 of 3"):
            await again.start()
        await again.close()
