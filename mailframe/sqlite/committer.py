"""The one thread that writes: it takes all jobs that wait, commits them together, and answers them together."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from queue import Empty, SimpleQueue
from typing import Any

import apsw
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from .bundle import Bundled
from .errors import refusal_for

log = Logger()

Job = Callable[[apsw.Connection], Any]
Waiting = tuple[Job, int, "Deferred[Any]"]
#: (whom to answer, what with, whether it is a failure)
Outcome = tuple["Deferred[Any]", Any, bool]


@dataclass(frozen=True, slots=True)
class WriterLimits:
    """How much is committed at once."""

    jobs: int = 500                 # a commit costs about 0.3 ms; beyond this the first of a group waits longer than it saves
    octets: int = 8 * 2**20         # the same for large messages
    checkpoint_pages: int = 1_000   # 4 MB of log: checkpointed in a few ms, after the answers


class Writer:
    """Runs jobs in groups of one transaction, each in a SAVEPOINT of its own, so that a failing job fails alone."""

    def __init__(
        self, connect: Callable[[], apsw.Connection], answer: Callable[[list[Outcome]], None], name: str, limits: WriterLimits,
    ) -> None:
        self.commits = 0
        self.jobs = 0
        self._connect = connect
        self._answer = answer
        self._limits = limits
        self._waiting: SimpleQueue[list[Waiting] | None] = SimpleQueue()
        self._taken: deque[Waiting] = deque()           # from there, and beyond the last group's limits
        self._log_pages = 0
        self._checkpoint_at = limits.checkpoint_pages
        self._started: Deferred[Any] = Deferred()
        self._stopped: Deferred[Any] = Deferred()
        self._thread = threading.Thread(target=self._run, name=f"{name}-writer", daemon=True)

    def start(self) -> Deferred[None]:
        """Fires when the connection is open; fails with what `connect` raised, and then the thread is gone."""
        self._thread.start()
        return self._started

    def put(self, jobs: list[Waiting]) -> None:
        """To be done in their order; the list is the writer's from now on."""
        self._waiting.put(jobs)

    def stop(self) -> Deferred[None]:
        """Finish what waits; fires when everything is closed."""
        self._waiting.put(None)
        return self._stopped

    def _run(self) -> None:
        try:
            connection = self._connect()
        except Exception as error:
            self._answer([(self._started, error, True)])
            return
        connection.wal_autocheckpoint(0)        # not in a commit that somebody waits for
        self._answer([(self._started, None, False)])
        more = True
        while more:
            group, more = self._take()
            if group:
                self._answer(self._commit(connection, group))
                self._checkpoint(connection)
        self._close(connection)

    def _take(self) -> tuple[list[Waiting], bool]:
        """All that wait, within the limits; and whether to go on after them."""
        taken, more = self._taken, True
        try:
            while more and len(taken) < self._limits.jobs:
                jobs = self._waiting.get_nowait() if taken else self._waiting.get()
                if jobs is None:
                    more = False
                else:
                    taken.extend(jobs)
        except Empty:
            pass
        group: list[Waiting] = []
        size = 0
        while taken and len(group) < self._limits.jobs and size < self._limits.octets:
            group.append(taken.popleft())
            size += group[-1][1]
        if taken and not more:
            self._waiting.put(None)     # to be found again after what is left
            more = True
        return group, more

    def _commit(self, connection: apsw.Connection, group: list[Waiting]) -> list[Outcome]:
        try:
            connection.execute("BEGIN IMMEDIATE")
            outcomes = self._run_alone(connection, group[0]) if len(group) == 1 else self._run_group(connection, group)
            connection.execute("COMMIT")
        except Exception as error:
            self._undo(connection)
            if isinstance(error, apsw.FullError) and len(group) > 1:    # what is small may fit where the large does not
                return [outcome for waiting in group for outcome in self._commit(connection, [waiting])]
            fault = refusal_for(error, connection.filename) if isinstance(error, apsw.Error) else error
            return [(deferred, fault, True) for _, _, deferred in group]
        self.commits += 1
        self.jobs += len(group)
        return outcomes

    def _undo(self, connection: apsw.Connection) -> None:
        if connection.in_transaction:
            try:
                connection.execute("ROLLBACK")
            except apsw.Error as error:     # the next BEGIN will say so again, to those whom it concerns
                log.error("cannot roll back: {error}", error=error)

    def _run_alone(self, connection: apsw.Connection, waiting: Waiting) -> list[Outcome]:
        job, _, deferred = waiting
        return [(deferred, job(connection), False)]

    def _run_group(self, connection: apsw.Connection, group: list[Waiting]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for together, jobs in groupby(group, _together):
            alike = list(jobs)
            if together is None or len(alike) == 1:
                outcomes += [self._run_one(connection, *each) for each in alike]
            elif len(alike) == len(group):
                outcomes = self._run_whole(connection, together, group)
            else:
                outcomes += self._run_bundle(connection, together, alike)
        return outcomes

    def _run_one(self, connection: apsw.Connection, job: Job, size: int, deferred: Deferred[Any]) -> Outcome:
        connection.execute("SAVEPOINT job")
        try:
            outcome: Outcome = (deferred, job(connection), False)
        except Exception as error:
            if not connection.in_transaction:       # SQLite gave up the whole of it: full disk, input/output error
                raise
            connection.execute("ROLLBACK TO job")
            outcome = (deferred, refusal_for(error, connection.filename) if isinstance(error, apsw.Error) else error, True)
        connection.execute("RELEASE job")
        return outcome

    def _run_whole(self, connection: apsw.Connection, together: Callable[..., Any], group: list[Waiting]) -> list[Outcome]:
        """A group that is all of one kind, which needs no SAVEPOINT: the transaction is one. If that fails, each alone."""
        try:
            return _bundled(connection, together, group)
        except Exception:
            if not connection.in_transaction:
                raise
            connection.execute("ROLLBACK")
            connection.execute("BEGIN IMMEDIATE")
            return [self._run_one(connection, *each) for each in group]

    def _run_bundle(self, connection: apsw.Connection, together: Callable[..., Any], jobs: list[Waiting]) -> list[Outcome]:
        """Those of one kind among others in one SAVEPOINT; if that fails, each alone, so that the bad one is refused alone."""
        connection.execute("SAVEPOINT bundle")
        try:
            outcomes = _bundled(connection, together, jobs)
        except Exception:
            if not connection.in_transaction:
                raise
            connection.execute("ROLLBACK TO bundle")
            outcomes = [self._run_one(connection, *each) for each in jobs]
        connection.execute("RELEASE bundle")
        return outcomes

    def _checkpoint(self, connection: apsw.Connection) -> None:
        """Copy the log back, when it is long. A reader may keep part of it; then wait until it has grown as much again."""
        # A hook on commits would tell as much, but each call of it waits for the interpreter.
        self._log_pages += connection.status(apsw.SQLITE_DBSTATUS_CACHE_WRITE, True)[0]
        if self._log_pages < self._checkpoint_at:
            return
        try:
            total, done = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.Error as error:             # what was answered is safe in the log
            log.warn("checkpoint failed, will be tried again: {error}", error=error)
            total, done = self._log_pages, 0
        self._log_pages = total if done < total else 0
        self._checkpoint_at = self._limits.checkpoint_pages + self._log_pages

    def _close(self, connection: apsw.Connection) -> None:
        try:
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            connection.close()
        except apsw.Error as error:             # the log is replayed at the next start
            log.warn("database closed without a last checkpoint: {error}", error=error)
        self._answer([(self._stopped, None, False)])


def _together(waiting: Waiting) -> Callable[..., Any] | None:
    job = waiting[0]
    return job.together if isinstance(job, Bundled) else None


def _bundled(connection: apsw.Connection, together: Callable[..., Any], jobs: list[Waiting]) -> list[Outcome]:
    results = together(connection, [job.item for job, _, _ in jobs if isinstance(job, Bundled)])
    return [(deferred, job.finish(result), False)
            for (job, _, deferred), result in zip(jobs, results, strict=True) if isinstance(job, Bundled)]
