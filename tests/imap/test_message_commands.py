"""FETCH, STORE, COPY, MOVE, EXPUNGE and SEARCH as clients see them, over real sockets, on every kind of store."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from support.bare_store import BareStore
from support.imap_talk import Talk
from twisted.internet import reactor as the_reactor
from twisted.trial.unittest import TestCase

from mailframe.interfaces.store import IMailStore
from mailframe.mime.attributes import VERSION
from mailframe.sqlite.engine import Engine
from mailframe.stores.memory import MemoryStore
from mailframe.stores.sqlite import SqliteStore

reactor: Any = the_reactor

TRANSCRIPTS = Path(__file__).parents[1] / "transcripts/imap/messages"


class _Transcripts:
    """One test for each file; subclasses say on which store."""

    def make_store(self) -> IMailStore:
        raise AssertionError("a subclass says which")

    async def play(self, name: str) -> None:
        talk = Talk(reactor, self.make_store())
        await talk.start()
        try:
            await talk.play((TRANSCRIPTS / name).read_text())
        finally:
            await talk.stop()

    async def test_fetch(self) -> None:
        await self.play("fetch.txt")

    async def test_sort(self) -> None:
        await self.play("sort.txt")

    async def test_thread(self) -> None:
        await self.play("thread.txt")

    async def test_labels_of_sections(self) -> None:
        await self.play("fetch-sections.txt")

    async def test_an_empty_mailbox(self) -> None:
        await self.play("fetch-empty.txt")

    async def test_store(self) -> None:
        await self.play("store.txt")

    async def test_expunge(self) -> None:
        await self.play("expunge.txt")

    async def test_copy_and_move(self) -> None:
        await self.play("copy-move.txt")

    async def test_search(self) -> None:
        await self.play("search.txt")

    async def test_two_sessions_are_told_the_truth(self) -> None:
        await self.play("two-sessions.txt")


class OnMemory(_Transcripts, TestCase):
    def make_store(self) -> IMailStore:
        return MemoryStore()


class OnTheBareMinimum(_Transcripts, TestCase):
    """Everything that the framework does itself where a store does not."""

    def make_store(self) -> IMailStore:
        return BareStore()


class OnSqlite(_Transcripts, TestCase):
    def make_store(self) -> IMailStore:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        store: IMailStore = SqliteStore(Engine(Path(folder.name) / "mail.db", reactor), reactor, attributes_version=VERSION)
        return store
