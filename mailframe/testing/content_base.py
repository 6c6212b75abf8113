"""What the parts of the content contract share: opening, closing, and small words for what they do often."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, ClassVar
from unittest import SkipTest

from twisted.internet.defer import Deferred

from mailframe.interfaces.content import IContentStore, IStaged
from mailframe.interfaces.maybe import settled
from mailframe.model.refusal import NoSuchMessage

from .cases import Cases
from .temporary import TemporaryPlaces

CHUNK = 65_536              # as it comes from a socket


class ContentBase(Cases, TemporaryPlaces):
    """The subclass is a trial TestCase."""

    timeout = 120

    #: Whether content outlives its store, so that `make_content` with the same place finds it again.
    durable: ClassVar[bool] = True

    #: Whether it rests in this process's memory, so that 100 MiB of it need as much.
    in_memory: ClassVar[bool] = False

    #: "package.module:function" that makes a store of (place, reactor) in a process that is then killed; "": not examined.
    killed: ClassVar[str] = ""

    def make_content(self, place: Path) -> IContentStore:
        """A content store that was not started, with everything beneath `place`, where perhaps nothing is yet."""
        raise TypeError(f"{type(self).__name__} lacks make_content")

    def small_place(self) -> Path | None:
        """A folder on a disk of a few MiB, which is filled; None: there is none to be had."""
        return None

    async def opened(self, place: Path | None = None) -> IContentStore:
        """Started, and closed after the test."""
        self.place = place or Path(self.mktemp())
        store = self.make_content(self.place)
        if not hasattr(self, "_open"):
            self._open: list[IContentStore] = []
            self.addCleanup(lambda: Deferred.fromCoroutine(self._close()))
        await settled(store.start())
        self._open.append(store)
        return store

    async def closed(self, store: IContentStore) -> None:
        self._open.remove(store)
        await settled(store.close())

    async def reopened(self, store: IContentStore) -> IContentStore:
        if not self.durable:
            raise SkipTest("nothing outlives this store")
        await self.closed(store)
        return await self.opened(self.place)

    async def _close(self) -> None:
        for store in self._open:
            await settled(store.close())

    def octets(self, size: int, seed: int = 0) -> bytes:
        """Always the same of one size and seed, never the same of others."""
        return Random(size * 1_000 + seed).randbytes(size)

    async def staged(self, store: IContentStore, chunks: Iterable[bytes]) -> IStaged:
        staged = await settled(store.stage())
        for chunk in chunks:
            await settled(staged.write(chunk))
        return staged

    async def kept(self, store: IContentStore, octets: bytes, step: int = CHUNK) -> str:
        """Sealed; the id."""
        return await settled((await self.staged(store, cut(octets, step))).seal())

    async def whole(self, store: IContentStore, content_id: str) -> bytes:
        return await settled(store.read(content_id, 0, 1 << 31))

    async def all_ids(self, store: IContentStore, limit: int = 1_000) -> list[str]:
        """By pages, and each page as it must be."""
        found: list[str] = []
        while page := list(await settled(store.ids(found[-1] if found else "", limit))):
            self.assertLessEqual(len(page), limit)
            self.assertEqual(sorted(set(page)), page, "ascending, none twice")
            self.assertFalse(found and page[0] <= found[-1], "only ids greater than the last one")
            found += page
        return found

    async def gone(self, store: IContentStore, content_ids: Sequence[str]) -> None:
        """Nobody was reading them, so they are gone at once."""
        for content_id in content_ids:
            await self.refused(NoSuchMessage, partial(store.read, content_id, 0, 1))
        self.assertFalse(set(content_ids) & set(await self.all_ids(store)))

    async def refused(self, refusal: type[BaseException], ask: Callable[[], Awaitable[Any] | Any]) -> None:
        """`ask()` raises `refusal`, at once or later."""
        with self.assertRaises(refusal):
            await settled(ask())


def cut(octets: bytes, step: int) -> Iterable[bytes]:
    return (octets[offset:offset + step] for offset in range(0, len(octets), step))
