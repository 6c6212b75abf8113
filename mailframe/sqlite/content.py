"""Message content: small in the same file, large there or in a store beside it; counted by who refers to it, then swept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import apsw
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from mailframe.interfaces.content import IContentStore, IReadableContent, IStaged
from mailframe.model.mailbox import SharedOctets
from mailframe.model.refusal import NoSuchMessage, TryAgainLater

from . import pieces
from .engine import Engine
from .errors import EngineError
from .outside import Outside, StagedOutside
from .pieces import MIGRATIONS, PIECE, PIECE_BITS
from .rows import fetch
from .staged import Staged
from .sweeper import Sweeper

log = Logger()

GRACE_S = 600.0             # a reader in the middle of it can finish, and a staged id can find its commit
_SWEEP_CONTENTS = 200       # a slice of sweeping takes few ms of the writer
_SWEEP_PIECES = 16
_DIGITS = 14                # of an id: with the piece's number it is to fit into 63 bits
_INLINE_PIECES = 4          # 1 MiB read in the reactor's thread takes about a millisecond


@implementer(IReadableContent)
class SqliteContent:
    """Content of one engine. Methods that take a connection are for use inside the writer's jobs.

    With `outside`, a started content store, what is larger than a piece rests there and this is the ledger: which ids there
    are, and how many refer to each. Whoever gives it closes it, after the engine. What is there and for a day is
    unknown here, and in each ledger that was made `beside` this one, is an orphan and removed.
    """

    def __init__(self, engine: Engine, clock: IReactorTime, outside: IContentStore | None = None) -> None:
        self.engine = engine
        self.clock = clock
        self._outside = Outside(engine, clock, outside) if outside is not None else None
        self._sweeper = Sweeper("mailboxes and content", self.sweep, clock)
        self._given_up: set[int] = set()    # never to be whole, and not yet marked so: a full disk takes no mark either
        #: Awaited before a sweep: those who name content without a reference for as long as it stays.
        self.forgetting: list[Callable[[], Awaitable[object]]] = []
        engine.register("content", MIGRATIONS)

    async def start(self) -> None:
        """After the engine's: gives up what a crash left half staged, and begins to sweep. Again: does nothing."""
        if self._sweeper.running:
            return
        self._sweeper.start()
        if self._outside is not None:
            await self._outside.start()
        await self.engine.submit(_give_up_unfinished)

    def require_outside(self) -> None:
        """Raises EngineError where large content rests in a content store, and none was given."""
        if self._outside is None and self.engine.read("SELECT 1 FROM content WHERE outside IS NOT NULL LIMIT 1"):
            raise EngineError(f"large messages of the database {self.engine.path} rest in a content store, which is not named now "
                              '(content = "directory", or what it was before)')

    def beside(self, engine: Engine) -> SqliteContent:
        """Before the start: content of another engine, which keeps what is large in the same content store, if there is one."""
        other = SqliteContent(engine, self.clock)
        if self._outside is not None:
            other._outside = self._outside.beside(engine)
        return other

    def stop(self) -> None:
        """Before the engine is closed. Again: does nothing."""
        self._sweeper.stop()

    def insert(self, con: apsw.Connection, octets: bytes, references: int = 0) -> int:
        """Keep `octets`, with so many references already counted; returns the content's id."""
        return pieces.insert(con, octets, references, self.clock.seconds())

    def keep(self, con: apsw.Connection, octets: bytes) -> int:
        """`insert` with one reference counted; what the same job has kept already is only referred to."""
        if not isinstance(octets, SharedOctets):
            return self.insert(con, octets, 1)
        known = octets.kept             # read once: another file's writer may be at it in its own thread
        if known is not None and known[0] is self:
            self.reference(con, known[1])
            return known[1]
        content = self.insert(con, octets, 1)
        octets.kept = (self, content)
        return content

    def reference(self, con: apsw.Connection, content: int, count: int = 1) -> int:
        """Count `count` more references; returns the content's size in octets. Raises TryAgainLater when it is gone."""
        return pieces.reference(con, content, count)

    def release(self, con: apsw.Connection, content: int, count: int = 1) -> None:
        """Count `count` references fewer; without any the content stays for ten minutes."""
        pieces.release(con, content, count, self.clock.seconds())

    async def read(self, content_id: int | str, offset: int, size: int) -> bytes:
        """`size` octets from `offset` on, shorter at the end. Raises NoSuchMessage when the content is gone."""
        number = _number(content_id)
        if self._outside is not None and (place := self._outside.place(number)) is not None:
            return await self._outside.read(number, place, offset, size)
        base = number << PIECE_BITS
        first = offset // PIECE
        last = min((offset + max(size, 1) - 1) // PIECE, (1 << PIECE_BITS) - 1)
        if first == last:
            rows = await self.engine.query(
                "SELECT substr(octets, ?, ?) FROM piece WHERE id = ?", (offset % PIECE + 1, size, base + first))
            if rows:
                return rows[0][0] or b""     # an empty slice is NULL
        else:
            rows = await self.engine.query(
                "SELECT octets FROM piece WHERE id BETWEEN ? AND ? ORDER BY id", (base + first, base + last),
                bulk=last - first >= _INLINE_PIECES)
            if rows:
                start = offset - first * PIECE
                return b"".join([row[0] for row in rows])[start:start + size]
        found = self.engine.read("SELECT outside FROM content WHERE id = ? AND size IS NOT NULL", (number,))
        if not found:
            raise NoSuchMessage(detail=f"content {content_id} is gone")
        if found[0][0] is not None:
            raise TryAgainLater(detail=f"content {content_id} rests in a content store, and none is there")
        return b""              # an offset past the end is no error

    async def stage(self) -> IStaged:
        staged: IStaged = Staged(self.engine, self.clock, self._give_up) if self._outside is None else StagedOutside(self._outside)
        return staged

    async def sweep(self) -> int:
        """Remove what nobody has referred to for ten minutes; returns how many contents. In slices of few milliseconds."""
        removed, more, before = 0, True, self.clock.seconds() - GRACE_S
        if self._given_up:
            await self._mark()
        for forget in self.forgetting:
            await forget()
        while more:
            count, more = await self.engine.submit(partial(_sweep_slice, before=before))
            removed += count
        if self._outside is not None:
            removed += await self._outside.sweep(before)
        return removed

    def _give_up(self, content: int) -> None:
        """It is half staged, and will stay so: a sweep takes it, the next one if the disk takes no mark now."""
        self._given_up.add(content)
        self._mark().addErrback(lambda failure: log.debug("half staged content is not marked yet: {f.value}", f=failure))

    def _mark(self) -> Deferred[None]:
        contents = tuple(self._given_up)
        return self.engine.submit(partial(_let_go, contents=contents)).addCallback(
            lambda _: self._given_up.difference_update(contents))


def _number(content_id: int | str) -> int:
    text = str(content_id)
    if not (text.isascii() and text.isdigit()) or len(text) > _DIGITS:
        raise NoSuchMessage(detail=f"no content {content_id!r}")
    return int(text)


def _give_up_unfinished(con: apsw.Connection) -> None:
    con.execute("UPDATE content SET since = 0 WHERE refs = 0 AND size IS NULL")


def _let_go(con: apsw.Connection, contents: Sequence[int]) -> None:
    con.executemany("UPDATE content SET since = 0 WHERE id = ? AND size IS NULL", [(content,) for content in contents])


def _sweep_slice(con: apsw.Connection, before: float) -> tuple[int, bool]:
    """(contents removed, whether there may be more)."""
    idle = fetch(con, """
        SELECT id FROM content WHERE refs = 0 AND since <= ? AND outside IS NULL ORDER BY since LIMIT ?""",
                 (before, _SWEEP_CONTENTS))
    large = 0
    for number, (content,) in enumerate(idle):
        found = fetch(con, "SELECT id FROM piece WHERE id BETWEEN ? AND ? LIMIT ?", (
            content << PIECE_BITS, (content + 1 << PIECE_BITS) - 1, _SWEEP_PIECES))
        con.executemany("DELETE FROM piece WHERE id = ?", found)
        if len(found) == _SWEEP_PIECES:         # the rest in another slice; nobody can refer to it meanwhile
            con.execute("UPDATE content SET size = NULL WHERE id = ?", (content,))
            return number, True
        con.execute("DELETE FROM content WHERE id = ?", (content,))
        large += len(found) if len(found) > 1 else 0
        if large >= _SWEEP_PIECES:
            return number + 1, True
    return len(idle), len(idle) == _SWEEP_CONTENTS
