"""How much an account may send: no million for a stolen password, no throttle for what runs on this machine."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.coroutines import result_of
from support.inline_engine import InlineEngine
from support.pipelineworld import USER, PipelineWorld, to
from twisted.internet.task import Clock

from mailframe.model.address import Address
from mailframe.model.refusal import Refusal, TryAgainLater, UnknownRecipient
from mailframe.pipeline.settings import PipelineSettings
from mailframe.pipeline.submission.ratebook import RateBook
from mailframe.pipeline.submission.rates import Rates, SendingTooMuch
from mailframe.pipeline.submission.settings import RateSettings, SubmissionSettings
from mailframe.pipeline.submission.window import DAY_S, HOUR_S, Window
from mailframe.sqlite.engine import Engine

BOB, EVE, FAR = to("bob@example.org"), to("eve@example.org"), to("joe@example.net")
ME = Address.parse("bob@example.org")


def world(**rates: Any) -> PipelineWorld:
    return PipelineWorld(settings=PipelineSettings(submission=SubmissionSettings(rates=RateSettings(**rates))))


def test_an_account_that_has_sent_enough_is_told_when_to_come_again() -> None:
    place = world(messages_per_hour=3)
    for _ in range(3):
        place.send(BOB, peer=USER, sender=ME)
    with pytest.raises(SendingTooMuch, match="bob has sent 3 messages in the last hour, which is its limit; try again in") as told:
        place.send(BOB, peer=USER, sender=ME)
    assert told.value.smtp == (450, "4.7.1")
    minutes = int(told.value.public.split()[-2])
    place.clock.advance(60.0 * minutes)
    place.send(BOB, peer=USER, sender=ME)


def test_recipients_are_counted_one_by_one() -> None:
    place = world(recipients_per_day=2)
    with pytest.raises(SendingTooMuch, match="has sent to 2 recipients in the last day"):
        place.send(BOB, EVE, FAR, peer=USER, sender=ME)
    assert place.mail("bob") == []
    assert len(place.send(BOB, EVE, peer=USER, sender=ME)) == 2      # what failed did not count


def test_what_came_to_nothing_is_not_counted() -> None:
    place = world(messages_per_hour=1, recipients_per_hour=1)
    with pytest.raises(UnknownRecipient):
        place.send(to("nobody@example.org"), peer=USER, sender=ME)
    with pytest.raises(Refusal):
        place.send(BOB, peer=USER, sender=ME, content=b"From: eve@example.org\r\n\r\n")
    place.engine.broken = TryAgainLater()
    with pytest.raises(TryAgainLater):
        place.send(BOB, peer=USER, sender=ME)
    place.engine.broken = None
    place.send(BOB, peer=USER, sender=ME)


@pytest.mark.parametrize(("ip", "free"), [
    ("127.0.0.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("", True), ("192.0.2.8", False), ("2001:db8::1", False),
])
def test_programs_on_this_machine_are_not_held_back_unless_that_is_wanted(ip: str, free: bool) -> None:
    peer = replace(USER, ip=ip)
    assert Rates(RateSettings(), Clock()).counts(peer) != free
    assert Rates(RateSettings(on_loopback=True), Clock()).counts(peer)


def test_some_accounts_have_no_limits() -> None:
    rates = Rates(RateSettings(unlimited=("news@example.org", "*@lists.example.org")), Clock())
    accounts = ("News@example.org", "x@lists.example.org", "bob", "é é")
    counted = {name: rates.counts(replace(USER, account=name)) for name in accounts}
    assert counted == {"News@example.org": False, "x@lists.example.org": False, "bob": True, "é é": True}
    none = RateSettings(messages_per_hour=0, messages_per_day=0, recipients_per_hour=0, recipients_per_day=0)
    assert not Rates(none, Clock()).counts(USER) and not rates.counts(replace(USER, account=None))


def test_many_sessions_at_once_get_no_more_than_one() -> None:
    rates = Rates(RateSettings(messages_per_hour=10), Clock())
    for _ in range(10):
        rates.charge("bob", 1, 0)
    with pytest.raises(SendingTooMuch):
        rates.charge("bob", 1, 0)
    rates.charge("eve", 1, 0)
    rates.refund("bob", 1, 0)
    rates.charge("bob", 1, 0)


@pytest.mark.parametrize("key", ["messages_per_hour", "recipients_per_day", "save_s"])
def test_limits_that_cannot_be_meant_are_refused(key: str) -> None:
    with pytest.raises(ValueError, match=key):
        RateSettings(**{key: -1})


@given(st.integers(0, 1 << 30), st.integers(1, 40))
@settings(max_examples=30, deadline=None)
def test_no_hour_sees_more_than_the_limit_by_far_and_a_wait_is_no_lie(seed: int, limit: int) -> None:
    """Against a list of all times: sent evenly or in bursts, never twice the limit in any hour; who waits as told gets in."""
    dice, window, now = random.Random(seed), Window(HOUR_S), 1_000_000.0
    times: deque[float] = deque()
    for _ in range(300):
        now += dice.choice((0.0, 1.0, 60.0, 900.0, 4_000.0))
        wait = window.wait_s(1, limit, now)
        if wait > 0:
            assert wait <= 2 * HOUR_S and replace(window).wait_s(1, limit, now + wait + 0.001) == 0.0
            continue
        window.add(1, now)
        times.append(now)
        while times[0] <= now - HOUR_S:
            times.popleft()
        assert len(times) < 2 * limit or limit == 1


def test_a_steady_sender_at_the_limit_is_hardly_held_back() -> None:
    window, sent = Window(HOUR_S), 0
    for second in range(0, int(DAY_S), 36):             # 100 an hour
        if window.wait_s(1, 110, float(second)) == 0.0:
            window.add(1, float(second))
            sent += 1
    assert sent == 2_400 and not window.over(DAY_S) and window.over(DAY_S + 3 * HOUR_S)


def test_a_clock_that_was_set_back_locks_nobody_out_for_ever() -> None:
    window = Window(HOUR_S)
    window.add(5, 100 * HOUR_S)
    assert window.wait_s(1, 5, 98 * HOUR_S) <= 4 * HOUR_S and window.level(98 * HOUR_S) == 5


def rates_over(engine: InlineEngine, clock: Clock) -> tuple[Rates, RateBook]:
    rates = Rates(RateSettings(messages_per_day=3), cast(Any, clock))
    book = RateBook(rates, cast(Engine, engine), cast(Any, clock), 10.0)
    result_of(book.start())
    return rates, book


def test_a_restart_is_no_fresh_start(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, clock = InlineEngine(), Clock()
    clock.advance(1_000_000.0)
    rates, book = rates_over(engine, clock)
    rates.charge("bob", 1, 5)
    rates.charge("bob", 1, 5)
    assert engine.jobs == 0
    clock.advance(10.0)                                 # written behind, once for all
    assert engine.jobs == 1
    rates.charge("bob", 1, 5)
    result_of(book.close())                             # and at the end
    result_of(book.close())
    assert clock.getDelayedCalls() == [] and engine.jobs == 2
    monkeypatch.setattr(engine, "register", lambda *_: None)
    again, _ = rates_over(engine, clock)
    with pytest.raises(SendingTooMuch, match="3 messages in the last day"):
        again.charge("bob", 1, 1)
    clock.advance(3 * DAY_S)
    later, last = rates_over(engine, clock)
    assert len(later) == 0
    later.charge("eve", 1, 1)
    clock.advance(10.0)
    assert {row[0] for row in engine.read("SELECT account FROM sent_counts")} == {"eve"}     # bob's rows are gone
    result_of(last.close())


def test_a_database_that_cannot_be_written_costs_no_mail() -> None:
    engine, clock = InlineEngine(), Clock()
    rates, book = rates_over(engine, clock)
    engine.broken = TryAgainLater()
    rates.charge("bob", 1, 1)
    clock.advance(10.0)
    engine.broken = None
    rates.charge("eve", 1, 1)
    clock.advance(10.0)
    assert {row[0] for row in engine.read("SELECT account FROM sent_counts")} == {"bob", "eve"}
    result_of(book.close())
