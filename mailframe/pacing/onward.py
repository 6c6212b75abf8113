"""A clock that never goes back: this machine's may be set, and what was forbidden until then must not last longer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer


@implementer(IReactorTime)
class Onward:
    """Another clock's time, which stands still for a moment where that one steps back. Not for what is kept beyond a restart."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._seconds = clock.seconds
        self._last: float = clock.seconds()
        self._lost = 0.0

    def seconds(self) -> float:
        now: float = self._seconds()
        if now < self._last:
            self._lost += self._last - now
        self._last = now
        return now + self._lost

    def callLater(self, delay: float, callable: Any, *args: Any, **kw: Any) -> IDelayedCall:
        return self._clock.callLater(delay, callable, *args, **kw)  # type: ignore[no-any-return]

    def getDelayedCalls(self) -> Sequence[IDelayedCall]:
        return self._clock.getDelayedCalls()  # type: ignore[no-any-return]
