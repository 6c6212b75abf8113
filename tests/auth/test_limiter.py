"""Guessing passwords: an address is shut for a while, a user never is, and memory is bounded."""

from __future__ import annotations

import pytest
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.credentials import UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from mailframe.auth.limiter import LoginLimiter, LoginLimits, TooManyFailures
from mailframe.auth.realm import portal
from mailframe.interfaces.auth import IMailUser
from mailframe.model.client import Client

LIMITS = LoginLimits(max_failures=3, max_loopback_failures=6, max_known_failures=2, forgive_s=10, remember_addresses=4)
GUESSER, ELSEWHERE = "192.0.2.1", "192.0.2.2"


class World:
    def __init__(self) -> None:
        self.clock = Clock()
        self.limiter = LoginLimiter(self.clock.seconds, LIMITS)

    def guesses(self, ip: str, user: str = "bob", most: int = 50) -> int:
        """How many guesses are looked at before the address is shut."""
        for number in range(most):
            try:
                self.limiter.check(ip, user)
            except TooManyFailures:
                return number
            self.limiter.failed(ip, user)
        return most


def test_a_guesser_is_shut_out_and_let_in_again_with_time() -> None:
    world = World()
    assert world.guesses(GUESSER) == 3
    world.clock.advance(9)
    assert world.guesses(GUESSER) == 0
    world.clock.advance(1)
    assert world.guesses(GUESSER) == 1
    world.clock.advance(3600)
    assert world.guesses(GUESSER) == 3


def test_others_can_ask_who_is_shut() -> None:
    world = World()
    assert not world.limiter.shut(GUESSER)
    world.guesses(GUESSER)
    assert world.limiter.shut(GUESSER) and not world.limiter.shut(ELSEWHERE)
    world.clock.advance(11)
    assert not world.limiter.shut(GUESSER)


def test_a_guesser_shuts_nobody_out_who_is_elsewhere() -> None:
    """L1"""
    world = World()
    world.guesses(GUESSER)
    world.limiter.check(ELSEWHERE, "bob")


def test_one_guesser_has_one_network() -> None:
    world = World()
    world.guesses("2001:db8:0:1::1")
    assert world.guesses("2001:db8:0:1:ffff::9") == 0
    assert world.guesses("2001:db8:0:2::1") == 3
    world.guesses(GUESSER)
    assert world.guesses(f"::ffff:{GUESSER}") == 0


def test_this_machine_is_trusted_further_and_not_forever() -> None:
    world = World()
    assert [world.guesses(ip) for ip in ("127.0.0.1", "::1", "")] == [6, 6, 6]


def test_who_came_in_before_still_does_beside_a_guesser() -> None:
    """L2, L3"""
    world = World()
    world.limiter.succeeded(GUESSER, "Bob")
    assert world.guesses(GUESSER, "eve") == 3
    assert world.guesses(GUESSER, "bob") == 2, "the guesser may not go on with his name"
    world.limiter.succeeded(GUESSER, "eve")
    assert world.guesses(GUESSER, "joe") == 0


def test_only_so_many_addresses_are_remembered() -> None:
    world = World()
    for number in range(100):
        world.guesses(f"198.51.100.{number}")
        world.limiter.succeeded(f"198.51.100.{number}", "bob")
    assert (len(world.limiter._addresses), len(world.limiter._known)) == (4, 4)


@pytest.mark.parametrize("key", ["max_failures", "forgive_s", "remember_addresses"])
def test_limits_that_cannot_be_meant_are_refused(key: str) -> None:
    with pytest.raises(ValueError, match=key):
        LoginLimits(**{key: 0})


class PortalTests(TestCase):
    async def test_the_portal_looks_at_no_password_from_an_address_that_is_shut(self) -> None:
        limited = portal(None, [InMemoryUsernamePasswordDatabaseDontUse(bob=b"right")],  # type: ignore[arg-type]
                         limiter=LoginLimiter(Clock().seconds, LIMITS))

        async def login(password: bytes, mind: object) -> str:
            _, avatar, _ = await limited.login(UsernamePassword(b"bob", password), mind, IMailUser)
            return str(avatar.name)

        here = Client(GUESSER, "imap")
        for _ in range(3):
            with self.assertRaises(UnauthorizedLogin):
                await login(b"wrong", here)
        with self.assertRaises(TooManyFailures):
            await login(b"right", Client(GUESSER, "smtp"))      # the same limit for all protocols
        self.assertEqual(await login(b"right", Client(ELSEWHERE, "smtp")), "bob")
        self.assertEqual(await login(b"right", None), "bob")     # a caller that says nothing of the client
