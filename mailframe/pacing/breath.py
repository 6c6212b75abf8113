"""Long work in one coroutine, cut into slices that leave the reactor to others in between (I2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import TypeVar

T = TypeVar("T")

SLICE_S = 0.002     # I2: what one command may keep the reactor busy with before others have their turn


class Breath:
    """Lets the reactor go on when this command has worked for `SLICE_S` without a pause (I2)."""

    def __init__(self, seconds: Callable[[], float], turn: Callable[[], Awaitable[None]]) -> None:
        """`seconds` tells the time, ``await turn()`` lets everybody else have theirs."""
        self._seconds, self._turn = seconds, turn
        self._since = seconds()

    @property
    def due(self) -> bool:
        """Whether `take` would wait; to be asked first where messages are gone through one by one."""
        return self._seconds() - self._since >= SLICE_S

    async def take(self) -> None:
        if self.due:
            await self._turn()
            self._since = self._seconds()

    async def through(self, steps: Generator[None, None, T]) -> T:
        """What pure work that is cut into `steps` comes to."""
        while True:
            try:
                next(steps)
            except StopIteration as stop:
                value: T = stop.value
                return value
            await self.take()
