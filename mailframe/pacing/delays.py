"""The same delay for many: what each connection waits for as long as every other one, of which the clock knows one call."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Delays:
    """Calls that are each to come `seconds` after they were begun. Shared by all connections of a kind.

    A reactor's own calls are sorted with all others that wait, for each connection that comes and goes. These are in order
    as they are.
    """

    def __init__(self, clock: IReactorTime, seconds: float) -> None:
        self.seconds = seconds
        self._clock = clock
        self._due: OrderedDict[Callable[[], object], float] = OrderedDict()
        self._timer: IDelayedCall | None = None      # while there is anything in `_due`

    def __len__(self) -> int:
        return len(self._due)

    def begin(self, work: Callable[[], object]) -> None:
        """Let `work` be called after the delay; if it waits already, the delay begins anew. It must not raise."""
        self._due[work] = self._clock.seconds() + self.seconds
        self._due.move_to_end(work)
        self._arm()

    def end(self, work: Callable[[], object]) -> None:
        """It is not to be called any more; nothing, if it does not wait."""
        if self._due.pop(work, None) is not None and not self._due and self._timer is not None and self._timer.active():
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if self._timer is None and self._due:
            left = next(iter(self._due.values())) - self._clock.seconds()
            self._timer = self._clock.callLater(max(0.0, left), self._ring)

    def _ring(self) -> None:
        """Of those that are waited for while it runs, `_timer` knows nothing until it has come to its end."""
        now = self._clock.seconds()
        try:
            while self._due and next(iter(self._due.values())) <= now:
                self._due.popitem(last=False)[0]()
        finally:
            self._timer = None
            self._arm()
