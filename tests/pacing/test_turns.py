"""Connections that share the reactor's turns (I2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock

from mailframe.pacing.turns import Turns


class SlowClock(Clock):
    """Time passes while work is done, and what is due then comes only with the next turn."""

    def work(self, seconds: float) -> None:
        self.rightNow += seconds

    def turn(self) -> None:
        """One turn of a reactor: what is due at its beginning."""
        due, self.calls = self.calls, []
        for call in due:
            call.called = 1
            call.func(*call.args, **call.kw)


class World:
    def __init__(self) -> None:
        self.clock = SlowClock()  # type: ignore[no-untyped-call]
        self.turns = Turns(cast(IReactorTime, self.clock), 0.010)
        self.done: list[str] = []

    def piece(self, name: str, seconds: float = 0.004) -> Callable[[], None]:
        def work() -> None:
            self.clock.work(seconds)
            self.done.append(name)
        return work


def test_what_fits_into_a_turn_is_done_at_once_and_the_rest_in_the_next_ones_in_order() -> None:
    world = World()
    for name in "abcdefgh":
        world.turns.take(world.piece(name))
    assert world.done == ["a", "b", "c"] and world.turns.over
    world.clock.turn()
    assert world.done == list("abcdef")
    world.turns.take(world.piece("i"))
    assert world.done == list("abcdef"), "nobody overtakes"
    world.clock.turn()
    assert world.done == list("abcdefghi")
    world.clock.turn()
    assert not world.turns.over and not world.clock.getDelayedCalls()


def test_work_that_takes_no_time_needs_no_timer() -> None:
    world = World()
    for name in "ab":
        world.turns.take(world.piece(name, 0.0))
    assert world.done == ["a", "b"] and not world.clock.getDelayedCalls()


def test_who_works_is_told_when_the_turn_is_over_and_can_go_on_in_the_next() -> None:
    world = World()

    def long() -> None:
        while not world.turns.over:
            world.piece("x")()
        world.turns.later(world.piece("rest"))
        world.turns.take(world.piece("nested"))

    world.turns.take(long)
    assert world.done == ["x"] * 3
    world.clock.turn()
    assert world.done == ["x"] * 3 + ["rest", "nested"]
