"""Connections kept for the next message, and how many deliveries go to one destination at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import Deferred, DeferredSemaphore, gatherResults

from mailframe.smtp.client import SmtpClient

from .connect import Target
from .settings import RelaySettings


class Pool:
    """Connections by target. Between `take` and `give` a connection is the caller's alone."""

    def __init__(self, connect: Callable[[Target], Awaitable[SmtpClient]], clock: Any, settings: RelaySettings) -> None:
        self._connect = connect
        self._clock = clock
        self._settings = settings
        self._idle: dict[Target, list[tuple[SmtpClient, Any]]] = {}     # with the timer that ends each; the youngest is last
        self._count = 0
        self._leaving: set[Deferred[None]] = set()
        self._closing = False

    @property
    def idle(self) -> int:
        """How many connections are kept now."""
        return self._count

    def keeps(self, host: str) -> bool:
        """Whether there is a connection to `host` (a name) to be had at once."""
        return any(target.host == host for target in self._idle)

    async def take(self, target: Target, *, fresh: bool = False) -> SmtpClient:
        """A kept connection (`sent` > 0) or, with `fresh` or where there is none, a new one. Raises HopFailed."""
        while not fresh and (kept := self._idle.get(target)):
            client, timer = kept.pop()
            self._forget(target, timer)
            if client.usable:
                return client
            self._leave(client)
        return await self._connect(target)

    def give(self, target: Target, client: SmtpClient) -> None:
        """Back it goes: to be kept if it is still good, else to be closed."""
        good = client.usable and not client.used_up and client.sent < self._settings.messages_per_connection
        if not good or self._closing or self._count >= self._settings.max_idle:
            self._leave(client)
            return
        entry = (client, self._clock.callLater(self._settings.idle_s, self._expire, target, client))
        self._idle.setdefault(target, []).append(entry)
        self._count += 1
        client.closed.addCallback(lambda _: self._expire(target, client))

    async def close(self) -> None:
        """Take leave on all kept connections, and on those given back from now on."""
        self._closing = True
        for target, kept in list(self._idle.items()):
            for client, _ in list(kept):
                self._expire(target, client)
        while self._leaving:
            await gatherResults([_echo(done) for done in self._leaving])

    def _expire(self, target: Target, client: SmtpClient) -> None:
        kept = self._idle.get(target, [])
        for entry in kept:
            if entry[0] is client:
                kept.remove(entry)
                self._forget(target, entry[1])
                self._leave(client)
                return

    def _forget(self, target: Target, timer: Any) -> None:
        self._count -= 1
        if timer.active():
            timer.cancel()
        if not self._idle[target]:
            del self._idle[target]

    def _leave(self, client: SmtpClient) -> None:
        done = Deferred.fromCoroutine(client.quit())
        self._leaving.add(done)

        def left(result: None) -> None:
            self._leaving.discard(done)

        done.addCallback(left)


class Gates:
    """At most `limit` at once through the gate of one destination; the others wait in order."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._gates: dict[str, tuple[DeferredSemaphore, list[int]]] = {}

    async def enter(self, destination: str) -> None:
        gate, users = self._gates.setdefault(destination, (DeferredSemaphore(self._limit), [0]))
        users[0] += 1
        try:
            await gate.acquire()
        except BaseException:
            self._left(destination)
            raise

    def leave(self, destination: str) -> None:
        self._gates[destination][0].release()
        self._left(destination)

    def _left(self, destination: str) -> None:
        users = self._gates[destination][1]
        users[0] -= 1
        if not users[0]:
            del self._gates[destination]


def _echo(done: Deferred[None]) -> Deferred[None]:
    """A Deferred of its own for the same end, so that waiting for it disturbs nobody."""
    echo: Deferred[None] = Deferred()

    def tell(result: None) -> None:
        echo.callback(None)

    done.addCallback(tell)
    return echo
