"""Changes behind our back, kills between store and index, an index that is lost: clients are told the truth."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from support.bare_store import BareStore
from support.coroutines import result_of
from support.inline_engine import InlineEngine
from support.plain_mailboxes import HaltingMailbox, Halts, Handing, cursor_store
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from mailframe.model.flags import FlagChange
from mailframe.model.mailbox import FRESH_ACCOUNT, MAX_UID, Field, New
from mailframe.model.refusal import TryAgainLater
from mailframe.stores.beside import index as index_module
from mailframe.stores.beside import looking as looking_module
from mailframe.stores.beside.store import store_beside

ALL = [(1, MAX_UID)]
BOTH = Field.FLAGS | Field.MODSEQ


class NoWait(Clock):
    """What is to be done in the next turn is done in this one."""

    def callLater(self, delay: float, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        return super().callLater(delay, function, *arguments, **named) if delay else function(*arguments, **named)


class World:
    """One mailbox, reached through the index (`mailbox`) and behind its back (`behind`)."""

    def __init__(self, rng: random.Random, plain: Any) -> None:
        self.rng = rng
        self.clock = NoWait()
        self.clock.advance(1_700_000_000)
        self.plain = plain
        self.engine = InlineEngine()
        self.restart()
        account = result_of(self.plain.open_account("ada", FRESH_ACCOUNT))
        self.behind = result_of(account.open_mailbox(self.id))

    def restart(self, lose_index: bool = False) -> None:
        """Another process: nothing in memory is left."""
        if lose_index:
            self.engine = InlineEngine()
        engine: Any = InlineEngine()
        engine.connection, engine.register = self.engine.connection, self.engine.register if self._fresh() else lambda *_: None
        self.engine = engine
        self.store: Any = store_beside(self.plain, engine, self.clock, name="test", attributes_version=1)
        account = result_of(self.store.open_account("ada", FRESH_ACCOUNT))
        self.id = next(info.id for info in result_of(account.mailboxes()).mailboxes if info.name == "INBOX")
        self.mailbox: Any = result_of(account.open_mailbox(self.id))

    def _fresh(self) -> bool:
        return not self.engine.read("SELECT 1 FROM sqlite_master")

    def truth(self) -> dict[int, int]:
        rows = result_of(self.behind.rows(ALL, 10_000, Field.FLAGS))
        return dict(zip(rows.uids, rows.flags))

    async def something(self, mailbox: Any) -> None:
        uids = list(self.truth())
        some = sorted(self.rng.sample(uids, min(len(uids), self.rng.randrange(1, 4))))
        match self.rng.randrange(4):
            case 0:
                await mailbox.append([New(b"x", flags=self.rng.randrange(32)) for _ in range(self.rng.randrange(1, 4))])
            case 1 | 2:
                await mailbox.set_flags(some, FlagChange(self.rng.randrange(32), self.rng.randrange(32)), None)
            case _:
                await mailbox.expunge(some[:2], False)


class Session:
    """An IMAP session's picture, kept by `changes` alone as far as that can say."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.known: dict[int, int] = {}
        self.cursor: object = None

    def poll(self) -> None:
        mailbox = self.world.mailbox
        changes = result_of(mailbox.changes(self.cursor)) if self.cursor is not None else None
        if changes is None:
            self.cursor = result_of(mailbox.status()).cursor
            rows = result_of(mailbox.rows(ALL, 10_000, BOTH))
            self.known = dict(zip(rows.uids, rows.flags))
        else:
            for uid in changes.vanished:
                self.known.pop(uid, None)
            self.known.update(zip(changes.rows.uids, changes.rows.flags))
            self.cursor = changes.cursor


