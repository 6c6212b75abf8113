"""A turn of the reactor ends soon, however many connections are ready (I2)."""

from __future__ import annotations

import socket

import pytest

from mailframe.pacing.events import MOST, few_at_once

epollreactor = pytest.importorskip("twisted.internet.epollreactor")


class Counted:
    """Something to read from, which is never read: always ready."""

    def __init__(self, sock: socket.socket, turn: list[object]) -> None:
        self._sock, self._turn = sock, turn

    def fileno(self) -> int:
        return self._sock.fileno()

    def logPrefix(self) -> str:
        return "counted"

    def doRead(self) -> None:
        self._turn.append(self)

    def connectionLost(self, reason: object) -> None:
        raise AssertionError(reason)


def test_some_in_each_turn_and_everybody_soon() -> None:
    reactor = epollreactor.EPollReactor()
    assert few_at_once(reactor) and not few_at_once(reactor)
    turn: list[object] = []
    pairs = [socket.socketpair() for _ in range(3 * MOST)]
    for mine, theirs in pairs:
        theirs.send(b"x")
        reactor.addReader(Counted(mine, turn))
    try:
        served: set[object] = set()
        for _ in range(6):
            turn.clear()
            reactor.doIteration(0)
            assert len(turn) <= MOST
            served |= set(turn)
        assert len(served) == len(pairs)
    finally:
        reactor.removeAll()
        reactor._poller.close()
        for pair in pairs:
            for each in pair:
                each.close()


def test_another_reactor_is_left_alone() -> None:
    assert not few_at_once(object())
