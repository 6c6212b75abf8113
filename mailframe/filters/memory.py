"""What is remembered for a while, of a bounded number of keys: a flood of them pushes out the eldest."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

V = TypeVar("V")
DOUBT_S = 30.0      # that DNS could not say is remembered for so long: while it is away, not every message waits for it


class Memory(Generic[V]):
    """The latest `most` keys, each until a time of its own; what has lapsed goes when it is asked for, or pushed out."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Hashable, tuple[float, V]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable, now: float) -> V | None:
        found = self._kept.get(key)
        if found is None:
            return None
        if found[0] <= now:
            del self._kept[key]
            return None
        return found[1]

    def left(self, key: Hashable, now: float) -> float:
        """For how many seconds more it is remembered; 0.0: it is not."""
        found = self._kept.get(key)
        return 0.0 if found is None else max(0.0, found[0] - now)

    def put(self, key: Hashable, value: V, until: float) -> None:
        self._kept[key] = until, value
        self._kept.move_to_end(key)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def forget(self, key: Hashable) -> bool:
        """Whether there was anything to forget."""
        return self._kept.pop(key, None) is not None
