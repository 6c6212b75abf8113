"""The conversations of tests/transcripts/imap, each over every store."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from support.imap_transcripts import play, settings
from support.imap_world import World, run
from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from mailframe.sqlite.engine import Engine
from mailframe.stores.sqlite import SqliteStore
from mailframe.stores.sqlite.settings import SqliteSettings
from mailframe.stores.urlkeys import MailboxKeys

FOLDER = Path(__file__).parents[1] / "transcripts" / "imap"
CONVERSATIONS = sorted(FOLDER.glob("*.txt"))
INDEXED = sorted((FOLDER / "indexed").glob("*.txt"))        # what only one with a full-text index can
DURABLE = sorted((FOLDER / "durable").glob("*.txt"))        # what only a store with a memory of its own can answer


@pytest.mark.parametrize("path", CONVERSATIONS, ids=lambda path: path.stem)
def test_conversation_over_the_memory_store(path: Path) -> None:
    run(lambda world: play(path, world), World(settings=settings(path)))


class SqliteConversations(TestCase):
    """The same over the durable store."""

    timeout = 60

    async def test_conversations(self) -> None:
        for path in (*CONVERSATIONS, *DURABLE):
            await self.play(path, SqliteSettings())
        for path in INDEXED:
            await self.play(path, SqliteSettings(search_index=True))

    async def play(self, path: Path, kept: SqliteSettings) -> None:
        clock: Any = reactor
        with TemporaryDirectory() as folder:
            engine = Engine(Path(folder) / "mail.sqlite", clock, name="test")
            store = SqliteStore(engine, clock, settings=kept)
            keys = MailboxKeys(engine, store)
            await store.start()
            world = World(store, settings(path), clock=clock, keys=keys)
            try:
                await play(path, world)
            finally:
                world.close()
                await store.close()
