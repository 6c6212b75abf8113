"""What the accounts and folders of one store share."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twisted.internet.defer import DeferredLock

from mailframe.stores.sqlite import SqliteStore
from mailframe.stores.sqlite.parts import Parts

from .disk import Disk
from .names import Namer
from .reading import OpenFiles


@dataclass(frozen=True, slots=True)
class Shared:
    """`index` has all tables; `root` is the folder of all accounts; files' times are the system's, never the clock's."""

    index: SqliteStore
    disk: Disk
    namer: Namer
    open_files: OpenFiles
    root: Path
    layout: str

    @property
    def parts(self) -> Parts:
        return self.index.parts

    @property
    def engine(self) -> Any:
        return self.index.engine

    def now(self) -> int:
        """Seconds since the epoch, for what is written down."""
        return int(self.parts.clock.seconds())

    def system_ns(self) -> int:
        """Nanoseconds, by the clock that dates directories."""
        return time.time_ns()


@asynccontextmanager
async def held(lock: DeferredLock) -> AsyncIterator[None]:
    """Nobody else meanwhile."""
    await lock.acquire()
    try:
        yield
    finally:
        lock.release()
