"""How connections share the reactor: what is ready at once is worked off in turns short enough for everybody else (I2)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

BUDGET_S = 0.002    # of work in one turn of the reactor; a twentieth of what I2 allows at worst, and thrice a message's work


class Turns:
    """One for all factories on a reactor. Work is begun at once while the reactor's present turn has time left, else in the next.

    Without it one turn serves every connection that is ready: twenty messages that end together are a delay of 10 ms for the
    timers, and for whoever connects just then.
    """

    def __init__(self, clock: IReactorTime, budget_s: float = BUDGET_S) -> None:
        self._clock = clock
        self._budget_s = budget_s
        self._spent = 0.0                       # in this turn of the reactor, and up to half of `budget_s` in those before
        self._since: float | None = None        # when the work under way began
        self._later: deque[Callable[[], object]] = deque()
        self._called = False                    # `_next` comes with the reactor's next turn

    @property
    def over(self) -> bool:
        """Whether this turn's time is used up: who has more to do asks for the next one."""
        spent = self._spent if self._since is None else self._spent + self._clock.seconds() - self._since
        return spent > self._budget_s

    def take(self, work: Callable[[], object]) -> None:
        """Do `work`, now or in one of the next turns, after what waits already. It must not raise."""
        if self._later or self._since is not None or self._spent > self._budget_s:
            self.later(work)
        else:
            self._do(work)

    def later(self, work: Callable[[], object]) -> None:
        """Do `work` in one of the next turns, not now: others are to have theirs."""
        self._later.append(work)
        self._call()

    def _do(self, work: Callable[[], object]) -> None:
        begun = self._since = self._clock.seconds()
        try:
            work()
        finally:
            self._since = None
            self._spent += self._clock.seconds() - begun
            if self._spent > self._budget_s / 2:        # to be called for each small piece of work costs as much as the work
                self._call()

    def _call(self) -> None:
        if not self._called:
            self._called = True
            self._clock.callLater(0, self._next)

    def _next(self) -> None:
        self._called = False
        self._spent = 0.0
        while self._later and self._spent <= self._budget_s:
            self._do(self._later.popleft())
        if self._later:
            self._call()
