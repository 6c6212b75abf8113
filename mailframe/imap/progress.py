"""What a client is told while it waits for a long command (RFC 9585)."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from . import writer

#: Called with how many messages are done.
Passed = Callable[[int], None]


def untold(done: int) -> None:
    """A `Passed` for work that nobody waits for."""


class Progress:
    """One for each command that turned out to be long; its timer is the only cost, and short commands have none."""

    __slots__ = ("_clock", "_done", "_period_s", "_say", "_tag", "_timer", "_total")

    def __init__(self, tag: bytes, clock: IReactorTime, period_s: float, say: Callable[[bytes], None]) -> None:
        """`say` gets a whole untagged response without ``* `` every `period_s`."""
        self._tag = b"NIL" if b"]" in tag else writer.quoted(tag)       # RFC 9585 section 4
        self._clock, self._period_s, self._say = clock, period_s, say
        self._done = self._total = 0
        self._timer: IDelayedCall = clock.callLater(period_s, self._tell)

    def at(self, done: int, total: int) -> None:
        self._done, self._total = done, total

    def _tell(self) -> None:
        self._timer = self._clock.callLater(self._period_s, self._tell)
        if self._total > self._done:
            state = b"%d %d" % (self._done, self._total)
            words = b"%d%% done" % (100 * self._done // self._total)
        elif self._done:
            state, words = b"%d NIL" % self._done, b"%d done" % self._done
        else:
            state, words = b"NIL NIL", b"Still working"
        self._say(b"OK [INPROGRESS (%b %b)] %b" % (self._tag, state, words))

    def end(self) -> None:
        self._timer.cancel()
