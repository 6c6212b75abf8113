"""Stores for the children that the store contract kills."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mailframe.interfaces.store import IMailStore
from mailframe.sqlite.content import SqliteContent
from mailframe.sqlite.engine import Engine
from mailframe.stores.directory import DirectoryContent
from mailframe.stores.memory import MemoryStore
from mailframe.stores.sqlite import SqliteStore
from mailframe.stores.sqlite.sharding import shard_paths
from mailframe.stores.sqlite.shards import ShardedStore


def sqlite(place: str, reactor: Any) -> IMailStore:
    """In the folder `place`."""
    store: IMailStore = SqliteStore(Engine(Path(place) / "mail.db", reactor), reactor)
    return store


class ShardsOverFiles(ShardedStore):
    """Three files in a folder, and large content in plain files beside them."""

    def __init__(self, folder: Path, reactor: Any) -> None:
        self._files = DirectoryContent(folder / "content", reactor)
        stores: list[SqliteStore] = []
        for place, path in enumerate(shard_paths(folder / "mail.db", 3)):
            engine = Engine(path, reactor)
            content = stores[0].content.beside(engine) if stores else SqliteContent(engine, reactor, self._files)
            stores.append(SqliteStore(engine, reactor, content=content, shard=(place, 3)))
        super().__init__(stores)

    async def start(self) -> None:
        await self._files.start()
        await super().start()

    async def close(self) -> None:
        await super().close()
        await self._files.close()


def sharded(place: str, reactor: Any) -> IMailStore:
    """In the folder `place`."""
    store: IMailStore = ShardsOverFiles(Path(place), reactor)
    return store


def forgetful(place: str, reactor: Any) -> IMailStore:
    """One that keeps nothing of what it promises."""
    store: IMailStore = MemoryStore()
    return store
