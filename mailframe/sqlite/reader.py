"""A thread with a reading connection of its own, for reads that would hold up the reactor."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from time import perf_counter
from typing import Any

import apsw
from twisted.internet.defer import Deferred

from .committer import Outcome

Question = tuple[str, tuple[Any, ...], "Deferred[list[tuple[Any, ...]]]"]

_SLOW_S = 0.001     # a warm point read takes 8 us, a thread and back 100; a read over this is waiting for a disk
_MEMORY = 31        # so many recent reads vote
_ALL = (1 << _MEMORY) - 1


class Pace:
    """Whether the recent median of reads is slow. Two threads take notes; that one may get lost among 31 harms nobody."""

    def __init__(self) -> None:
        self.slow = False
        self._recent = 0                # one bit for each, the latest lowest

    def note(self, seconds: float) -> None:
        if self._recent or seconds > _SLOW_S:
            self._recent = (self._recent << 1 | (seconds > _SLOW_S)) & _ALL
            self.slow = self._recent.bit_count() * 2 > _MEMORY


class Reader:
    """Answers questions one after the other in a thread that is begun at the first one."""

    def __init__(
        self, connect: Callable[[], apsw.Connection], answer: Callable[[list[Outcome]], None], name: str, pace: Pace,
    ) -> None:
        self._connect = connect
        self._answer = answer
        self._pace = pace
        self._waiting: SimpleQueue[Question | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"{name}-reader", daemon=True)
        self._stopped: Deferred[Any] = Deferred()

    def ask(self, sql: str, parameters: tuple[Any, ...]) -> Deferred[list[tuple[Any, ...]]]:
        deferred: Deferred[list[tuple[Any, ...]]] = Deferred()
        if self._thread.ident is None:
            self._thread.start()
        self._waiting.put((sql, parameters, deferred))
        return deferred

    def stop(self) -> Deferred[None]:
        """Answer what waits; fires when the connection is closed."""
        if self._thread.ident is None:
            self._stopped.callback(None)
        else:
            self._waiting.put(None)
        return self._stopped

    def _run(self) -> None:
        connection: apsw.Connection | None = None
        while (question := self._waiting.get()) is not None:
            sql, parameters, deferred = question
            try:
                connection = connection or self._connect()
                begun = perf_counter()
                rows = connection.execute(sql, parameters).fetchall()
                self._pace.note((perf_counter() - begun) / (1 + len(rows) // 1_000))
            except Exception as error:
                self._answer([(deferred, error, True)])
            else:
                self._answer([(deferred, rows, False)])
        if connection is not None:
            connection.close()
        self._answer([(self._stopped, None, False)])
