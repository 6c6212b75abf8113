"""The owner and a guest with all rights in one mailbox: both are told the truth, as two sessions of one account are (I6)."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from support.bare_store import BareStore
from support.imap_peer import Peer
from support.imap_stories import invented, live, transcript
from support.imap_truth import Truth
from support.imap_world import NOW, World, run
from support.sharing import shared_over_sqlite, sharing
from support.stumbling import stumbling
from twisted.internet import reactor
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from mailframe.model.mailbox import FRESH_ACCOUNT
from mailframe.model.rights import EVERY, RightsChange
from mailframe.stores.beside.shell import shell
from mailframe.stores.memory import MemoryStore
from mailframe.stores.shared.settings import SharingSettings
from mailframe.stores.shared.store import SharedStore


class Shared(Truth):
    """Every second peer is bob, in alice's mailboxes."""

    names_used = ("INBOX", "INBOX", "Archive")
    renames = False

    async def start(self) -> None:
        account: Any = await self.store.open_account("alice", FRESH_ACCOUNT)
        for name in ("INBOX", "Archive"):
            await account.set_acl((await account.find_mailbox(name)).id, "bob", RightsChange("", EVERY))
        await super().start()

    def user(self, peer: Peer) -> str:
        return "bob" if peer.number % 2 else "alice"

    def spelled(self, peer: Peer, name: str) -> str:
        return f'"Other Users/alice/{name}"' if peer.number % 2 else name


def stumble(inner: Any, seed: int, alone: bool) -> None:
    clock = Clock()
    clock.rightNow = float(NOW)
    truth: Any = sharing(inner)
    store = truth
    if not alone:           # the same grants, over a store that lets sessions wait
        stumbled = stumbling(inner, Random(seed), clock)
        store = shell((SharedStore,), stumbled)(stumbled, truth._keeper, SharingSettings())
    shared = Shared(World(store, clock=clock), truth, alone=alone)
    try:
        run(lambda world: live(shared, seed, invented(Random(seed), 60, 1 if alone else 3)), shared.world)
    except Exception as fault:
        fault.add_note(f"{transcript(shared)}\nseed {seed}")
        raise


@pytest.mark.parametrize("alone", [True, False])
def test_stories(alone: bool, request: pytest.FixtureRequest) -> None:
    for seed in range(500 if request.config.getoption("--long") else 8):
        stumble(BareStore() if seed % 4 == 3 else MemoryStore(), seed, alone)


class OverSqlite(TestCase):
    timeout = 120

    async def test_stories(self) -> None:
        clock: Any = reactor
        for seed in range(3):
            async with shared_over_sqlite(clock) as (world, store):
                await live(Shared(world, store, alone=True), seed, invented(Random(seed), 40, 1))
