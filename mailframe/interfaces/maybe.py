"""What makes a plugin's plain value, Deferred and coroutine alike, and costs next to nothing where nobody has to wait."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine
from inspect import isawaitable
from types import CoroutineType
from typing import Any, TypeVar, overload

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

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
    return _Going(work, waiting)


class _Going(Deferred[T]):
    """The result of `work`, which waits for `waiting` now. As Deferred.fromCoroutine, which costs four times as much.

    To cancel it is to cancel what is waited for at that moment: then it is still for `work` to say what comes of it.
    """

    def __init__(self, work: Coroutine[Any, Any, T], waiting: Deferred[Any]) -> None:
        super().__init__()
        self._work = work
        self._waiting = waiting
        waiting.addBoth(self._go_on)

    def cancel(self) -> None:
        """See Deferred."""
        if self.called:
            super().cancel()
        else:
            self._waiting.cancel()

    def _go_on(self, result: Any) -> None:
        try:
            if isinstance(result, Failure):
                waiting: Deferred[Any] = result.throwExceptionIntoGenerator(self._work)  # type: ignore[no-untyped-call]
            else:
                waiting = self._work.send(result)
        except StopIteration as end:
            self.callback(end.value)
        except BaseException:
            self.errback()
        else:
            self._waiting = waiting
            waiting.addBoth(self._go_on)
