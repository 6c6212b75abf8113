"""A sweep that comes back every minute, until its engine is closed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from mailframe.model.refusal import Refusal

from .errors import EngineError

log = Logger()

_EVERY_S = 60.0


class Sweeper:
    """Calls `sweep`, never twice at once. A sweep that fails is logged as one of `what`, and the next one comes."""

    def __init__(self, what: str, sweep: Callable[[], Awaitable[object]], clock: IReactorTime) -> None:
        self._what = what
        self._sweep = sweep
        self._calls = LoopingCall(self._safely)
        self._calls.clock = clock

    @property
    def running(self) -> bool:
        return self._calls.running

    def start(self) -> None:
        """Again: does nothing."""
        if not self.running:
            self._calls.start(_EVERY_S, now=False).addErrback(lambda failure: log.failure("sweeping ended", failure))

    def stop(self) -> None:
        """Before the engine is closed. Again: does nothing."""
        if self.running:
            self._calls.stop()

    async def _safely(self) -> None:
        try:
            await self._sweep()
        except EngineError as closed:
            log.debug("no more sweeping: {closed}", closed=closed)
        except Refusal as refusal:
            log.warn("sweeping {what} failed, will be tried again: {why}", what=self._what, why=str(refusal))
        except Exception:
            log.failure("sweeping {what} failed, will be tried again", what=self._what)
