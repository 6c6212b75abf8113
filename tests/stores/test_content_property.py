"""Any interleaving of what uses content, with time moved on: readers keep their ten minutes, nothing referenced is swept,
and nothing unreferenced stays for ever."""

from __future__ import annotations

import os
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from mailframe.model.mailbox import FRESH_ACCOUNT, INBOX, New, NewMailbox
from mailframe.model.refusal import NoSuchMessage, TryAgainLater
from mailframe.sqlite.content import GRACE_S, SqliteContent
from mailframe.sqlite.engine import Engine
from mailframe.sqlite.outside import ORPHAN_S
from mailframe.stores.directory import DirectoryContent
from mailframe.stores.sqlite import SqliteStore
from mailframe.testing.temporary import TemporaryPlaces

reactor: Any = the_reactor
#: Few, so that equal ones meet: in a row, and in pieces or files.
OCTETS = tuple(random.Random(size).randbytes(size) for size in (50, 300_000, 700_000))
PEOPLE = ("ada", "bob")
STEPS, LONG_STEPS = 60, 2_000
SLICE = 100_000


class Moved:
    """The reactor by another clock."""

    def __init__(self, clock: Clock) -> None:
        self.seconds = clock.seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(reactor, name)


@dataclass
class Message:
    box: Any
    uid: int
    which: int
    gone: float | None = None           # since when


@dataclass
class Reader:
    message: Message
    found: bytes = b""


