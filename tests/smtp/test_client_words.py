"""What MAIL passes on to the next server of time and rank, and when that server may not have the message."""

from __future__ import annotations

import pytest

from mailframe.model.address import Address
from mailframe.model.envelope import DeliverBy, Envelope, Recipient
from mailframe.smtp.client_plan import Plan, Stage, plan
from mailframe.smtp.client_words import too_late, words

NOW = 1_000_000.0
BOB = Recipient(Address.parse("bob@example.net"))


def message(by: DeliverBy | None = None, priority: int = 0) -> Envelope:
    return Envelope("e1", Address.parse("alice@example.org"), deliver_by=by, priority=priority, hold_until=NOW - 5)


def planned(envelope: Envelope, offers: dict[str, str]) -> Plan:
    return plan(envelope, [BOB], 10, offers, now=NOW)


@pytest.mark.parametrize(("by", "said"), [
    (DeliverBy(NOW + 60.9), ["BY=60;R"]), (DeliverBy(NOW + 60, trace=True), ["BY=60;RT"]),
    (DeliverBy(NOW - 0.5, True), ["BY=-1;N"]),
    (DeliverBy(NOW + 5e12, True, True), ["BY=999999999;NT"]), (None, []),
])
def test_the_time_that_is_left_is_passed_on(by: DeliverBy | None, said: list[str]) -> None:
    """RFC 2852 section 4.1.4; what a held message asked is not passed on, it has been kept."""
    assert words(message(by), {"DELIVERBY": "", "FUTURERELEASE": "99 2030-01-01T00:00:00Z"}, NOW) == said


def test_the_priority_is_passed_on_to_who_has_it() -> None:
    assert words(message(priority=-3), {"MT-PRIORITY": "MIXER"}, NOW) == ["MT-PRIORITY=-3"]
    assert words(message(priority=-3), {}, NOW) == []
    assert words(message(), {"MT-PRIORITY": ""}, NOW) == ["MT-PRIORITY=0"], "RFC 6710 section 4.2: it has one, too"


def test_they_stand_in_mail() -> None:
    made = planned(message(DeliverBy(NOW + 60), 4), {"DELIVERBY": "", "MT-PRIORITY": "", "DSN": ""})
    assert made.mail == b"MAIL FROM:<alice@example.org> BY=60;R MT-PRIORITY=4\r\n" and not made.refused


@pytest.mark.parametrize(("offers", "by", "status"), [
    ({}, DeliverBy(NOW + 60), "5.3.3"), ({"DELIVERBY": "100"}, DeliverBy(NOW + 60), "5.4.7"),
    ({"DELIVERBY": ""}, DeliverBy(NOW), "5.4.7"),
    ({"DELIVERBY": "60"}, DeliverBy(NOW + 60), None), ({}, DeliverBy(NOW + 60, True), None), ({}, DeliverBy(NOW - 60, True), None),
    ({"DELIVERBY": "what"}, DeliverBy(NOW + 60), None),
    ({"DELIVERBY": "99,x"}, DeliverBy(NOW + 60), "5.4.7"), ({}, None, None),
])
def test_a_message_to_be_returned_goes_only_where_that_is_promised(
    offers: dict[str, str], by: DeliverBy | None, status: str | None,
) -> None:
    envelope = message(by)
    refusal = too_late(envelope, offers, NOW)
    assert (refusal.enhanced if refusal else None) == status
    made = planned(envelope, offers)
    assert [(outcome.reply, outcome.stage) for outcome in made.refused.values()] == ([(refusal, Stage.HOST)] if refusal else [])
    assert bool(made.rcpts) == (refusal is None)


@pytest.mark.parametrize(("by", "notify", "offers", "asked"), [
    (DeliverBy(NOW + 60, True), (), {"DSN": ""}, b" NOTIFY=DELAY,FAILURE\r\n"),
    (DeliverBy(NOW + 60, True), ("SUCCESS",), {"DSN": ""}, b" NOTIFY=DELAY,SUCCESS\r\n"),
    (DeliverBy(NOW + 60, True), ("NEVER",), {"DSN": ""}, b" NOTIFY=NEVER\r\n"),
    (DeliverBy(NOW + 60, True), (), {"DSN": "", "DELIVERBY": ""}, b">\r\n"),
    (DeliverBy(NOW - 1, True), (), {"DSN": ""}, b">\r\n"), (None, (), {"DSN": ""}, b">\r\n"),
    (DeliverBy(NOW + 60, True), (), {}, b">\r\n"),
])
def test_a_server_without_it_is_asked_for_word_of_a_delay(
    by: DeliverBy | None, notify: tuple[str, ...], offers: dict[str, str], asked: bytes,
) -> None:
    """RFC 2852 section 4.1.4.2."""
    bob = Recipient(BOB.address, frozenset(notify))
    [(_, line)] = plan(message(by), [bob], 10, offers, now=NOW).rcpts
    assert line.endswith(asked)
