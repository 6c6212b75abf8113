"""How much a reactor takes up in one turn: of 2,000 connections that are ready, some; then timers have theirs (I2)."""

from __future__ import annotations

import select
from typing import Any

MOST = 16       # events: 0.25 ms of reading, 2 of connections that begin or end, 10 of handshakes; a turn costs 20 us


class _Few:
    """An epoll object that tells of at most `MOST` events at a time. The kernel hands out the others next, in their order."""

    def __init__(self, poller: select.epoll) -> None:
        self._poll = poller.poll
        self.register, self.modify, self.unregister = poller.register, poller.modify, poller.unregister
        self.close, self.fileno = poller.close, poller.fileno

    def poll(self, timeout: float | None = None, maxevents: int = -1) -> list[tuple[int, int]]:
        return self._poll(timeout, min(maxevents, MOST) if maxevents > 0 else MOST)


def few_at_once(reactor: Any) -> bool:
    """Make it so for Twisted's epoll reactor, which asks for as many events as it has connections; False: it is another one."""
    poller = getattr(reactor, "_poller", None)
    if not isinstance(poller, select.epoll):
        return False
    reactor._poller = _Few(poller)
    return True
