"""The built-in spool: the queue in the same database file, and so the same transactions, as the mailboxes."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

import apsw
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from mailframe.interfaces.spool import ISpool
from mailframe.sqlite.content import SqliteContent
from mailframe.sqlite.engine import Engine
from mailframe.sqlite.rows import Row

from . import codec, schema
from .item import START, Change, Item, Message, NewItem, Position, Waiting
from .terms import returns_at

log = Logger()
Listener = Callable[[Sequence[int]], None]
_UNREADABLE = (ValueError, TypeError, KeyError, IndexError)
_INLINE = 500       # ids in one statement


@implementer(ISpool)
class Spool:
    """Rests on an `Engine` and its content, which may serve a store as well; make it before the engine's start."""

    def __init__(self, engine: Engine, content: SqliteContent, clock: IReactorTime) -> None:
        self.engine = engine
        self.content = content
        self._clock = clock
        self._listeners: list[Listener] = []
        engine.register("queue", schema.MIGRATIONS)

    async def start(self) -> None:
        """See `ISpool`. What was in hand when the last process ended is simply due. Raises EngineError."""
        await self.engine.start()
        await self.content.start()

    async def close(self) -> None:
        """See `ISpool`: finishes all writes and closes the engine, which may be done again by its other guests."""
        self.content.stop()
        await self.engine.close()

    async def add(self, item: NewItem) -> None:
        """See `ISpool`."""
        unit, after = self.add_unit(item)
        await self.engine.submit(unit, item.size if isinstance(item.content, bytes) else 0)
        after()

    def add_unit(self, item: NewItem) -> tuple[Callable[[apsw.Connection], None], Callable[[], None]]:
        """See `ISpool`."""
        envelope = item.envelope
        release = envelope.hold_until or 0.0
        when = max(item.next_try, release), envelope.priority, release, returns_at(envelope) or 0.0
        message = codec.dump_envelope(envelope), item.head, item.size, self._clock.seconds()
        recipients = [
            (codec.dump_recipient(each), domain_of(each.account, each.address.domain), item.heads.get(each, b""), *when)
            for each in item.recipients
        ]
        ids: list[int] = []

        def run(con: apsw.Connection) -> None:
            ids.append(schema.insert(con, self.content, item.content, message, recipients))

        return run, lambda: self._tell(ids)

    async def due(
        self, now: float, limit: int, after: Position = START, domain: str | None = None, skip: Sequence[str] = (),
        urgent: bool = False,
    ) -> list[Waiting]:
        """See `ISpool`."""
        query = schema.due_query(now, limit, after, domain, skip, urgent)
        return self._readable(await self.engine.query(*query, bulk=bool(skip)))

    async def overdue(self, now: float, limit: int) -> list[Waiting]:
        """See `ISpool`."""
        return self._readable(await self.engine.query(schema.OVERDUE, (now, limit)))

    async def next_due(self, after: float) -> float | None:
        """See `ISpool`."""
        rows = await self.engine.query(schema.NEXT_DUE, (after,))
        return None if rows[0][0] is None else float(rows[0][0])

    async def message(self, message_id: int) -> Message | None:
        """See `ISpool`."""
        rows = await self.engine.query(
            "SELECT id, envelope, head, content, size, created FROM queue_message WHERE id = ?", (message_id,))
        try:
            return _message(rows[0]) if rows else None
        except _UNREADABLE:
            self._set_aside(message_id)
            return None

    async def waiting(self, message_ids: Sequence[int]) -> list[Waiting]:
        """See `ISpool`."""
        found: list[Waiting] = []
        for start in range(0, len(message_ids), _INLINE):
            some = tuple(message_ids[start:start + _INLINE])
            marks = ",".join("?" * len(some))
            rows = await self.engine.query(
                f"SELECT {schema.COLUMNS} FROM queue_recipient WHERE message IN ({marks}) ORDER BY id", some)
            found += self._readable(rows)
        return found

    async def still(self, ids: Sequence[int]) -> list[Waiting]:
        """See `ISpool`."""
        marks = ",".join("?" * len(ids))
        rows = await self.engine.query(
            f"SELECT {schema.COLUMNS} FROM queue_recipient WHERE id IN ({marks}) AND held = 0 ORDER BY id", ids)
        return self._readable(rows)

    async def troubled(self, message_id: int) -> list[Waiting]:
        """See `ISpool`."""
        rows = await self.engine.query(
            f"SELECT {schema.COLUMNS} FROM queue_recipient WHERE message = ? AND problem IS NOT NULL ORDER BY id", (message_id,))
        return self._readable(rows)

    async def read(self, content_id: str, offset: int, size: int) -> bytes:
        """See `ISpool`."""
        return await self.content.read(content_id, offset, size)

    async def settle(self, message_id: int, changes: Sequence[Change]) -> None:
        """See `ISpool`."""
        await self.engine.submit(self.settle_unit(message_id, changes))

    def settle_unit(self, message_id: int, changes: Sequence[Change]) -> Callable[[apsw.Connection], None]:
        """See `ISpool`."""
        gone = [(each.id,) for each in changes if each.next_try is None]
        waiting = [
            (each.next_try, codec.dump_problem(each.problem), each.tried_at, each.warned, each.tried, each.id)
            for each in changes if each.next_try is not None
        ]
        return partial(schema.settle, content=self.content, message_id=message_id, gone=gone, waiting=waiting)

    async def list(self, limit: int = 1_000) -> Sequence[Item]:
        """See `ISpool`; messages that cannot be read are left out (the log has named them)."""
        rows = await self.engine.query(
            "SELECT id, envelope, head, content, size, created FROM queue_message ORDER BY id LIMIT ?", (limit,), bulk=limit > 100)
        of: dict[int, list[Waiting]] = {row[0]: [] for row in rows}
        for each in await self.waiting(tuple(of)):
            of[each.message_id].append(each)
        items = []
        for row in rows:
            with suppress(*_UNREADABLE):
                items.append(Item(_message(row), tuple(of[row[0]])))
        return items

    async def retry(self, ids: Sequence[int] = ()) -> int:
        """See `ISpool`. What is to be sent later only (FUTURERELEASE) is left alone, and not counted."""
        changed = await self.engine.submit(partial(schema.retry, ids=tuple(ids), now=self._clock.seconds()))
        self._tell(ids)
        return changed

    async def retry_domain(self, domain: str, below: bool) -> int:
        """See `ISpool`. What was never tried is due already, or is to be sent later only (FUTURERELEASE)."""
        changed = await self.engine.submit(partial(schema.retry_domain, domain=domain, below=below))
        if changed:
            self._tell(())
        return changed

    async def hold(self, ids: Sequence[int] = ()) -> int:
        """See `ISpool`."""
        return await self._alter("held = 1", ids, held=False)

    async def release(self, ids: Sequence[int] = ()) -> int:
        """See `ISpool`."""
        return await self._alter("held = 0, next_try = release_at", ids, held=True)

    async def remove(self, ids: Sequence[int]) -> int:
        """See `ISpool`."""
        return await self.engine.submit(partial(schema.remove, content=self.content, ids=tuple(ids)))

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """See `ISpool`."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def _readable(self, rows: Sequence[Row]) -> builtins.list[Waiting]:
        found = []
        for row in rows:
            try:
                found.append(_waiting(row))
            except _UNREADABLE:
                self._set_aside(row[1])
        return found

    def _set_aside(self, message_id: int) -> None:
        """One row that cannot be read must not stop the queue: hold its message for the operator to look at."""
        log.failure("queued message {id} cannot be read and is held", id=message_id)
        self.engine.submit(partial(schema.alter, assignment="held = 1", ids=(message_id,))).addErrback(
            lambda failure: log.failure("it could not be held", failure))

    async def _alter(self, assignment: str, ids: Sequence[int], held: bool) -> int:
        changed = await self.engine.submit(partial(schema.alter, assignment=assignment, ids=tuple(ids), held=held))
        self._tell(ids)
        return changed

    def _tell(self, ids: Sequence[int]) -> None:
        for listener in tuple(self._listeners):
            listener(ids)


def domain_of(account: str | None, domain: str) -> str:
    """What concurrency is counted by: all our own mailboxes are one place."""
    return domain if account is None else ""


def _waiting(row: Row) -> Waiting:
    number, message, recipient, domain, head, next_try, tries, problem, tried_at, held, warned, priority = row
    return Waiting(
        number, message, codec.load_recipient(recipient), domain, head, next_try, tries, codec.load_problem(problem), tried_at,
        bool(held), bool(warned), priority)


def _message(row: Row) -> Message:
    number, envelope, head, content, size, created = row
    return Message(number, codec.load_envelope(envelope), head, str(content), size, created)
