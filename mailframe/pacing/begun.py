"""Work that mostly has nothing to wait for: begun at once, and a Deferred only of what has to wait after all."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

T = TypeVar("T")


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
    """The result of `work`, which waits for `waiting` now. As Deferred.fromCoroutine, which takes no work that has begun.

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
