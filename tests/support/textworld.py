"""A SQLite store without threads, whose texts for search are made when a test says so."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock

from mailframe.imap.search.searching import Searching
from mailframe.interfaces.store import IMailbox, ISearchable
from mailframe.mime.searchtext import VERSION
from mailframe.model.mailbox import FRESH_ACCOUNT, MAX_UID
from mailframe.model.query import Query
from mailframe.pacing.breath import Breath
from mailframe.sqlite.content import GRACE_S
from mailframe.stores.sqlite.mailbox import SqliteMailbox
from mailframe.stores.sqlite.settings import SqliteSettings
from mailframe.stores.sqlite.store import SqliteStore
from mailframe.stores.sqlite.textmaker import TextLimits, TextMaker
from mailframe.stores.sqlite.textsearch import SearchableMailbox
from support.imap_stub import run
from support.inline_engine import InlineEngine

BREATH = Breath(lambda: 0.0, lambda: None)  # type: ignore[arg-type, return-value]
ALL = [(1, MAX_UID)]


class World:
    """A store without threads, its texts made when asked for."""

    def __init__(self, words: bool, path: str = ":memory:", version: int = VERSION) -> None:
        self.clock: Any = Clock()
        self.clock.advance(1_700_000_000)
        self.engine: Any = InlineEngine(path)
        self.store = SqliteStore(self.engine, self.clock, settings=SqliteSettings(search_text=True, search_index=words))
        self.words, self.version = words, version
        self.maker = self.fresh_maker()
        self.account: Any = run(self.store.open_account("ada", FRESH_ACCOUNT))

    def fresh_maker(self, **limits: Any) -> TextMaker:
        return TextMaker(
            self.quiet, self.store.content, self.clock, words=self.words, version=self.version, limits=TextLimits(**limits))

    @property
    def quiet(self) -> Any:
        """The engine for a second maker, which registers nothing again."""
        engine = self.engine

        class Quiet:
            jobs = 0
            submit, read_async = engine.submit, engine.read_async

            def register(self, *_: object) -> None:
                """Done already."""

        return Quiet()

    def mailbox(self, name: str = "INBOX") -> SearchableMailbox:
        info = run(self.account.find_mailbox(name))
        return SearchableMailbox(self.store._parts, self.account._number, int(info.id), words=self.words, version=self.version)

    def make(self, rounds: int = 1_000) -> None:
        for _ in range(rounds):
            if not run(self.maker.round()):
                return
        assert rounds < 1_000, "there is no end to it"

    def read(self, query: Query, name: str = "INBOX") -> list[int]:
        """By reading each message."""
        box = self.mailbox(name)
        plain: IMailbox = SqliteMailbox(self.store._parts, box._account, box._number)
        assert not ISearchable.providedBy(plain)
        found: list[int] = run(Searching(plain, (), query, BREATH).among(ALL))
        return found

    def search(self, query: Query, name: str = "INBOX") -> list[int]:
        box: IMailbox = self.mailbox(name)
        assert ISearchable.providedBy(box)
        found: list[int] = run(Searching(box, (), query, BREATH).among(ALL))
        return found

    def left_open(self, leaf: Any) -> list[int]:
        return list(run(self.mailbox().search(leaf, ALL)).open)

    def count(self, table: str) -> int:
        return int(self.engine.read(f"SELECT count(*) FROM {table}")[0][0])

    def sweep(self) -> None:
        self.clock.advance(GRACE_S + 1)
        run(self.store.sweep())
        self.clock.advance(GRACE_S + 1)
        run(self.store.content.sweep())