class Returning:
    """A client that comes back with a mod-sequence (RFC 7162): it asks only for what is greater, and what is there at all."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.known: dict[int, int] = {}
        self.modseqs: dict[int, int] = {}
        self.highest = 0

    def come_back(self) -> None:
        mailbox = self.world.mailbox
        highest = result_of(mailbox.status()).highest_modseq
        rows = result_of(mailbox.rows(ALL, 10_000, BOTH))
        assert highest >= self.highest, "HIGHESTMODSEQ went back"
        now = dict(zip(rows.uids, zip(rows.flags, rows.modseqs)))
        for uid, (flags, modseq) in now.items():
            assert modseq >= self.modseqs.get(uid, 0), "a mod-sequence went back"
            if modseq > self.highest:
                self.known[uid] = flags
        self.known = {uid: flags for uid, flags in self.known.items() if uid in now}
        self.modseqs = {uid: modseq for uid, (_, modseq) in now.items()}
        self.highest = highest


def bare(clock: Callable[[], float]) -> Any:
    return BareStore()


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "_INLINE", 3)
    monkeypatch.setattr(index_module, "PAGE", 4)
    monkeypatch.setattr(looking_module, "PAGE", 5)


@pytest.mark.parametrize("make", [bare, cursor_store])
@pytest.mark.parametrize("seed", range(12))
def test_sessions_and_clients_that_return_are_told_the_truth(
    make: Callable[..., Any], seed: int, request: pytest.FixtureRequest,
) -> None:
    rng = random.Random(seed)
    world = World(rng, make(lambda: 1_700_000_000))
    session, returning = Session(world), Returning(world)
    for _ in range(600 if request.config.getoption("--long") else 120):
        world.clock.advance(rng.choice((0, 0, 0.001, 5)))
        match rng.randrange(8):
            case 0 | 1:
                result_of(world.something(world.mailbox))
            case 2 | 3:
                result_of(world.something(world.behind))
            case 4:                                     # the store has done it, the index never hears of it
                world.engine.broken = TryAgainLater()
                with suppress(TryAgainLater):
                    result_of(world.something(world.mailbox))
                world.engine.broken = None
                if rng.randrange(2):
                    world.restart()
            case 5 if rng.randrange(3) == 0:
                world.restart()
            case 5 if rng.randrange(5) == 0:
                world.clock.advance(1)
                world.restart(lose_index=True)
            case 6:
                session.poll()
                assert session.known == world.truth()
            case _:
                returning.come_back()
                assert result_of(world.mailbox.changes(None)) is None       # it has looked: what status may leave to whoever opens
                returning.come_back()
                assert returning.known == world.truth()


@pytest.mark.parametrize("seed", range(25))
def test_whatever_overtakes_whatever_the_index_ends_up_right(seed: int, request: pytest.FixtureRequest) -> None:
    """Many writers and lookers at once, over a store that does things and answers in any order."""
    rng = random.Random(seed)
    halts = Halts(rng)
    inner = BareStore() if seed % 2 else cursor_store(lambda: 1_700_000_000)
    world = World(rng, inner)
    world.plain = Handing(inner, lambda mailbox: HaltingMailbox(mailbox, halts))
    world.restart()
    failures: list[Any] = []

    def begin(work: Any) -> None:
        Deferred.fromCoroutine(work).addErrback(failures.append)

    for _ in range(40):
        for _ in range(rng.randrange(1, 5)):
            match rng.randrange(4):
                case 0:
                    begin(world.mailbox.changes(None))
                case 1:
                    begin(world.something(world.behind))
                case _:
                    begin(world.something(world.mailbox))
        for _ in range(rng.randrange(12)):
            halts.go_on()
    while halts.go_on():
        pass
    done: list[Any] = []
    for _ in range(2):
        looking = Deferred.fromCoroutine(world.mailbox.changes(None)).addBoth(done.append)
        while not looking.called and halts.go_on():
            pass
    assert not failures and done == [None, None], (failures, done)
    reading = Deferred.fromCoroutine(world.mailbox.rows(ALL, 10_000, BOTH))
    while halts.go_on():
        pass
    rows: Any = reading.result
    assert dict(zip(rows.uids, rows.flags)) == world.truth()
    assert all(rows.modseqs)
