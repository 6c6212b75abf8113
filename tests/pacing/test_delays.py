"""Many calls after the same delay, of which the clock knows one."""

from __future__ import annotations

from typing import cast

import pytest
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock

from mailframe.pacing.delays import Delays


class Waiting:
    """Of several: who was called, and when."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.delays = Delays(cast(IReactorTime, self.clock), 10)
        self.called: list[tuple[str, float]] = []

    def one(self, name: str) -> Caller:
        return Caller(self, name)


class Caller:
    def __init__(self, world: Waiting, name: str) -> None:
        self._world, self._name = world, name

    def call(self) -> None:
        self._world.called.append((self._name, self._world.clock.seconds()))
        if self._name == "bad":
            raise ValueError("bad")


def test_each_is_called_after_its_own_delay_and_the_clock_knows_one_call() -> None:
    world = Waiting()
    for name in "abc":
        world.delays.begin(world.one(name).call)
        world.clock.advance(3)
    assert len(world.clock.getDelayedCalls()) == 1 and len(world.delays) == 3
    world.clock.pump([1] * 10)
    assert world.called == [("a", 10), ("b", 13), ("c", 16)]
    assert not world.clock.getDelayedCalls() and not len(world.delays)


def test_who_does_not_wait_any_more_is_not_called_and_leaves_nothing() -> None:
    world = Waiting()
    first, second = world.one("a").call, world.one("b").call
    world.delays.begin(first)
    world.clock.advance(5)
    world.delays.begin(second)
    world.delays.end(first)
    world.clock.advance(5)
    assert world.called == [] and len(world.delays) == 1
    world.delays.end(second)
    world.delays.end(second)
    assert not world.clock.getDelayedCalls()


def test_who_begins_again_waits_from_then_on() -> None:
    world = Waiting()
    first = world.one("a").call
    world.delays.begin(first)
    world.delays.begin(world.one("b").call)
    world.clock.advance(9)
    world.delays.begin(first)
    world.clock.pump([1] * 10)
    assert world.called == [("b", 10), ("a", 19)]


def test_who_begins_anew_when_called_is_called_again() -> None:
    world = Waiting()
    times: list[float] = []

    def again() -> None:
        times.append(world.clock.seconds())
        world.delays.begin(again)

    world.delays.begin(again)
    world.delays.begin(world.one("b").call)
    world.clock.pump([10, 10, 10])
    assert times == [10, 20, 30] and world.called == [("b", 10)]


def test_who_ends_another_or_the_last_when_called_harms_nothing() -> None:
    world = Waiting()
    second = world.one("b").call
    world.delays.begin(lambda: world.delays.end(second))
    world.delays.begin(second)
    world.clock.advance(10)
    assert world.called == [] and not world.clock.getDelayedCalls()


def test_a_fault_costs_nobody_else_their_call() -> None:
    world = Waiting()
    for name in ("bad", "b"):
        world.delays.begin(world.one(name).call)
    with pytest.raises(ValueError, match="bad"):
        world.clock.advance(10)
    world.clock.advance(0)
    assert [name for name, _ in world.called] == ["bad", "b"]
