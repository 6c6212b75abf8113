"""Our content stores as functions of a place and a reactor; SQLite's ledger is shown as if it were such a store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zope.interface import implementer

from mailframe.interfaces.content import IContentStore, IStaged
from mailframe.sqlite.content import GRACE_S, SqliteContent
from mailframe.sqlite.engine import Engine
from mailframe.stores.directory import DirectoryContent


def files(place: Path, reactor: Any) -> DirectoryContent:
    return DirectoryContent(place, reactor)


def pieces(place: Path, reactor: Any) -> LedgerAsStore:
    return LedgerAsStore(place, reactor, None)


def pieces_and_files(place: Path, reactor: Any) -> LedgerAsStore:
    return LedgerAsStore(place, reactor, DirectoryContent(place / "content", reactor))


class Later:
    """The reactor, an hour ahead of itself when wanted: what was released just now may be swept."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self.ahead = 0.0

    def seconds(self) -> float:
        return float(self._reactor.seconds()) + self.ahead

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)


@implementer(IContentStore)
class LedgerAsStore:
    """`remove` lets the one reference go and sweeps; ids are the ledger's numbers, filled up so that they sort."""

    def __init__(self, place: Path, reactor: Any, outside: DirectoryContent | None) -> None:
        self.engine = Engine(place / "mail.db", reactor)
        self.outside = outside
        self.clock = Later(reactor)
        self.content = SqliteContent(self.engine, self.clock, outside)     # type: ignore[arg-type]

    async def start(self) -> None:
        if self.outside is not None:
            await self.outside.start()
        await self.engine.start()
        await self.content.start()

    async def close(self) -> None:
        self.content.stop()
        await self.engine.close()
        if self.outside is not None:
            await self.outside.close()

    async def stage(self) -> IStaged:
        return Referred(self, await self.content.stage())

    async def read(self, content_id: str, offset: int, size: int) -> bytes:
        return await self.content.read(content_id if _ours(content_id) else "none of ours", offset, size)

    async def remove(self, content_ids: Sequence[str]) -> None:
        numbers = [int(each) for each in content_ids if _ours(each)]
        long_ago = self.clock.seconds() - GRACE_S - 1

        def job(con: Any) -> None:
            con.executemany("UPDATE content SET refs = 0, since = ? WHERE id = ? AND size IS NOT NULL", [
                (long_ago, number) for number in numbers])
        await self.engine.submit(job)
        await self.content.sweep()

    async def ids(self, after: str, limit: int) -> list[str]:
        rows = self.engine.read("""
            SELECT printf('%014d', id) AS name FROM content WHERE size IS NOT NULL AND name > ? ORDER BY id LIMIT ?""",
            (after, limit))
        return [row[0] for row in rows]


def _ours(content_id: str) -> bool:
    return content_id.isascii() and content_id.isdigit() and len(content_id) == 14


@implementer(IStaged)
class Referred:
    """Sealed and referred to at once."""

    def __init__(self, store: LedgerAsStore, staged: IStaged) -> None:
        self._store = store
        self._staged = staged

    async def write(self, octets: bytes) -> None:
        await self._staged.write(octets)

    async def seal(self) -> str:
        number = int(await self._staged.seal())
        await self._store.engine.submit(lambda con: self._store.content.reference(con, number))
        return f"{number:014}"

    def abort(self) -> None:
        self._staged.abort()
