"""An end to waiting."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from mailframe.pacing.deadline import within


def started(clock: Clock, answer: Any) -> tuple[Deferred[Any], list[Any]]:
    found: list[Any] = []
    waiting = Deferred.fromCoroutine(within(10, cast(IReactorTime, clock), answer))
    waiting.addBoth(lambda outcome: found.append(outcome.value if isinstance(outcome, Failure) else outcome))
    return waiting, found


def test_an_answer_in_time_is_the_answer_and_leaves_no_timer() -> None:
    clock = Clock()
    answer: Deferred[int] = Deferred()
    _, found = started(clock, answer)
    answer.callback(7)
    assert found == [7] and not clock.getDelayedCalls()
    assert started(clock, succeed(8))[1] == [8] and not clock.getDelayedCalls()
    failing: Deferred[int] = Deferred()
    _, found = started(clock, failing)
    failing.errback(ValueError("x"))
    assert isinstance(found[0], ValueError) and not clock.getDelayedCalls()


def test_no_answer_is_an_error_and_its_work_is_cancelled() -> None:
    clock = Clock()
    cancelled: list[bool] = []
    _, found = started(clock, Deferred(lambda _: cancelled.append(True)))
    clock.advance(10)
    assert isinstance(found[0], TimeoutError) and cancelled == [True]


def test_who_has_something_to_say_when_cancelled_is_heard() -> None:
    async def partly() -> str:
        try:
            await Deferred()
        except CancelledError:
            return "what was done so far"
        return ""

    clock = Clock()
    _, found = started(clock, partly())
    clock.advance(10)
    assert found == ["what was done so far"]


def test_who_waits_can_be_cancelled_too() -> None:
    clock = Clock()
    cancelled: list[bool] = []
    waiting, found = started(clock, Deferred(lambda _: cancelled.append(True)))
    waiting.cancel()
    assert isinstance(found[0], CancelledError) and cancelled == [True] and not clock.getDelayedCalls()
