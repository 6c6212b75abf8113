"""The ledger of content that rests in a store beside the database: written after it is there, forgotten after it is gone."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import partial

import apsw
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from mailframe.interfaces.content import IContentStore, IStaged
from mailframe.interfaces.maybe import settled
from mailframe.model.refusal import Corrupted, NoSuchMessage, Refusal, TryAgainLater

from .engine import Engine
from .pieces import PIECE, insert
from .rows import Row, fetch

log = Logger()

#: Beside the component "content", where others keep content in the same store: the databases that ever did.
LEDGERS = ("CREATE TABLE content_ledger (path TEXT PRIMARY KEY) WITHOUT ROWID",)
ORPHAN_S = 86_400.0         # what no row knows for so long was sealed by somebody who crashed before the row
_SLICE = 200                # contents removed, or ids compared, at a time
_PLACES = 1_000             # looked-up ids that are remembered
_WORTH_A_LOOK = 65_536      # who asks for so much of the beginning will want the rest as well
_STRAY = 1_000              # more orphans than this, and than known contents, are not ours to remove


class Outside:
    """What `SqliteContent` does about its content store. The order of each step is what makes a crash after it harmless.

    In: sealed there, then the row, then the id is given out. Out: marked dead in the writer (from then on nobody can refer to
    it), removed there, then the row goes; a dead row that a crash left is found by the next sweep.
    """

    def __init__(self, engine: Engine, clock: IReactorTime, store: IContentStore, *, first: bool = True) -> None:
        self.engine = engine
        self.clock = clock
        self.store = store
        self.others: list[Engine] = []              # of further ledgers that keep content there
        self._first = first                         # for orphans; what one of the others knows is none
        self._places: dict[int, tuple[str, int] | None] = {}
        self._compared = ""                         # ids there up to this one have been looked at in this round
        if first:
            engine.register("content_ledger", LEDGERS)

    def beside(self, engine: Engine) -> Outside:
        """A further ledger."""
        self.others.append(engine)
        return Outside(engine, self.clock, self.store, first=False)

    async def start(self) -> None:
        """Remember for good who else keeps content there."""
        if self.others:
            paths = [(self._path(each),) for each in self.others]
            await self.engine.submit(lambda con: _remember(con, paths))

    def place(self, number: int) -> tuple[str, int] | None:
        """(the id there, the octets) of content `number`; None: it is in pieces, or gone. Neither changes while there is such
        a content."""
        if number in self._places:
            return self._places[number]
        found = self._row(number)
        if not found:
            return None
        if len(self._places) >= _PLACES:
            self._places.clear()
        self._places[number] = found[0] if found[0][0] is not None else None
        return self._places[number]

    async def read(self, number: int, place: tuple[str, int], offset: int, size: int) -> bytes:
        """As `SqliteContent.read`, of a content that is there. What the store has lost of it, or cannot read, is said in the
        log and refused for now: it must never look like a message that is shorter, or was expunged."""
        name, there = place
        try:
            octets = await settled(self.store.read(name, offset, size))
            if offset < PIECE and _WORTH_A_LOOK <= size < there - offset:
                # Before anything of a large message is announced: that its end has not been cut off.
                end = await settled(self.store.read(name, there - 1, 1))
            else:
                end = b"."
        except NoSuchMessage:
            if not self._row(number):       # swept just now
                raise
            raise self._lost(name, "it is gone") from None
        except Refusal as refusal:
            self._report(name, refusal.detail)
            raise TryAgainLater(detail=f"content {name}: {refusal.detail}") from None
        if not end or len(octets) < min(size, there - offset):
            raise self._lost(name, f"less than its {there} octets are left")
        return octets

    def _row(self, number: int) -> list[Row]:
        return self.engine.read("SELECT outside, size FROM content WHERE id = ? AND size IS NOT NULL", (number,))

    def _lost(self, name: str, why: str) -> Corrupted:
        self._report(name, why)
        return Corrupted(detail=f"content {name}: {why}")

    def _report(self, name: str, why: str) -> None:
        log.error("content {name}, which {path} refers to, cannot be read: {why}. `mailframe store check` says what is damaged, "
                  "and what can be done", name=name, path=self.engine.path, why=why)

    async def sealed(self, place: str, size: int) -> str:
        """The content's id, durable on return, for octets that are sealed there."""
        row = (size, self.clock.seconds(), place)
        try:
            number = await self.engine.submit(lambda con: _insert(con, row))
        except BaseException:
            await self._remove([place])
            raise
        self._places[number] = place, size
        return str(number)

    async def sweep(self, before: float) -> int:
        """Remove what nobody has referred to since `before`; then look at a few for orphans. Returns how many contents went."""
        removed = 0
        while dead := await self.engine.submit(partial(_condemn, before=before)):
            for number, _ in dead:
                self._places.pop(number, None)
            await settled(self.store.remove([place for _, place in dead]))
            await self.engine.submit(partial(_forget, numbers=[(number,) for number, _ in dead]))
            removed += len(dead)
        if self._first:
            await self._compare()
        return removed

    async def _compare(self) -> None:
        """The next ids there against the rows: what has none is noted, and removed when that has been so for a day.

        Not while a database that has kept content there is none of ours now: a setting may have been changed for a while."""
        rows = await self.engine.query("SELECT path FROM content_ledger")
        if not {path for path, in rows} <= {self._path(each) for each in self.others}:
            return
        places = list(await settled(self.store.ids(self._compared, _SLICE)))
        self._compared = places[-1] if len(places) == _SLICE else ""
        now, elsewhere = self.clock.seconds(), await self._elsewhere(places)
        unknown = [place for place in places if place not in elsewhere]
        orphans = await self.engine.submit(partial(_orphans, places=unknown, now=now))
        if late := await self._elsewhere(orphans):
            await self.engine.submit(partial(_found, places=late))
            orphans = [place for place in orphans if place not in late]
        if orphans and await self._ours():
            log.warn("removing {count} contents that were sealed before a crash and belong to no message", count=len(orphans))
            await settled(self.store.remove(orphans))
            await self.engine.submit(partial(_found, places=orphans))

    async def _elsewhere(self, places: Sequence[str]) -> Sequence[str]:
        """Those of `places` that the other ledgers know."""
        known: list[str] = []
        for engine in self.others if places else ():
            rows = await engine.query(
                "SELECT outside FROM content WHERE outside IN (SELECT value FROM json_each(?))", (json.dumps(places),), bulk=True)
            known += [place for place, in rows]
        return known

    def _path(self, engine: Engine) -> str:
        """As it is remembered: all of it may be moved together."""
        return os.path.relpath(engine.path, self.engine.path.parent)

    async def _ours(self) -> bool:
        """Whether so many orphans can come of crashes; a database lost, or a wrong folder named, must not cost the rest."""
        (noted, known), = await self.engine.query("""
            SELECT (SELECT count(*) FROM content_orphan), (SELECT count(*) FROM content WHERE outside IS NOT NULL)""", bulk=True)
        if noted > max(known, _STRAY):
            log.error("{noted} of the contents in the content store are unknown to the database {path}, which knows {known}: "
                      "is it the right one? Nothing of it is removed", noted=noted, known=known, path=self.engine.path)
        return bool(noted <= max(known, _STRAY))

    async def _remove(self, places: Sequence[str]) -> None:
        try:
            await settled(self.store.remove(places))
        except Exception as error:              # it will be found as an orphan
            log.debug("sealed content without a row stays for now: {error}", error=error)


