"""A whole server under load from many clients is killed at random moments, again and again: no promise is broken (I1)."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.crash.kinds import KINDS, SHORT
from support.crash.world import World
from support.wires import complaints

ROUNDS, LONG_ROUNDS = 2, 30


@pytest.fixture
def seed() -> int:
    """Printed when a test fails; MAILFRAME_SEED gives it again."""
    chosen = int(os.environ.get("MAILFRAME_SEED", 0)) or random.SystemRandom().randrange(1, 1 << 32)
    print(f"MAILFRAME_SEED={chosen}")
    return chosen


@pytest.fixture
def world(tmp_path: Path, seed: int) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(tmp_path, stack, seed)


def test_asked_to_end_under_load_it_breaks_no_promise(world: World, request: pytest.FixtureRequest) -> None:
    server = world.start()
    for _ in range(LONG_ROUNDS if request.config.getoption("--long") else 1):
        world.load_and_kill(server, gently=True)
        world.check_at_rest()
        server = world.start()
        world.check(server)
    world.check_handed_over(server)
    assert not complaints(server.lines)


def test_kill_9_under_load_breaks_no_promise(world: World, request: pytest.FixtureRequest) -> None:
    killed_again_and_again(world, LONG_ROUNDS if request.config.getoption("--long") else ROUNDS)


@pytest.mark.parametrize("name", KINDS)
def test_kill_9_breaks_no_promise_however_mail_rests(
    tmp_path: Path, seed: int, name: str, request: pytest.FixtureRequest,
) -> None:
    long = request.config.getoption("--long")
    if name not in SHORT and not long:
        pytest.skip("only with --long")
    with ExitStack() as stack:
        killed_again_and_again(World(tmp_path, stack, seed, KINDS[name]), LONG_ROUNDS if long else 1)


def killed_again_and_again(world: World, rounds: int) -> None:
    server = world.start()
    for _ in range(rounds):
        world.load_and_kill(server)
        world.start_and_kill()
        world.check_at_rest()
        server = world.start()
        world.check(server)
    world.check_handed_over(server)
    assert not complaints(server.lines)
