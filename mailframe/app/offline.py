"""The queue and the mailboxes without a server: opened for one command, in the data folder that nobody else uses meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from mailframe.app.build import mailboxes
from mailframe.app.builtin import DATABASE
from mailframe.app.chosen import identity
from mailframe.app.config import Config
from mailframe.app.control import ControlError
from mailframe.app.explain import explained
from mailframe.app.placed import placing
from mailframe.app.tap import run_with_reactor
from mailframe.app.transfercontrol import Mail
from mailframe.interfaces.maybe import settled
from mailframe.interfaces.plugin import ILifecycle
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


def with_mail(config: Config, act: Callable[[Mail], Awaitable[Any]]) -> Any:
    """What `act` returns, given the configured storage and directory, opened. Raises ControlError when they cannot be."""
    if not config.data.is_dir():
        raise ControlError(f"There is no data folder {config.data}; name it with --config or --data.")

    async def main(reactor: Any) -> Any:
        with placing(config):
            context, outside = mailboxes(config, reactor)
            directory = identity(config, context)[2]
        opened: list[Any] = []
        try:
            files = [outside] if outside is not None else []
            for part in (*files, context.store, *([directory] if ILifecycle.providedBy(directory) else [])):
                opened.append(part)
                await _begun(part)
            return await act(Mail(reactor, config.data, context.store, directory, context.fresh))
        finally:
            for part in reversed(opened):
                await settled(part.close())

    return run_with_reactor(main)


async def _begun(part: Any) -> None:
    try:
        await settled(part.start())
    except Exception as error:
        raise ControlError(explained(error)) from error


async def _open_spool(data: Path, reactor: Any) -> tuple[Spool, Any]:
    """(the queue in a data folder that no server uses, what closes it)."""
    engine = Engine(data / DATABASE, reactor)
    spool = Spool(engine, SqliteContent(engine, reactor), reactor)
    await spool.start()
    return spool, spool.close
