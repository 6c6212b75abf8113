"""An end to waiting for others, also for those who do not let themselves be cancelled."""

from __future__ import annotations

from collections.abc import Awaitable
from types import CoroutineType
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from mailframe.interfaces.maybe import begun, settled

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
    return await _waited(seconds, clock, work)


async def _waited(seconds: float, clock: IReactorTime, work: Deferred[T]) -> T:
    first: Deferred[T] = Deferred(lambda _: work.cancel())

    def late() -> None:
        work.cancel()
        if not first.called:
            first.errback(TimeoutError(f"no answer within {seconds:g} s"))

    timer = clock.callLater(seconds, late)

    def done(outcome: T | Failure) -> None:
        if timer.active():
            timer.cancel()
        elif isinstance(outcome, Failure):
            return                          # late: the end of its cancellation
        if not first.called:
            if isinstance(outcome, Failure):
                first.errback(outcome)
            else:
                first.callback(outcome)

    work.addBoth(done)
    return await first
