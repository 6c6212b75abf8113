"""An end to waiting for others, also for those who do not let themselves be cancelled."""

from __future__ import annotations

from collections.abc import Awaitable
from types import CoroutineType
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from mailframe.interfaces.maybe import settled

from .begun import begun

T = TypeVar("T")


async def within(seconds: float, clock: IReactorTime, answer: Awaitable[T]) -> T:
    """What `answer` comes to be. After `seconds` it is cancelled; raises TimeoutError unless it has something to say even then."""
    work: tuple[T] | Deferred[T]
    if type(answer) is CoroutineType:       # what the house itself answers
        work = begun(answer)
    else:
        work = answer if isinstance(answer, Deferred) else begun(settled(answer))
    if isinstance(work, tuple):
        return work[0]
    if work.called:
        return await work
    return await _Awaited(seconds, clock, work)


class _Awaited(Deferred[T]):
    """The result of `work`, or TimeoutError after `seconds`; until then to cancel this is to cancel `work`."""

    def __init__(self, seconds: float, clock: IReactorTime, work: Deferred[T]) -> None:
        super().__init__()
        self._seconds = seconds
        self._work = work
        self._timer = clock.callLater(seconds, self._late)
        work.addBoth(self._done)

    def cancel(self) -> None:
        """See Deferred."""
        if self.called:
            super().cancel()
        else:
            self._work.cancel()

    def _late(self) -> None:
        self._work.cancel()
        if not self.called:
            self.errback(TimeoutError(f"no answer within {self._seconds:g} s"))

    def _done(self, outcome: T | Failure) -> None:
        if self._timer.active():
            self._timer.cancel()
        elif isinstance(outcome, Failure):
            return                          # late: the end of its cancellation
        if not self.called:
            if isinstance(outcome, Failure):
                self.errback(outcome)
            else:
                self.callback(outcome)
