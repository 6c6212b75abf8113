"""Stores whose accounts can share mailboxes, with nothing outside this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mailframe.sqlite.engine import Engine
from mailframe.stores.annotated.store import store_annotated
from mailframe.stores.memory import MemoryStore
from mailframe.stores.shared.settings import SharingSettings
from mailframe.stores.shared.store import store_shared
from mailframe.stores.sqlite import SqliteStore

from .imap_world import NOW, World
from .inline_engine import InlineEngine


def sharing(
    inner: Any = None, engine: Any = None, settings: SharingSettings | None = None, *, annotated: bool = False,
) -> Any:
    """`inner` (a store in memory) with grants, and annotations if asked for, on `engine` (in memory)."""
    inner = MemoryStore(lambda: NOW) if inner is None else inner
    engine = InlineEngine() if engine is None else engine
    if annotated:
        inner = store_annotated(inner, engine, name="test")
    return store_shared(inner, engine, name="test", settings=settings)


@asynccontextmanager
async def shared_over_sqlite(clock: Any) -> AsyncIterator[tuple[World, Any]]:
    """A server over the durable store with the grants on its engine, and that store; it must have had no faults."""
    with TemporaryDirectory() as folder:
        engine = Engine(Path(folder) / "mail.sqlite", clock, name="test")
        store = sharing(SqliteStore(engine, clock), engine)
        await store.start()
        world = World(store, clock=clock)
        try:
            yield world, store
            assert not world.faults, world.faults
        finally:
            world.close()
            await store.close()
