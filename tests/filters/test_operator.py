"""What an operator does with guards: tries them out, makes exceptions, looks at what they know, bans; and sets the clock."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.coroutines import result_of
from support.guardlog import logged
from support.guardworld import GuardWorld
from twisted.internet.task import Clock
from zope.interface import implementer

from mailframe.auth.limiter import LoginLimiter, LoginLimits
from mailframe.filters.bans import Bans, BansSettings
from mailframe.filters.early import EarlySettings, EarlyTalkers
from mailframe.filters.greylist import GreylistSettings
from mailframe.filters.guards import NAMES, GuardsSettings
from mailframe.filters.rates import Rates, RatesSettings
from mailframe.filters.recipients import Recipients, RecipientsSettings
from mailframe.filters.scope import Scope, concerned
from mailframe.filters.tarpit import Tarpit, TarpitSettings
from mailframe.interfaces.filter import IConnectionFilter
from mailframe.model.envelope import Peer
from mailframe.model.verdict import Named, Verdict
from mailframe.pacing.onward import Onward

HELLO = "S: 220 *\nC: HELO client.example\nS: 250 *\n"
FROM = "C: MAIL FROM:<a@far.example>\nS: 250 *\n"
RCPT = "C: RCPT TO:<bob@example.org>\nS: "
STRANGER = Peer("192.0.2.7", role="mx", listener="smtp")


# Exceptions.


@pytest.mark.parametrize(("scope", "peer", "looked_at"), [
    (Scope(exempt=("198.51.100.0/24",)), Peer("127.0.0.1", role="mx"), False),      # an own exception takes none away
    (Scope(loopback=True), Peer("127.0.0.1", role="mx"), True),
    (Scope(loopback=True), Peer("", role="mx"), False),
    (Scope(exempt_names=("Far.example",)), Peer("192.0.2.7", role="mx", name="mail.FAR.example"), False),
    (Scope(exempt_names=("far.example",)), Peer("192.0.2.7", role="mx", name="far.example"), False),
    (Scope(exempt_names=("far.example",)), Peer("192.0.2.7", role="mx", name="notfar.example"), True),
    (Scope(exempt_names=("far.example",)), Peer("192.0.2.7", role="mx", helo="far.example"), True),     # anybody can say so
    (Scope(exempt_listeners=("partners",)), Peer("192.0.2.7", role="mx", listener="partners"), False),
    (Scope(exempt_listeners=("partners",)), Peer("192.0.2.7", role="mx", listener="smtp"), True)])
def test_exceptions(scope: Scope, peer: Peer, looked_at: bool) -> None:
    assert concerned(scope)(peer) is looked_at


def test_what_is_said_of_all_guards_counts_for_each() -> None:
    settings = GuardsSettings(exempt=("192.0.2.1",), exempt_names=("far.example",), exempt_listeners=("in",), only_log=True)
    for name in NAMES:
        own = settings.effective(name)
        assert own.exempt[-1] == "192.0.2.1" and own.exempt_names == ("far.example",) and own.exempt_listeners == ("in",)
        assert own.only_log


@pytest.mark.parametrize(("make", "words"), [
    (lambda: Scope(exempt_names=("no name",)), "exempt_names"),
    (lambda: GuardsSettings(greylist=_greylist()), "greylist has exempt_names for lmtp, where .guards.reverse. is off")])
def test_exceptions_that_make_no_sense_are_refused(make: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def _greylist() -> GreylistSettings:
    return GreylistSettings(roles=("mx", "lmtp"), exempt_names=("far.example",))


@implementer(IConnectionFilter)
class Namer:
    def connection(self, peer: Peer) -> Verdict:
        return Named("mail.far.example")


def test_a_host_with_a_good_name_may_send_more_than_others() -> None:
    def made(world: GuardWorld) -> list[object]:
        return [Namer(), Rates(RatesSettings(messages=1, exempt_names=("far.example",)), world.clock.seconds)]

    GuardWorld(made).says(HELLO + (FROM + "C: RSET\nS: 250 *\n") * 3)


# Trying out.


def test_what_only_logs_refuses_nothing_and_says_who_when_and_why() -> None:
    def made(world: GuardWorld) -> list[object]:
        seconds = world.clock.seconds
        return [Bans(BansSettings(only_log=True, always=("198.51.100.0/24",)), seconds, LoginLimiter(seconds)),
                Rates(RatesSettings(only_log=True, messages=1, at_once=1), seconds),
                EarlyTalkers(EarlySettings(only_log=True, delay_s=2), seconds),
                Recipients(RecipientsSettings(only_log=True, per_message=1), seconds),
                Tarpit(TarpitSettings(only_log=True, free=0))]

    world = GuardWorld(made)
    with logged() as lines:
        world.says("C: HELO hasty.example\nS: <nothing>\nT: 2.1\nS: 220 *\nS: 250 *\n", ip="198.51.100.1")
        world.says("C: HELO client.example\nS: <nothing>\nT: 2.1\nS: 220 *\nS: 250 *\n" + FROM + RCPT + "250 *\n"
                   + "C: RCPT TO:<eve@example.org>\nS: 250 *\nC: BOGUS\nS: 500 *\nC: RSET\nS: 250 *\n" + FROM)
        world.says(HELLO)
    assert [line.partition(" (")[0] for line in lines] == [
        "guard=bans would refuse ip=198.51.100.1 name=- helo=- reply=554 5.7.1 No mail service for your address",
        "guard=early would refuse ip=198.51.100.1 name=- helo=- reply=554 5.5.1 You must wait for the greeting",
        "guard=early would refuse ip=192.0.2.7 name=- helo=- reply=554 5.5.1 You must wait for the greeting",
        "guard=recipients would refuse ip=192.0.2.7 name=- helo=client.example reply=452 4.5.3 Too many recipients",
        "guard=tarpit would answer 1 s late ip=192.0.2.7 name=- helo=client.example",
        "guard=rates would refuse ip=192.0.2.7 name=- helo=client.example reply=451 4.7.1 Too many messages from you, "
        "please try again later",
        "guard=rates would refuse ip=192.0.2.7 name=- helo=- reply=421 4.7.0 Too many connections from your network, "
        "please try again later"]


def test_refusals_are_counted() -> None:
    world = GuardWorld(lambda world: [Rates(RatesSettings(messages=1), world.clock.seconds)])
    world.says(HELLO + FROM + "C: RSET\nS: 250 *\n" + "C: MAIL FROM:<a@far.example>\nS: 451 *\n" * 3)
    (guard,) = [call.__self__ for _, call in world.parts.filters._connection]
    assert guard.refused == 3


# Bans by hand and for good.


def test_who_is_banned_for_good_is_told_so() -> None:
    """RFC 5321 section 3.1"""
    world = GuardWorld(lambda world: [
        Bans(BansSettings(always=("192.0.2.0/24", "2001:db8::/32")), world.clock.seconds, LoginLimiter(world.clock.seconds))])
    world.says("S: 554 5.7.1 No mail service for your address\nC: QUIT\nS: 221 *\nS: <closed>\n")
    world.says("S: 554 *\nC: MAIL FROM:<a@far.example>\nS: 503 *\n", ip="2001:db8::1")
    world.says(HELLO, ip="198.51.100.1")


def test_an_operator_bans_sees_why_and_forgives_passwords_too() -> None:
    clock = Clock()
    logins = LoginLimiter(clock.seconds, LoginLimits(max_failures=1))
    guard = Bans(BansSettings(), clock.seconds, logins)
    logins.failed("192.0.2.7", "bob")
    guard.erred(STRANGER, "RCPT", 550)
    assert guard.ban("192.0.2.7", 600, "by the operator") == "192.0.2.7"
    clock.advance(1)
    assert list(result_of(guard.known("192.0.2.7"))) == [
        "192.0.2.7 is refused for another 599 s (by the operator)", "errors lately: 1 of 100 from 192.0.2.7",
        "refused for failed logins"]
    assert result_of(guard.forget("192.0.2.7")) == 3
    assert not result_of(guard.known("192.0.2.7")) and "Pass" in repr(guard.connection(STRANGER))
    guard.ban("2001:db8::7", 600, "by the operator")
    assert "Refuse" in repr(guard.connection(Peer("2001:db8::8", role="mx")))


def test_what_is_counted_of_an_address_can_be_seen() -> None:
    guard = Rates(RatesSettings(), lambda: 0.0)
    guard.connection(STRANGER)
    assert list(result_of(guard.known("192.0.2.7"))) == [
        "connections lately: 1 of 120 from 192.0.2.7, 1 of 480 from 192.0.2.0/24", "1 connections open from 192.0.2.0/24"]
    assert not result_of(guard.known("198.51.100.1"))


# The clock is set back.


def test_a_clock_that_steps_back_is_not_followed() -> None:
    clock = Clock()
    clock.rightNow = 10_000.0
    onward = Onward(clock)
    clock.rightNow = 100.0
    assert onward.seconds() == 10_000.0
    clock.advance(5)
    assert onward.seconds() == 10_005.0
    onward.callLater(1, clock.advance, 0)
    assert len(onward.getDelayedCalls()) == 1


def test_nobody_is_shut_out_for_longer_because_the_clock_was_set_back() -> None:
    clock = Clock()
    clock.rightNow = 1_000_000.0
    onward = Onward(clock)
    guard = Bans(BansSettings(), onward.seconds, LoginLimiter(onward.seconds))
    rates = Rates(RatesSettings(connections=2, period_s=60), onward.seconds)
    rates.connection(STRANGER)
    guard.ban("192.0.2.7", 900, "errors")
    clock.rightNow = 0.0
    assert "Pass" in repr(rates.connection(STRANGER))           # one an hour ago is not thousands now
    assert "Refuse" in repr(guard.connection(STRANGER))
    clock.advance(901)
    assert "Pass" in repr(guard.connection(STRANGER))
