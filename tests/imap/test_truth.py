"""Several sessions at once: what a client can know from the octets alone is what is (I6, RFC 3501 section 7.4.1)."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from support.bare_store import BareStore
from support.imap_stories import Story, invented, live, shrunk, transcript
from support.imap_truth import Truth
from support.imap_world import NOW, World, run
from support.inline_engine import InlineEngine
from support.stumbling import stumbling
from twisted.internet import reactor
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from mailframe.imap.settings import ImapSettings
from mailframe.sqlite.engine import Engine
from mailframe.stores.beside.store import store_beside
from mailframe.stores.memory import MemoryStore
from mailframe.stores.sqlite import SqliteStore

LONGER = 50                     # --long: a million commands
FIRST = int(os.environ.get("MAILFRAME_TRUTH_SEED", "0"))        # where a long run goes on that was broken off

Make = Callable[[Clock, Random], tuple[Any, Any]]       # (the store that the server has, the one that is asked for the truth)


def _memory(clock: Clock, random: Random) -> tuple[Any, Any]:
    store = MemoryStore(clock.seconds)
    return store, store


def _bare(clock: Clock, random: Random) -> tuple[Any, Any]:
    """No mod-sequences, and no word of what changed."""
    store = BareStore()
    return store, store


def _beside(clock: Clock, random: Random) -> tuple[Any, Any]:
    """A plain store with an index beside it, which keeps mod-sequences."""
    engine: Any = InlineEngine()
    store = store_beside(BareStore(), engine, clock, name="test", attributes_version=1)
    return store, store


def _stumbling(make: Make) -> Make:
    """One that stops at every await, so that whatever can come between does."""
    def made(clock: Clock, random: Random) -> tuple[Any, Any]:
        store, truth = make(clock, random)
        return stumbling(store, random, clock), truth

    return made


def told(seed: int, story: Story, make: Make, alone: bool) -> Truth:
    """In memory, on a virtual clock. A fault has the transcript as its note."""
    clock = Clock()
    clock.rightNow = float(NOW)
    store, inner = make(clock, Random(seed))
    settings = ImapSettings(message_limit=3) if seed % 5 == 4 else None
    truth = Truth(World(store, settings, clock=clock), inner, alone=alone)
    try:
        run(lambda world: live(truth, seed, story), truth.world)
    except BaseException as fault:
        fault.add_note(transcript(truth))
        raise
    return truth


def failing(seed: int, story: Story, make: Make, alone: bool) -> str:
    """What to read when a story fails: the shortest that does."""
    def fails(shorter: Story) -> bool:
        try:
            told(seed, shorter, make, alone)
        except Exception:
            return True
        return False

    try:
        told(seed, shrunk(story, fails), make, alone)
    except Exception as fault:
        return "\n".join([*fault.__notes__, f"seed {seed}: {fault!r}"])
    return f"seed {seed}: fails no more"


class Count:
    """How far a test is: stories are told until so many commands were answered."""

    def __init__(self, share: int, long: bool) -> None:
        self.wanted, self.answered, self.seed, self._began = share * (LONGER if long else 1), 0, FIRST, time.monotonic()

    def more(self, answered: int) -> None:
        self.answered += answered
        self.seed += 1
        if self.seed % 100 == 0:
            rate = self.answered / (time.monotonic() - self._began)
            print(f"{self.answered} of {self.wanted} commands, next seed {self.seed}, {rate:.0f}/s", file=sys.stderr, flush=True)


@pytest.mark.parametrize(("share", "make", "alone"), [
    pytest.param(7_000, _memory, True, id="memory"),
    pytest.param(2_500, _bare, True, id="bare"),
    pytest.param(1_500, _beside, True, id="beside"),
    pytest.param(5_500, _stumbling(_memory), False, id="all at once, memory"),
    pytest.param(2_000, _stumbling(_bare), False, id="all at once, bare"),
    pytest.param(500, _stumbling(_beside), False, id="all at once, beside"),
])
def test_twenty_thousand_commands(request: pytest.FixtureRequest, share: int, make: Make, alone: bool) -> None:
    """With those over SQLite."""
    count = Count(share, request.config.getoption("--long"))
    while count.answered < count.wanted:
        story = invented(Random(count.seed), 120, 1 if alone else 4)
        try:
            count.more(told(count.seed, story, make, alone).answered)
        except Exception as fault:
            pytest.fail(f"{fault!r}\n{failing(count.seed, story, make, alone)}")


class OverSqlite(TestCase):
    """The rest of the twenty thousand: over the durable store, whose commits come from a thread."""

    timeout = 36_000
    long = False

    @pytest.fixture(autouse=True)
    def _how_long(self, request: pytest.FixtureRequest) -> None:
        self.long = request.config.getoption("--long")

    async def test_thousand_commands(self) -> None:
        count = Count(1_000, self.long)
        while count.answered < count.wanted:
            count.more(await self.tell(count.seed, alone=count.seed % 2 == 0))

    async def tell(self, seed: int, *, alone: bool) -> int:
        clock: Any = reactor
        with TemporaryDirectory() as folder:
            store = SqliteStore(Engine(Path(folder) / "mail.sqlite", clock, name="test"), clock)
            await store.start()
            truth = Truth(World(store, clock=clock), store, alone=alone)
            try:
                await live(truth, seed, invented(Random(seed), 120, 1 if alone else 4))
                assert not truth.world.faults, truth.world.faults
            except Exception as fault:
                fault.add_note(f"{transcript(truth)}\nseed {seed}")
                raise
            finally:
                truth.world.close()
                await store.close()
            return truth.answered
