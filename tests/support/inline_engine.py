"""The SQLite engine without threads: every job runs at once, so that days of retries are one synchronous test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import apsw
from twisted.internet.defer import Deferred, fail, succeed

from mailframe.sqlite.rows import Row, fetch


class InlineEngine:
    """Has the methods of `mailframe.sqlite.engine.Engine`; `broken` makes every job fail with it."""

    def __init__(self, path: str = ":memory:") -> None:
        self.path = Path(path)
        self.connection = apsw.Connection(path)
        self.broken: Exception | None = None
        self.jobs = 0
        self.slow = False

    def register(self, component: str, migrations: Sequence[Any]) -> None:
        for step in migrations:
            if callable(step):
                step(self.connection)
            else:
                self.connection.execute(step)

    async def start(self) -> None:
        return None

    async def close(self) -> None:
        return None

    def submit(self, job: Callable[[apsw.Connection], Any], size: int = 0) -> Deferred[Any]:
        if self.broken is not None:
            return fail(self.broken)
        self.jobs += 1
        try:
            with self.connection:
                return succeed(job(self.connection))
        except Exception as error:
            return fail(error)

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        return fetch(self.connection, sql, parameters)

    async def query(self, sql: str, parameters: Sequence[Any] = (), *, bulk: bool = False) -> list[Row]:
        return self.read(sql, parameters)

    async def read_async(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        return self.read(sql, parameters)
