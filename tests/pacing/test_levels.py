"""Levels of what somebody has done lately, against a plain model, and within their bound."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mailframe.pacing.levels import Levels

DEEDS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 400)), max_size=60)     # (who, hundredths of a second later)


class Model:
    """A bucket of `limit` drops for each, in exact hundredths of a second, out of which one falls every `every`."""

    def __init__(self, limit: int, every: int) -> None:
        self.limit, self.every = limit, every
        self.kept: dict[int, tuple[int, int]] = {}      # (drops in units of 1/every, when)

    def take(self, who: int, now: int) -> bool:
        drops, since = self.kept.get(who, (0, now))
        drops = max(0, drops - (now - since))
        if drops + self.every > self.limit * self.every:
            return False
        self.kept[who] = drops + self.every, now
        return True


@settings(max_examples=60, deadline=None)
@given(DEEDS, st.integers(1, 5), st.integers(1, 300))
def test_as_much_is_allowed_as_in_a_plain_model(deeds: list[tuple[int, int]], limit: int, every: int) -> None:
    levels, model, now = Levels(every / 100, 100), Model(limit, every), 0
    for who, later in deeds:
        now += later
        assert levels.take(who, now / 100, limit) == model.take(who, now), (who, now)


def test_after_a_whole_period_as_many_are_allowed_again_and_no_more() -> None:
    levels = Levels(60 / 7, 10)
    assert [levels.take("a", 0.1, 7) for _ in range(8)] == [True] * 7 + [False]
    assert [levels.take("a", 60.1, 7) for _ in range(8)] == [True] * 7 + [False]


def test_a_flood_of_keys_pushes_out_the_eldest() -> None:
    levels = Levels(60.0, 100)
    for number in range(10_000):
        assert levels.take(number, 1.0, 1)
    assert len(levels) == 100 and 9_999 in levels and 0 not in levels


def test_what_is_forgotten_begins_anew() -> None:
    levels = Levels(60.0, 10)
    assert levels.take("a", 0.0, 1) and not levels.take("a", 0.0, 1)
    assert levels.forget("a") and not levels.forget("a")
    assert levels.take("a", 0.0, 1)
