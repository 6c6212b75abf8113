"""The queue without a server: opened for one command, in the data folder that nobody else uses meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from mailframe.app.builtin import DATABASE
from mailframe.app.control import ControlError
from mailframe.app.tap import run_with_reactor
from mailframe.queue.spool import Spool
from mailframe.sqlite.content import SqliteContent
from mailframe.sqlite.engine import Engine


def with_spool(data: Path, act: Callable[[Spool], Awaitable[Any]]) -> Any:
    """What `act` returns. Raises ControlError when there is no queue to open."""
    if not data.is_dir():
        raise ControlError(f"There is no data folder {data}; name it with --config or --data.")

    async def main(reactor: Any) -> Any:
        spool, close = await _open_spool(data, reactor)
        try:
            return await act(spool)
        finally:
            await close()

    return run_with_reactor(main)


async def _open_spool(data: Path, reactor: Any) -> tuple[Spool, Any]:
    """(the queue in a data folder that no server uses, what closes it)."""
    engine = Engine(data / DATABASE, reactor)
    spool = Spool(engine, SqliteContent(engine, reactor), reactor)
    await spool.start()
    return spool, spool.close