class World:
    """A store, what must be in it, and who reads."""

    def __init__(self, place: Path, files: bool, lot: random.Random) -> None:
        self.lot, self.clock = lot, Clock()
        self.clock.advance(1_000_000)
        self.outside = DirectoryContent(place / "content", Moved(self.clock)) if files else None
        engine = Engine(place / "mail.db", reactor)
        self.store = SqliteStore(engine, self.clock, content=SqliteContent(engine, self.clock, self.outside))    # type: ignore[arg-type]
        self.boxes: dict[str, list[Any]] = {}
        self.there: list[Message] = []
        self.readers: list[Reader] = []
        self.staged: list[tuple[Any, int, int]] = []
        self.sealed: list[tuple[str, int, float]] = []
        self.busy: list[Message] = []

    async def start(self) -> None:
        if self.outside is not None:
            await self.outside.start()
        await self.store.start()
        for person in PEOPLE:
            account = await self.store.open_account(person, FRESH_ACCOUNT)
            await account.create(NewMailbox("Other"))
            ids = {info.name: info.id for info in (await account.mailboxes()).mailboxes}
            self.boxes[person] = [await account.open_mailbox(ids[name]) for name in (INBOX, "Other")]

    async def close(self) -> None:
        await self.store.close()
        if self.outside is not None:
            await self.outside.close()

    async def round(self) -> None:
        """Some steps at once, then perhaps some time."""
        acts: list[Callable[[], Awaitable[None]]] = [
            self.stage, self.stage, self.write, self.write, self.write, self.append, self.append, self.deliver,
            self.copy, self.move, self.expunge, self.expunge, self.sweep,
            self.begin, self.read, self.read, self.read,
        ]
        self.busy = []
        await gatherResults([Deferred.fromCoroutine(act()) for act in self.lot.choices(acts, k=self.lot.randint(1, 5))],     # type: ignore[arg-type]
                            consumeErrors=True)
        if self.lot.random() < 0.5:
            self.clock.advance(self.lot.choice((1, 60, 299, 301, GRACE_S - 1, GRACE_S + 1)))
        if self.lot.random() < 0.2 and self.outside is not None:
            await self.outside._close_idle()

    async def stage(self) -> None:
        self.staged.append((await self.store.stage(), self.lot.randrange(len(OCTETS)), 0))

    async def write(self) -> None:
        """Some more of one that is on its way in, however long ago it began."""
        if not self.staged:
            return
        staged, which, offset = self.staged.pop(self.lot.randrange(len(self.staged)))
        end = offset + self.lot.randint(1, 8) * SLICE
        await staged.write(OCTETS[which][offset:end])
        if end < len(OCTETS[which]):
            self.staged.append((staged, which, end))
        elif self.lot.random() < 0.2:
            staged.abort()
        else:
            self.sealed.append((await staged.seal(), which, self.clock.seconds()))

    def drawn(self) -> tuple[str, int, float] | None:
        return self.sealed.pop(self.lot.randrange(len(self.sealed))) if self.sealed else None

    async def append(self) -> None:
        if (drawn := self.drawn()) is None:
            return
        box = self.lot.choice(self.boxes[self.lot.choice(PEOPLE)])
        try:
            uids = await box.append([New(drawn[0])])
        except TryAgainLater:
            assert self.clock.seconds() - drawn[2] >= GRACE_S, "a sealed content was gone too soon"
            return
        self.there.append(Message(box, uids[0], drawn[1]))

    async def deliver(self) -> None:
        if (drawn := self.drawn()) is None:
            return
        before = {person: (await self.boxes[person][0].status()).uidnext for person in PEOPLE}
        outcomes = await self.store.deliver([(person, INBOX, New(drawn[0])) for person in PEOPLE])
        for person, outcome in zip(PEOPLE, outcomes, strict=True):
            assert outcome is None or self.clock.seconds() - drawn[2] >= GRACE_S, outcome
            if outcome is None:
                box = self.boxes[person][0]
                if (await box.status()).uidnext == before[person] + 1:          # else others were there, too
                    self.there.append(Message(box, before[person], drawn[1]))

    def some(self) -> Message | None:
        """A message that no other step of this round changes."""
        free = [each for each in self.there if each not in self.busy and each.gone is None]
        if not free:
            return None
        self.busy.append(self.lot.choice(free))
        return self.busy[-1]

    def other(self, box: Any) -> Any:
        return next(other for boxes in self.boxes.values() if box in boxes for other in boxes if other is not box)

    async def copy(self) -> None:
        if (message := self.some()) is not None:
            target = self.other(message.box)
            _, new = await message.box.copy([message.uid], target.id)
            self.there.append(Message(target, new[0], message.which))

    async def move(self) -> None:
        if (message := self.some()) is not None:
            target = self.other(message.box)
            _, new = await message.box.move([message.uid], target.id)
            message.gone = self.clock.seconds()
            self.there.append(Message(target, new[0], message.which))

    async def expunge(self) -> None:
        if (message := self.some()) is not None:
            await message.box.expunge([message.uid], False)
            message.gone = self.clock.seconds()

    async def sweep(self) -> None:
        await self.store.content.sweep()

    async def begin(self) -> None:
        known = [each for each in self.there if each.gone is None]
        if known:
            self.readers.append(Reader(self.lot.choice(known)))
            await self.read_on(self.readers[-1])

    async def read(self) -> None:
        if self.readers:
            await self.read_on(self.lot.choice(self.readers))

    async def read_on(self, reader: Reader) -> None:
        message, octets, offset = reader.message, OCTETS[reader.message.which], len(reader.found)
        try:
            part = await message.box.read(message.uid, offset, SLICE)
        except NoSuchMessage:
            assert message.gone is not None and self.clock.seconds() - message.gone >= GRACE_S, "lost under a reader"
            self.readers = [each for each in self.readers if each is not reader]
            return
        assert part == octets[offset:offset + SLICE], "other octets"
        reader.found = octets[:offset + len(part)] if len(part) == SLICE else b""

    async def whole(self) -> None:
        """All that is there can be read."""
        for message in self.there:
            if message.gone is None:
                assert await message.box.read(message.uid, 0, 1 << 30) == OCTETS[message.which]

    async def emptied(self) -> tuple[int, int, int]:
        """(contents, pieces, files) once everything was expunged, or sealed for nobody, and days have passed."""
        for staged, _, _ in self.staged:
            staged.abort()
        if self.outside is not None:
            staged = await self.outside.stage()
            await staged.write(OCTETS[1])
            await staged.seal()                 # as by one who crashed then
        for boxes in self.boxes.values():
            for box in boxes:
                await box.expunge(None, False)
        for _ in range(3):
            self.clock.advance(ORPHAN_S + 1)
            await self.sweep()
        files = [path for path in self.outside.path.rglob("*") if path.is_file() and path.name != "lock"] if self.outside else []
        contents, pieces = self.store.engine.read("SELECT (SELECT count(*) FROM content), (SELECT count(*) FROM piece)")[0]
        return contents, pieces, len(files)


class InterleavedTests(TemporaryPlaces, TestCase):
    @pytest.fixture(autouse=True)
    def _length(self, request: pytest.FixtureRequest) -> None:
        self.steps = LONG_STEPS if request.config.getoption("--long") else STEPS

    async def lived(self, files: bool) -> None:
        seed = int(os.environ.get("MAILFRAME_SEED", 0)) or random.SystemRandom().randrange(1, 1 << 32)
        print(f"MAILFRAME_SEED={seed}")
        world = World(Path(self.mktemp()), files, random.Random(seed))
        await world.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(world.close()))
        for step in range(self.steps):
            await world.round()
            if step % 20 == 19:
                await world.whole()
        await world.whole()
        self.assertEqual((0, 0, 0), await world.emptied())

    async def test_in_pieces(self) -> None:
        await self.lived(False)

    async def test_in_files(self) -> None:
        await self.lived(True)

    timeout = 600
