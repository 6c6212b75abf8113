"""Content: what was written is read back from any offset, and goes when nobody refers to it any more."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from mailframe.model.refusal import NoSuchMessage, TryAgainLater
from mailframe.sqlite.content import GRACE_S, SqliteContent
from mailframe.sqlite.engine import Engine
from mailframe.sqlite.pieces import PIECE
from mailframe.testing.temporary import TemporaryPlaces

reactor: Any = the_reactor


class ContentTests(TemporaryPlaces, TestCase):
    async def opened(self, path: Path | None = None) -> SqliteContent:
        engine = Engine(path or Path(self.mktemp()) / "mail.db", reactor)
        content = SqliteContent(engine, self.clock)
        await engine.start()
        await content.start()

        def close() -> Any:
            content.stop()
            return Deferred.fromCoroutine(engine.close())
        self.addCleanup(close)
        return content

    def setUp(self) -> None:
        self.clock: Any = Clock()
        self.clock.advance(1_000_000)

    async def staged(self, content: SqliteContent, octets: bytes, step: int = 100_000) -> str:
        staged = await content.stage()
        for offset in range(0, len(octets), step):
            await staged.write(octets[offset:offset + step])
        return await staged.seal()

    def rows(self, content: SqliteContent, table: str) -> int:
        return int(content.engine.read(f"SELECT count(*) FROM {table}")[0][0])

    async def test_octets_come_back_from_any_offset(self) -> None:
        content = await self.opened()
        rng = random.Random(1)
        for size in (0, 1, 10_000, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 7 * PIECE + 77):
            octets = rng.randbytes(size)
            inserted = await content.engine.submit(lambda con, octets=octets: content.insert(con, octets))
            for name in (inserted, await self.staged(content, octets)):
                self.assertEqual(octets, await content.read(name, 0, size))
                self.assertEqual(b"", await content.read(name, size, 10))
                for _ in range(10):
                    offset, length = rng.randrange(size + 1), rng.randrange(2 * PIECE)
                    self.assertEqual(octets[offset:offset + length], await content.read(name, offset, length))

    async def test_an_id_that_never_was_is_refused(self) -> None:
        content = await self.opened()
        for name in ("1", "", "x", "-1", "9" * 30):
            with self.assertRaises(NoSuchMessage):
                await content.read(name, 0, 10)

    async def test_sealed_content_is_durable(self) -> None:
        """I1"""
        content = await self.opened()
        octets = random.Random(2).randbytes(PIECE * 2 + 5)
        name = await self.staged(content, octets)
        content.stop()
        await content.engine.close()
        again = await self.opened(content.engine.path)
        self.assertEqual(octets, await again.read(name, 0, len(octets)))

    async def test_what_nobody_refers_to_goes_after_ten_minutes(self) -> None:
        content = await self.opened()
        kept = int(await self.staged(content, b"k" * (PIECE * 20)))
        await self.staged(content, b"g" * (PIECE * 40))
        await content.engine.submit(lambda con: content.reference(con, kept))
        self.clock.advance(GRACE_S - 1)
        self.assertEqual(0, await content.sweep())
        self.clock.advance(2)
        await content.sweep()
        self.assertEqual((1, 20), (self.rows(content, "content"), self.rows(content, "piece")))
        await content.engine.submit(lambda con: content.release(con, kept))
        await content.sweep()
        self.assertEqual(1, self.rows(content, "content"))
        self.clock.advance(GRACE_S + 1)
        await content.sweep()
        self.assertEqual((0, 0), (self.rows(content, "content"), self.rows(content, "piece")))
        with self.assertRaises(NoSuchMessage):
            await content.read(kept, 0, 10)
        with self.assertRaises(TryAgainLater):
            await content.engine.submit(lambda con: content.reference(con, kept))

    async def test_many_small_ones_go_too(self) -> None:
        content = await self.opened()

        def insert(con: Any) -> None:
            for _ in range(1_000):
                content.insert(con, b"x")
        await content.engine.submit(insert)
        self.clock.advance(GRACE_S + 1)
        await content.sweep()
        self.assertEqual((0, 0), (self.rows(content, "content"), self.rows(content, "piece")))

    async def test_what_is_being_staged_is_not_swept(self) -> None:
        content = await self.opened()
        staged = await content.stage()
        await staged.write(b"a" * PIECE)
        self.clock.advance(GRACE_S * 10)
        self.assertEqual(0, await content.sweep())
        await staged.write(b"b" * PIECE)
        self.assertEqual(b"ab", await content.read(await staged.seal(), PIECE - 1, 2))

    async def test_aborted_and_interrupted_staging_leaves_nothing(self) -> None:
        content = await self.opened()
        aborted, interrupted = await content.stage(), await content.stage()
        for staged in (aborted, interrupted):
            await staged.write(b"a" * (PIECE * 2))
        aborted.abort()
        aborted.abort()
        await content.sweep()
        self.assertEqual(2, self.rows(content, "piece"))
        content.stop()
        await content.engine.close()
        again = await self.opened(content.engine.path)
        await again.sweep()
        self.assertEqual((0, 0), (self.rows(again, "content"), self.rows(again, "piece")))

    async def test_the_sweeper_runs_by_the_clock(self) -> None:
        content = await self.opened()
        await self.staged(content, b"forgotten")
        self.clock.pump([60.0] * 11)
        for _ in range(100):
            await content.engine.submit(lambda con: None)
            if not self.rows(content, "content"):
                break
            self.clock.advance(60)
        self.assertEqual(0, self.rows(content, "content"))
