"""The conversations of tests/transcripts/imap, each over every store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from support.imap_transcripts import play, settings
from support.imap_world import NOW, World, run
from support.inline_engine import InlineEngine
from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from mailframe.imap.settings import ImapSettings
from mailframe.sqlite.engine import Engine
from mailframe.stores.annotated.store import store_annotated
from mailframe.stores.memory import MemoryStore
from mailframe.stores.sqlite import SqliteStore
from mailframe.stores.sqlite.settings import SqliteSettings
from mailframe.stores.urlkeys import MailboxKeys

FOLDER = Path(__file__).parents[1] / "transcripts" / "imap"
CONVERSATIONS = sorted(FOLDER.glob("*.txt"))
ANNOTATED = sorted((FOLDER / "annotated").glob("*.txt"))    # what is kept beside the store
INDEXED = sorted((FOLDER / "indexed").glob("*.txt"))        # what only one with a full-text index can
DURABLE = sorted((FOLDER / "durable").glob("*.txt"))        # what only a store with a memory of its own can answer


def _settings(path: Path) -> ImapSettings:
    if path not in ANNOTATED:
        return settings(path)
    return replace(settings(path), admins=("alice",), contact="mailto:postmaster@example.org")


@pytest.mark.parametrize("path", CONVERSATIONS, ids=lambda path: path.stem)
def test_conversation_over_the_memory_store(path: Path) -> None:
    run(lambda world: play(path, world), World(settings=settings(path)))


@pytest.mark.parametrize("path", [*ANNOTATED, *CONVERSATIONS], ids=lambda path: path.stem)
def test_conversation_with_annotations_beside_the_store(path: Path) -> None:
    """The others as well: that annotations are there changes nothing for them."""
    store = store_annotated(MemoryStore(lambda: NOW), InlineEngine(), name="test")
    run(lambda world: play(path, world), World(store, _settings(path)))


class SqliteConversations(TestCase):
    """The same over the durable store."""

    timeout = 60

    async def test_conversations(self) -> None:
        for path in (*CONVERSATIONS, *DURABLE):
            await self.play(path, SqliteSettings(), settings(path))
        for path in ANNOTATED:
            await self.play(path, SqliteSettings(), _settings(path))
        for path in INDEXED:
            await self.play(path, SqliteSettings(search_index=True), settings(path))

    async def play(self, path: Path, kept: SqliteSettings, manners: ImapSettings) -> None:
        clock: Any = reactor
        with TemporaryDirectory() as folder:
            engine = Engine(Path(folder) / "mail.sqlite", clock, name="test")
            plain = SqliteStore(engine, clock, settings=kept)
            keys = MailboxKeys(engine, plain)
            store = store_annotated(plain, engine, name="test")
            await store.start()
            world = World(store, manners, clock=clock, keys=keys)
            try:
                await play(path, world)
            finally:
                world.close()
                await store.close()
