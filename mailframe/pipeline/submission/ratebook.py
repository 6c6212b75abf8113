"""Keeps the counts of `rates` in the database, so that a restart gives nobody a fresh start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apsw
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from mailframe.interfaces.plugin import ILifecycle
from mailframe.model.refusal import Refusal
from mailframe.sqlite.engine import Engine

from .rates import Rates

log = Logger()

MIGRATIONS = (
    "CREATE TABLE sent_counts (account TEXT NOT NULL, kind INTEGER NOT NULL, number INTEGER NOT NULL, current INTEGER NOT NULL,"
    " previous INTEGER NOT NULL, PRIMARY KEY (account, kind)) WITHOUT ROWID",
)
Row = tuple[str, int, int, int, int]


@implementer(ILifecycle)
class RateBook:
    """Writes what has changed, all of it at once, every `save_s` while something does."""

    def __init__(self, rates: Rates, engine: Engine, clock: IReactorTime, save_s: float) -> None:
        self._rates = rates
        self._engine = engine
        self._clock = clock
        self._save_s = save_s
        self._next: IDelayedCall | None = None
        self._open = False
        self._failing = False
        engine.register("sent counts", MIGRATIONS)
        rates.listener = self.note

    async def start(self) -> None:
        """Raises EngineError."""
        await self._engine.start()
        self._rates.restore(await self._engine.query("SELECT account, kind, number, current, previous FROM sent_counts", bulk=True))
        self._rates.forget()
        self._open = True

    def note(self) -> None:
        """Something has changed."""
        if self._next is None and self._open:
            self._next = self._clock.callLater(self._save_s, self._save)

    async def close(self) -> None:
        """Writes what is not written yet. Doing it again does nothing."""
        if self._open:
            self._open = False
            if self._next is not None:
                self._next.cancel()
                self._next = None
            await self._write()

    def _save(self) -> None:
        self._next = None
        self._rates.forget()
        Deferred.fromCoroutine(self._write())

    async def _write(self) -> None:
        """A failure costs no mail: it is tried again."""
        accounts, self._rates.changed = self._rates.changed, set()
        if not accounts:
            return
        rows = [row for account in accounts for row in self._rates.rows(account)]
        try:
            await self._engine.submit(_job(sorted(accounts), rows))
        except Exception as error:
            if not isinstance(error, Refusal):
                log.failure("saving how much accounts have sent failed")
            elif not self._failing:             # said once, though it is tried again and again
                log.warn("how much accounts have sent cannot be saved now: {why}", why=str(error))
            self._failing = True
            self._rates.changed |= accounts
            self.note()
        else:
            self._failing = False


def _job(accounts: Sequence[str], rows: Sequence[Row]) -> Any:
    def run(connection: apsw.Connection) -> None:
        connection.executemany("DELETE FROM sent_counts WHERE account = ?", [(account,) for account in accounts])
        connection.executemany("INSERT INTO sent_counts VALUES (?, ?, ?, ?, ?)", rows)

    return run
