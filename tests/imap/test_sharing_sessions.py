"""The owner and a guest with all rights in one mailbox: both are told the truth, as two sessions of one account are (I6)."""

from __future__ import annotations

from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from imap.test_truth import ALL_KINDS, Peer, Truth, live, story
from support.bare_store import BareStore
from support.imap_world import NOW, Client, World, run
from support.sharing import sharing
from support.stumbling import stumbling
from twisted.internet import reactor
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from mailframe.model.mailbox import FRESH_ACCOUNT
from mailframe.model.rights import EVERY, RightsChange
from mailframe.sqlite.engine import Engine
from mailframe.stores.beside.shell import shell
from mailframe.stores.memory import MemoryStore
from mailframe.stores.shared.settings import SharingSettings
from mailframe.stores.shared.store import SharedStore
from mailframe.stores.sqlite import SqliteStore


class Shared(Truth):
    """Every second peer is bob, in alice's mailboxes."""

    async def start(self, kinds: tuple[int, ...]) -> None:
        account = await self.store.open_account("alice", FRESH_ACCOUNT)
        for name in ("INBOX", "Archive"):
            await account.set_acl((await account.find_mailbox(name)).id, "bob", RightsChange("", EVERY))
        await super().start(())
        for place, kind in enumerate(kinds):
            client = await (self.guest() if place % 2 else self.world.login())
            self.peers.append(Peer(client, self, kind if self.modseqs else 0))
            await self.peers[-1].start()

    async def guest(self) -> Client:
        """Says the owner's names where the others say their own."""
        client = await self.world.login("bob")
        send: Any = client.send

        def renamed(octets: bytes) -> None:
            for name in (b"INBOX", b"Archive"):
                octets = octets.replace(b" " + name, b' "Other Users/alice/' + name + b'"')
            send(octets)

        client.send = renamed       # type: ignore[method-assign, assignment]
        return client


def stumble(inner: Any, seed: int, alone: bool) -> None:
    clock = Clock()
    clock.rightNow = float(NOW)
    truth: Any = sharing(inner)
    store = truth
    if not alone:           # the same grants, over a store that lets sessions wait
        stumbled = stumbling(inner, Random(seed), clock)
        store = shell((SharedStore,), stumbled)(stumbled, truth._keeper, SharingSettings())
    world = World(store, clock=clock)
    run(lambda world: live(Shared(world, truth, alone), story(Random(seed), 60, 1 if alone else 3), ALL_KINDS), world)


@pytest.mark.parametrize("alone", [True, False])
def test_stories(alone: bool, request: pytest.FixtureRequest) -> None:
    for seed in range(500 if request.config.getoption("--long") else 8):
        try:
            stumble(BareStore() if seed % 4 == 3 else MemoryStore(), seed, alone)
        except BaseException:
            print(f"seed {seed}")
            raise


class OverSqlite(TestCase):
    timeout = 120

    async def test_stories(self) -> None:
        clock: Any = reactor
        for seed in range(3):
            with TemporaryDirectory() as folder:
                engine = Engine(Path(folder) / "mail.sqlite", clock, name="test")
                store = sharing(SqliteStore(engine, clock), engine)
                await store.start()
                world = World(store, clock=clock)
                try:
                    await live(Shared(world, store, True), story(Random(seed), 40, 1), ALL_KINDS)
                    assert not world.faults, world.faults
                finally:
                    world.close()
                    await store.close()
