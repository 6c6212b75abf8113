"""Counting over a sliding window with two numbers: this window's count, and the fading rest of the last one's [pure]."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

HOUR_S = 3_600.0
DAY_S = 86_400.0


@dataclass(slots=True)
class Window:
    """Counts in windows of `length_s` that begin at its multiples. What happened in the window before is taken to have been
    spread evenly over it, so that nobody gets twice the limit around a window's border."""

    length_s: float
    number: int = 0          # of the window that `current` counts in
    current: int = 0
    previous: int = 0

    def level(self, now: float) -> float:
        """About how many there were in the last `length_s`."""
        self._roll(now)
        return self.current + self.previous * (1.0 - self._passed(now))

    def add(self, count: int, now: float) -> None:
        """A negative `count` takes back what was added."""
        self._roll(now)
        self.current = max(0, self.current + count)

    def wait_s(self, count: int, limit: int, now: float) -> float:
        """How long until `count` more stay within `limit`, which is at least `count`; 0.0: now."""
        if self.level(now) + count <= limit:
            return 0.0
        begun = self.number * self.length_s
        if self.previous and self.current + count <= limit:
            return begun + self.length_s * (1.0 - (limit - count - self.current) / self.previous) - now
        fading = 1.0 - (limit - count) / self.current if self.current else 0.0
        return begun + self.length_s * (1.0 + max(0.0, fading)) - now

    def over(self, now: float) -> bool:
        """Whether it counts nothing any more."""
        self._roll(now)
        return not (self.current or self.previous)

    def _roll(self, now: float) -> None:
        number = floor(now / self.length_s)
        if number > self.number:
            self.previous = self.current if number == self.number + 1 else 0
            self.current, self.number = 0, number

    def _passed(self, now: float) -> float:
        """How much of this window is over, 0.0 to 1.0; a clock that was set back leaves it full."""
        return min(1.0, max(0.0, now / self.length_s - self.number))
