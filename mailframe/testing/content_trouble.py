"""The content contract about trouble: kill -9 at each step, a full disk, a hundred MiB."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import ClassVar
from unittest import SkipTest

from mailframe.interfaces.content import IContentStore
from mailframe.interfaces.maybe import settled
from mailframe.model.refusal import NoSuchMessage, StorageFull

from .content_base import CHUNK, ContentBase
from .content_child import OCTETS

_MIB = 2**20
_LARGE = 100 * _MIB
_EXTRA = 32 * _MIB
_PATIENCE_S = 100.0


class ContentTrouble(ContentBase):
    """I1, and what it costs."""

    #: So many of a life's steps are its last one; 0: each of them.
    crash_points: ClassVar[int] = 40

    async def test_what_was_promised_survives_kill_9_at_any_step(self) -> None:
        if not self.killed or not self.durable:
            raise SkipTest("no `killed` names a factory for another process")
        folder = Path(self.mktemp())
        folder.mkdir()
        self._lives(folder, [0])
        said = _said(folder / "0.log")
        begun, ended = int(said[0][1]), int(said[-1][1])
        self.assertEqual(("started", "ended"), (said[0][0], said[-1][0]))
        self._lives(folder, _chosen(begun, ended, self.crash_points))
        for log in folder.glob("*.log"):
            await self._examined(folder / log.stem, _said(log))

    def _lives(self, folder: Path, points: list[int]) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "mailframe.testing.content_child", self.killed, str(folder), ",".join(map(str, points))],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, text=True, timeout=_PATIENCE_S,
            check=False)
        self.assertEqual(0, done.returncode, done.stderr)

    async def _examined(self, place: Path, said: list[list[str]]) -> None:
        """What is there is whole; what was sealed is there; what was removed is not."""
        store = await self.opened(place)
        promised = {words[1]: OCTETS[int(words[2])] for words in said if words[0] == "sealed"}
        leaving = {words[1] for words in said if words[0] == "removing"}
        gone = {words[1] for words in said if words[0] == "removed"}
        there = await self.all_ids(store)
        self.assertLessEqual(len(set(there) - set(promised)), 1, "at most one was sealed that nobody was told of")
        self.assertLessEqual(set(promised) - leaving, set(there), said)
        self.assertFalse(gone & set(there), said)
        for content_id in there:
            octets = await self.whole(store, content_id)
            self.assertIn(octets, OCTETS)
            self.assertEqual(promised.get(content_id, octets), octets)
        for content_id in gone:
            await self.refused(NoSuchMessage, partial(store.read, content_id, 0, 1))
        await self.closed(store)

    async def test_a_full_disk_is_refused_and_harms_nothing(self) -> None:
        """And there is room again when something was removed."""
        place = self.small_place()
        if place is None:
            raise SkipTest("no small disk is offered")
        store, kept = await self.opened(place), []
        octets = self.octets(700_000)
        with self.assertRaises(StorageFull):
            for number in range(100):
                kept.append(await self._once(store, b"%d" % number + octets))
        self.assertTrue(kept)
        for number, content_id in enumerate(kept):
            self.assertEqual(b"%d" % number + octets, await self.whole(store, content_id))
        self.assertEqual(sorted(kept), await self.all_ids(store))
        await settled(store.remove(kept[1:]))
        again = await self._once(store, octets)
        self.assertEqual(octets, await self.whole(store, again))
        store = await self.reopened(store)
        self.assertEqual(sorted((kept[0], again)), await self.all_ids(store))

    async def _once(self, store: IContentStore, octets: bytes) -> str:
        """As a session does it: what fails is given up."""
        staged = await settled(store.stage())
        try:
            for offset in range(0, len(octets), CHUNK):
                await settled(staged.write(octets[offset:offset + CHUNK]))
            return await settled(staged.seal())
        except BaseException:
            staged.abort()
            raise

    async def test_a_hundred_MiB_pass_through_little_memory(self) -> None:
        if self.in_memory or not Path("/proc/self/statm").exists():
            raise SkipTest("it rests in memory, or memory cannot be measured here")
        store, chunk = await self.opened(), self.octets(CHUNK)
        before = most = _memory()
        staged = await settled(store.stage())
        for _ in range(_LARGE // CHUNK):
            await settled(staged.write(chunk))
            most = max(most, _memory())
        content_id = await settled(staged.seal())
        for offset in range(0, _LARGE, 4 * CHUNK):
            self.assertEqual(chunk * 4, await settled(store.read(content_id, offset, 4 * CHUNK)))
            most = max(most, _memory())
        self.assertEqual(b"", await settled(store.read(content_id, _LARGE, 1)))
        self.assertLess(most - before, _EXTRA, "octets of memory")


def _chosen(begun: int, ended: int, most: int) -> list[int]:
    """Steps to die at: a fifth of them before the start is done, for that is mostly making folders."""
    if not most or ended <= most:
        return list(range(1, ended + 1))
    early = _spread(1, begun, most // 5)
    return early + _spread(begun + 1, ended, most - len(early))


def _spread(first: int, last: int, most: int) -> list[int]:
    """Up to `most` numbers from first to last, evenly."""
    count = last - first + 1
    return [first + number * count // min(most, count) for number in range(min(most, count))]


def _said(log: Path) -> list[list[str]]:
    return [line.split() for line in log.read_text().splitlines()]


def _memory() -> int:
    """Octets of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
