"""What MAIL said about holding, deadlines and priority is in the envelope."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.smtpworld import SmtpWorld, make_portal
from twisted.logger import globalLogPublisher

from mailframe.model.envelope import DeliverBy, Envelope
from mailframe.model.refusal import Refusal
from mailframe.smtp.extensions.builtin import BUILTIN
from mailframe.smtp.settings import SmtpSettings
from mailframe.smtp.situation import MailDraft, Situation

NOW = 1_800_000_000.0
ALL = frozenset(("DSN", "DELIVERBY", "FUTURERELEASE", "MT-PRIORITY"))


def envelope(parameters: str, **chosen: Any) -> Envelope:
    """The one that is begun for MAIL with these parameters, by a user."""
    world = SmtpWorld(portal=make_portal(), **{"role": "submission", **chosen})
    world.reception.honours = ALL
    player = world.connect(encrypted=True)
    player.send(b"EHLO client.example\r\nAUTH PLAIN AGJvYgBzZWNyZXQ=\r\n" + f"MAIL FROM:<bob@mx.example> {parameters}\r\n".encode())
    [delivery] = world.reception.deliveries
    return delivery.envelope


@pytest.mark.parametrize(("parameters", "until"), [
    ("HOLDFOR=60", NOW + 60), ("HOLDUNTIL=2027-01-15T08:30:00Z", NOW + 1_800),
    ("HOLDUNTIL=2027-01-15T10:30:00.5+02:00", NOW + 1_800.5),
    ("HOLDUNTIL=0001-01-01T00:00:00+23:59", NOW), ("", None),
])
def test_until_when_it_is_held(parameters: str, until: float | None) -> None:
    """RFC 4865."""
    assert envelope(parameters).hold_until == until


@pytest.mark.parametrize(("parameters", "by"), [
    ("BY=60;R", DeliverBy(NOW + 60)), ("BY=-60;N", DeliverBy(NOW - 60, True)),
    ("by=999999999;rT", DeliverBy(NOW + 999_999_999, trace=True)),
    ("BY=1;NT", DeliverBy(NOW + 1, True, True)), ("", None),
])
def test_by_when_it_is_to_be_delivered(parameters: str, by: DeliverBy | None) -> None:
    """RFC 2852."""
    assert envelope(parameters).deliver_by == by


@pytest.mark.parametrize(("asked", "role", "most", "got"), [
    (9, "submission", None, 4), (4, "submission", None, 4), (-9, "submission", None, -9), (9, "submission", 9, 9),
    (0, "submission", -2, -2),
    (9, "relay-in", None, 9), (9, "mx", None, 0), (1, "mx", 2, 1),
])
def test_which_priority_it_has(asked: int, role: str, most: int | None, got: int) -> None:
    """RFC 6710 section 4.1: who may ask for how much is the operator's to say."""
    networks = ("192.0.2.0/24",) if role == "relay-in" else ()
    assert envelope(f"MT-PRIORITY={asked}", role=role, networks=networks, max_priority=most).priority == got


@pytest.mark.parametrize(("asked", "told"), [(3, "priority=3"), (9, "priority=4 priority_asked=9"), (0, "")])
def test_the_log_tells_what_was_asked(asked: int, told: str) -> None:
    """RFC 6710 section 4.1, item 3."""
    lines: list[str] = []

    def observe(event: dict[str, Any]) -> None:
        if event.get("word") == "accepted":
            lines.append(str(event["line"]))

    world = SmtpWorld(portal=make_portal(), role="submission")
    world.reception.honours = ALL
    globalLogPublisher.addObserver(observe)
    try:
        player = world.connect(encrypted=True)
        player.send(b"EHLO client.example\r\nAUTH PLAIN AGJvYgBzZWNyZXQ=\r\nMAIL FROM:<bob@mx.example> MT-PRIORITY=%d\r\n" % asked)
        player.send(b"RCPT TO:<bob@mx.example>\r\nDATA\r\nhello\r\n.\r\nQUIT\r\n")
    finally:
        globalLogPublisher.removeObserver(observe)
    assert lines[0].partition(" priority")[1:] == (f" {told}".partition(" priority")[1:] if told else ("", ""))


@pytest.mark.parametrize("wrong", [
    {"max_hold_s": -1}, {"max_hold_s": 10 ** 9}, {"min_deliver_by_s": 10 ** 9}, {"max_priority": 10}, {"max_priority": -10},
    {"priority_profile": "MINE"},
])
def test_wrong_settings_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SmtpSettings(**wrong)


@given(st.sampled_from(["HOLDFOR", "HOLDUNTIL", "BY", "MT-PRIORITY"]), st.text("0123456789-+:.;TZNRtznr \u0663", max_size=30))
@settings(max_examples=60, deadline=None)
def test_whatever_a_parameter_says_is_read_or_refused(key: str, value: str) -> None:
    """And what is read can be written into a report, or to the next server."""
    situation = Situation(SmtpSettings(role="submission"), True, True, False, True, "bob", {}, NOW, ALL)
    draft = MailDraft(situation, NOW)
    try:
        BUILTIN.read_mail([(key, value)], draft)
    except Refusal as refusal:
        assert refusal.smtp in ((501, "5.5.4"), (555, "5.5.4"))
    assert NOW <= (draft.hold_until or NOW) <= NOW + situation.settings.max_hold_s and -9 <= draft.priority <= 4
    assert draft.deliver_by is None or abs(draft.deliver_by.at - NOW) < 1e9


@pytest.mark.parametrize(("setting", "word"), [
    ({"max_hold_s": 0}, "FUTURERELEASE"), ({"deliver_by": False}, "DELIVERBY"), ({"mt_priority": False}, "MT-PRIORITY"),
])
def test_what_is_turned_off_is_not_announced(setting: dict[str, Any], word: str) -> None:
    for chosen, announced in ((setting, False), ({}, True)):
        world = SmtpWorld(**{"role": "submission", **chosen})
        world.reception.honours = ALL
        player = world.connect()
        player.send(b"EHLO client.example\r\n")
        assert (word.encode() in player.transport.value()) is announced