@implementer(IStaged)
class StagedOutside:
    """Made by `SqliteContent.stage`. What is not larger than a piece becomes a row, at `seal`."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self._chunks: list[bytes] = []
        self._size = 0
        self._staged: IStaged | None = None
        self._over = False

    async def write(self, octets: bytes) -> None:
        if self._over:
            raise RuntimeError("write after seal or abort")
        self._size += len(octets)
        if self._staged is not None:
            await settled(self._staged.write(octets))
            return
        self._chunks.append(octets)
        if self._size > PIECE:
            chunks, self._chunks = self._chunks, []
            staged = await settled(self._outside.store.stage())
            if self._over:                      # meanwhile
                staged.abort()
                raise TryAgainLater(detail="staging was aborted")
            self._staged = staged
            for chunk in chunks:
                await settled(staged.write(chunk))

    async def seal(self) -> str:
        if self._over:
            raise RuntimeError("seal after seal or abort")
        self._over = True
        if self._staged is not None:
            return await self._outside.sealed(await settled(self._staged.seal()), self._size)
        octets, self._chunks = b"".join(self._chunks), []
        now = self._outside.clock.seconds()
        return str(await self._outside.engine.submit(lambda con: insert(con, octets, 0, now), len(octets)))

    def abort(self) -> None:
        if self._over:
            return
        self._over = True
        self._chunks = []
        if self._staged is not None:
            self._staged.abort()


# What the writer does.


def _insert(con: apsw.Connection, row: Row) -> int:
    con.execute("INSERT INTO content (size, refs, since, outside) VALUES (?, 0, ?, ?)", row)
    return con.last_insert_rowid()


def _remember(con: apsw.Connection, paths: Sequence[tuple[str]]) -> None:
    con.executemany("INSERT OR IGNORE INTO content_ledger VALUES (?)", paths)


def _condemn(con: apsw.Connection, before: float) -> list[Row]:
    """(number, id there) of some that may go. Nobody can refer to them any more."""
    return fetch(con, """
        UPDATE content SET size = NULL WHERE id IN (
            SELECT id FROM content WHERE refs = 0 AND since <= ? AND outside IS NOT NULL ORDER BY since LIMIT ?)
        RETURNING id, outside""", (before, _SLICE))


def _forget(con: apsw.Connection, numbers: Sequence[tuple[int]]) -> None:
    con.executemany("DELETE FROM content WHERE id = ? AND size IS NULL", numbers)


def _orphans(con: apsw.Connection, places: Sequence[str], now: float) -> list[str]:
    """Note those of `places` that no row knows; some of all that have been noted for a day and are still unknown."""
    con.executemany("""
        INSERT INTO content_orphan SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM content WHERE outside = ?1)
        ON CONFLICT DO NOTHING""", [(place, now) for place in places])
    old = [row[0] for row in fetch(con, "SELECT outside FROM content_orphan WHERE seen <= ? LIMIT ?", (now - ORPHAN_S, _SLICE))]
    known = [place for place in old if fetch(con, "SELECT 1 FROM content WHERE outside = ?", (place,))]
    _found(con, known)
    return [place for place in old if place not in known]


def _found(con: apsw.Connection, places: Sequence[str]) -> None:
    con.executemany("DELETE FROM content_orphan WHERE outside = ?", [(place,) for place in places])
