"""How much somebody has done lately: levels that rise with each deed and sink with time, of a bounded number of keys."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable


class Levels:
    """Levels that sink by one in `forgive_s` seconds, of the latest `most` keys.

    Of N deeds in a period that are to be allowed at once, and N in each period then: `forgive_s` is period / N, and a deed
    is allowed while the level, with it, is not above N.
    """

    def __init__(self, forgive_s: float, most: int) -> None:
        self._forgive_s = forgive_s
        self._most = most
        self._levels: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()     # (level, when it was that)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._levels

    def __len__(self) -> int:
        return len(self._levels)

    def level(self, key: Hashable, now: float) -> float:
        """`now` is in seconds of a clock that never goes back (`onward.Onward`)."""
        level, since = self._levels.get(key, (0.0, now))
        return max(0.0, level - (now - since) / self._forgive_s)

    def add(self, key: Hashable, now: float, more: float) -> float:
        """Returns the new level."""
        level = self.level(key, now) + more
        self._levels[key] = level, now
        self._levels.move_to_end(key)
        if len(self._levels) > self._most:
            self._levels.popitem(last=False)
        return level

    def take(self, key: Hashable, now: float, limit: float) -> bool:
        """Add one deed, unless the level would rise above `limit`; whether it was added."""
        found = self._levels.get(key)
        level = 1.0
        if found is not None:
            level += max(0.0, found[0] - (now - found[1]) / self._forgive_s)
            if level > limit + _ROUNDING:
                return False
            self._levels[key] = level, now
            self._levels.move_to_end(key)
            return True
        if level > limit:
            return False
        self._levels[key] = level, now
        if len(self._levels) > self._most:
            self._levels.popitem(last=False)
        return True

    def forget(self, key: Hashable) -> bool:
        """Whether there was anything to forget."""
        return self._levels.pop(key, None) is not None


_ROUNDING = 1e-6    # of a deed: after exactly one period exactly as many are allowed again
