"""One database file with one writing thread and bounded reads: what stores, queue and content share."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

import apsw
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorFromThreads, IReactorTime
from twisted.python.failure import Failure

from . import files
from .committer import Outcome, Waiting, Writer, WriterLimits
from .errors import EngineError, refusal_for
from .migrate import Migration, open_reader, open_writer
from .reader import Pace, Reader
from .rows import Row

T = TypeVar("T")

_SLICE_S = 0.002    # of answers in one turn of the reactor (I2)


class IEngineReactor(IReactorFromThreads, IReactorTime):
    """What an engine needs of the reactor."""


class Engine:
    """Register components, start, then submit and query, then close.

    All but jobs runs in the reactor's thread. A job is a plain function of the connection that the writer's thread calls
    inside a transaction; it does SQL and little else, and begins or ends no transaction itself. It may be called again
    when the disk is full: its group is undone then, and each job is tried alone. What yields rows is read to its end
    (`rows.fetch`): the driver stops at the first row, also of several statements in one string.
    """

    def __init__(self, path: Path, reactor: IEngineReactor, *, name: str = "mail", limits: WriterLimits | None = None) -> None:
        self.path = path
        self.name = name
        self._reactor = reactor
        self._components: dict[str, tuple[Migration, ...]] = {}
        self._writer = Writer(self._open, self._answer, name, limits or WriterLimits())
        self._pace = Pace()
        self._reader = Reader(lambda: open_reader(path), self._answer, name, self._pace)
        self._inline: apsw.Connection | None = None
        self._lock = -1
        self._begun = False
        self._fault: Exception | None = None        # why it could not be opened
        self._starters: list[Deferred[None]] = []
        self._closing = False
        self._handing: list[Waiting] = []           # jobs of this turn of the reactor

    @property
    def commits(self) -> int:
        """Transactions that were committed so far."""
        return self._writer.commits

    @property
    def jobs(self) -> int:
        """Jobs in them: more than `commits` means that group commit works."""
        return self._writer.jobs

    @property
    def slow(self) -> bool:
        """Whether reads have been slow of late, so that `read` is for what is small only."""
        return self._pace.slow

    def register(self, component: str, migrations: Sequence[Migration]) -> None:
        """Before `start`: the tables of `component`, as steps that each lead from one schema version to the next."""
        steps = tuple(migrations)
        if self._begun:
            raise RuntimeError(f"{component} is registered after the start of the database {self.path}")
        if self._components.setdefault(component, steps) != steps:
            raise RuntimeError(f"{component} is registered twice, with different tables")

    async def start(self) -> None:
        """Lock, open and migrate in the writer's thread. Raises EngineError. Whoever shares the engine may call it, too."""
        if self._fault is not None:
            raise self._fault
        if self._inline is not None or self._closing:
            return
        waiting: Deferred[None] = Deferred()
        self._starters.append(waiting)
        if not self._begun:
            self._begun = True
            self._writer.start().addBoth(self._opened)
        await waiting

    def submit(self, job: Callable[[apsw.Connection], T], size: int = 0) -> Deferred[T]:
        """Run `job` in the next group; fires with its result when that is durable (I1).

        `size` is about how many octets it writes, if many. Fails with what the job raised, its own changes undone; or
        with StorageFull or TryAgainLater when the group could not be committed.
        """
        if self._inline is None or self._closing:
            return fail(EngineError(f"the database {self.path} is not open"))
        deferred: Deferred[T] = Deferred()
        if not self._handing:
            self._reactor.callLater(0, self._hand_over)
        self._handing.append((job, size, deferred))
        return deferred

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Rows at once, in the reactor's thread: for what is bounded and small. Sees every commit that was answered."""
        if self._inline is None:
            raise EngineError(f"the database {self.path} is not open")
        begun = perf_counter()
        try:
            rows: list[Row] = self._inline.execute(sql, parameters if type(parameters) is tuple else tuple(parameters)).fetchall()
        except apsw.Error as error:
            raise refusal_for(error, self.path) from error
        self._pace.note((perf_counter() - begun) / (1 + len(rows) // 1_000))
        return rows

    async def query(self, sql: str, parameters: Sequence[Any] = (), *, bulk: bool = False) -> list[Row]:
        """As `read`, in a thread of its own when the disk has been slow of late, or when many rows are expected (`bulk`)."""
        if bulk or self._pace.slow:
            return await self.read_async(sql, parameters)
        return self.read(sql, parameters)

    async def read_async(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Rows read in the reader's thread."""
        if self._inline is None or self._closing:       # what comes after the reader's last would never be answered
            raise EngineError(f"the database {self.path} is not open")
        try:
            return await self._reader.ask(sql, tuple(parameters))
        except apsw.Error as error:
            raise refusal_for(error, self.path) from error

    async def close(self) -> None:
        """Finish all jobs, checkpoint, and let go of the file. To be called again, or without a start, does nothing."""
        if self._begun and self._inline is None and self._fault is None and not self._closing:
            await self.start()              # it is being opened
        if self._closing or self._inline is None:
            return
        self._closing = True
        await self._reader.stop()
        inline, self._inline = self._inline, None
        inline.close()
        self._hand_over()
        await self._writer.stop()
        os.close(self._lock)

    def _open(self) -> apsw.Connection:
        files.prepare(self.path)
        self._lock = files.lock(self.path)
        try:
            connection = open_writer(self.path, self._components)
            self._inline = open_reader(self.path)
        except BaseException:
            os.close(self._lock)
            raise
        return connection

    def _opened(self, result: Failure | None) -> None:
        starters, self._starters = self._starters, []
        if isinstance(result, Failure):
            self._fault = result.value if isinstance(result.value, Exception) else EngineError(str(result.value))
        for waiting in starters:
            if self._fault is None:
                waiting.callback(None)
            else:
                waiting.errback(self._fault)

    def _hand_over(self) -> None:
        """All jobs of one turn of the reactor at once: to wake the writer for each costs more than the wait for the others."""
        jobs, self._handing = self._handing, []
        if jobs:
            self._writer.put(jobs)

    def _answer(self, outcomes: list[Outcome]) -> None:
        self._reactor.callFromThread(self._deliver, outcomes, 0)

    def _deliver(self, outcomes: list[Outcome], first: int) -> None:
        """Answer from `first` on; a large group in several of the reactor's turns, since each answer sets a session to work."""
        end = perf_counter() + _SLICE_S
        for place in range(first, len(outcomes)):
            deferred, value, failed = outcomes[place]
            if failed:
                deferred.errback(value)
            else:
                deferred.callback(value)
            if perf_counter() > end and place + 1 < len(outcomes):
                self._reactor.callFromThread(self._deliver, outcomes, place + 1)
                return
