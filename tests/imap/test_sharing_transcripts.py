"""The conversations of tests/transcripts/imap/sharing, and all others, over stores whose accounts share mailboxes."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from support.bare_store import BareStore
from support.imap_transcripts import play, settings
from support.imap_world import World, run
from support.sharing import sharing
from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from mailframe.sqlite.engine import Engine
from mailframe.stores.sqlite import SqliteStore

FOLDER = Path(__file__).parents[1] / "transcripts" / "imap"
SHARING = sorted((FOLDER / "sharing").glob("*.txt"))
OTHERS = sorted(FOLDER.glob("*.txt"))


@pytest.mark.parametrize("path", [*SHARING, *OTHERS], ids=lambda path: path.stem)
def test_conversation_over_the_memory_store(path: Path) -> None:
    run(lambda world: play(path, world), World(sharing(annotated=path in SHARING), settings(path)))


@pytest.mark.parametrize("path", [each for each in SHARING if each.stem in ("acl", "tree")], ids=lambda path: path.stem)
def test_conversation_over_a_store_of_sixty_lines(path: Path) -> None:
    run(lambda world: play(path, world), World(sharing(BareStore())))


class SqliteConversations(TestCase):
    """The same over the durable store, on one engine."""

    timeout = 60

    async def test_conversations(self) -> None:
        clock: Any = reactor
        for path in SHARING:
            with TemporaryDirectory() as folder:
                engine = Engine(Path(folder) / "mail.sqlite", clock, name="test")
                store = sharing(SqliteStore(engine, clock), engine, annotated=True)
                await store.start()
                world = World(store, settings(path), clock=clock)
                try:
                    await play(path, world)
                finally:
                    world.close()
                    await store.close()
