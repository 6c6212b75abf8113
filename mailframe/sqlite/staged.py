"""One content on its way in: pieces committed as they come, so that no single commit is large."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import apsw
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from mailframe.interfaces.content import IStaged

from .engine import Engine
from .pieces import PIECE, PIECE_BITS, insert

_FAR_FUTURE = 1e18      # in `since`: not swept while it is being written; a restart sets it back


@implementer(IStaged)
class Staged:
    """Made by `SqliteContent.stage`. What is smaller than a piece is written once, at `seal`."""

    def __init__(self, engine: Engine, clock: IReactorTime, give_up: Callable[[int], None]) -> None:
        """`give_up`: told the id of what will never be whole, to be swept."""
        self._engine = engine
        self._give_up = give_up
        self._clock = clock
        self._chunks: list[bytes] = []
        self._waiting = 0           # octets of them: less than a piece, while nobody is at it
        self._id = 0                # 0: nothing in the database yet
        self._pieces = 0
        self._over = False

    async def write(self, octets: bytes) -> None:
        if self._over:
            raise RuntimeError("write after seal or abort")
        self._chunks.append(octets)
        self._waiting += len(octets)
        while self._waiting >= PIECE:
            self._id = await self._engine.submit(partial(self._keep, piece=self._piece()), PIECE)
            self._pieces += 1

    async def seal(self) -> str:
        if self._over:
            raise RuntimeError("seal after seal or abort")
        self._over = True
        rest = b"".join(self._chunks)
        self._chunks.clear()
        try:
            return str(await self._engine.submit(partial(self._finish, rest=rest), len(rest)))
        except BaseException:
            self._abandon()
            raise

    def abort(self) -> None:
        if self._over:
            return
        self._over = True
        self._chunks.clear()
        self._abandon()

    def _abandon(self) -> None:
        if self._id:
            self._give_up(self._id)

    def _piece(self) -> bytes:
        """The next one; nothing of it stays here, where as many wait for their commit as there are messages coming in."""
        octets = b"".join(self._chunks)
        rest = octets[PIECE:]
        self._chunks, self._waiting = [rest] if rest else [], len(rest)
        return octets[:PIECE]

    # In the writer's thread. `write` awaits each job, so nothing here runs twice at once; and what a job finds out is
    # kept only after its commit, because an id of a transaction that was undone is given to somebody else.

    def _keep(self, con: apsw.Connection, piece: bytes) -> int:
        content = self._id
        if not content:
            con.execute("INSERT INTO content (size, refs, since) VALUES (NULL, 0, ?)", (_FAR_FUTURE,))
            content = con.last_insert_rowid()
        con.execute("INSERT INTO piece VALUES (?, ?)", ((content << PIECE_BITS) + self._pieces, piece))
        return content

    def _finish(self, con: apsw.Connection, rest: bytes) -> int:
        now = self._clock.seconds()
        if not self._id:
            return insert(con, rest, 0, now)
        if rest:
            self._keep(con, rest)
        size = self._pieces * PIECE + len(rest)
        con.execute("UPDATE content SET size = ?, since = ? WHERE id = ?", (size, now, self._id))
        return self._id
