"""What makes a plugin's plain value, Deferred and coroutine alike, and costs next to nothing where nobody has to wait."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Generator
from functools import partial
from inspect import isawaitable
from types import CoroutineType
from typing import Any, TypeVar, overload

from twisted.internet.defer import Deferred

T = TypeVar("T")


@overload
async def settled(answer: Awaitable[T]) -> T: ...


@overload
async def settled(answer: T) -> T: ...


async def settled(answer: Any) -> Any:
    """What `answer` is, or comes to be: ``await settled(plugin.method(...))`` at every seam."""
    if waits(answer):
        return await answer
    return answer


def waits(answer: object) -> bool:
    """Whether `answer` is to be awaited; quick for what the house itself answers."""
    return type(answer) is CoroutineType or (answer is not None and isawaitable(answer))


def begun(work: Coroutine[Any, Any, T]) -> tuple[T] | Deferred[T]:
    """Run `work` up to where it has to wait: (its result,), or the Deferred of it. Raises what it raises until then.

    Most work has nothing to wait for, and a Deferred costs as much as the work.
    """
    try:
        waiting = work.send(None)
    except StopIteration as end:
        return (end.value,)
    return Deferred.fromCoroutine(_continued(work, waiting))


def _continued(work: Coroutine[Any, Any, T], waiting: Any) -> Generator[Any, Any, T]:
    """Go on with `work`, which waits for the Deferred `waiting` now."""
    while True:
        try:
            result = yield waiting
        except Exception as error:
            go_on = partial(work.throw, error)
        else:
            go_on = partial(work.send, result)
        try:
            waiting = go_on()
        except StopIteration as end:
            outcome: T = end.value
            return outcome
