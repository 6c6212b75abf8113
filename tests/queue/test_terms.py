"""Messages that are held, have a deadline, or go first: over virtual days (RFC 4865, RFC 2852, RFC 6710)."""

from __future__ import annotations

from collections.abc import Sequence
from email import message_from_bytes
from email.message import Message
from typing import Any

import pytest
from support.coroutines import result_of
from support.mailparts import ScriptedRelay
from support.queueworld import World, to
from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore

from mailframe.interfaces.delivery import IMessageSource
from mailframe.model.envelope import DeliverBy, Envelope, Recipient
from mailframe.model.handed import Handed
from mailframe.model.refusal import RemoteRefusal, TryAgainLater
from mailframe.queue.schedule import RetrySettings

BUSY = RemoteRefusal(smtp=(451, "4.3.0"), mta="mx.example.net", diagnostic="451 4.3.0 busy")
HOUR, DAY = 3_600.0, 86_400.0
BOB = to("bob@example.net")
OWN = to("eve@example.org", account="eve")


class HalfWay(ScriptedRelay):
    """Hands the message to the first recipient, waits for the next one's host, and tells of the first when it is cut off."""

    async def deliver(
        self, envelope: Envelope, recipients: Sequence[Recipient], source: IMessageSource, head: bytes = b"",
    ) -> Handed:
        self.tries.append(([str(each) for each in recipients], b""))
        handed = Handed()
        handed.note(recipients[0], ())
        try:
            await Deferred()
        except CancelledError:
            return handed
        raise AssertionError("nobody answers")


def world_with(*recipients: Recipient, busy: bool = False, **asked: Any) -> World:
    """A world into whose queue a message has come, with times counted from now."""
    world = World()
    if busy:
        world.relay.answer = lambda _: BUSY
    now = world.clock.seconds()
    if "by" in asked:
        seconds, *mode = asked.pop("by")
        asked["deliver_by"] = DeliverBy(now + seconds, "N" in mode, "T" in mode)
    if "hold" in asked:
        asked["hold_until"] = now + asked.pop("hold")
    world.queue(*recipients, **asked)
    return world


def reports(world: World) -> list[tuple[Message, Message]]:
    """Each report's fields about the message, and about its first recipient."""
    found = []
    for _, _, octets in world.reports.kept:
        groups = message_from_bytes(octets).get_payload()[1].get_payload()      # type: ignore[union-attr, index]
        found.append((groups[0], groups[1]))
    return found


# -- held (RFC 4865)


def test_a_held_message_leaves_at_its_time_and_not_before() -> None:
    world = world_with(BOB, OWN, hold=3 * DAY)
    world.pass_time(3 * DAY - 1, step=HOUR)
    assert not world.relay.tries and not world.mailboxes.kept
    world.pass_time(1)
    assert len(world.relay.tries) == 1 and len(world.mailboxes.kept) == 1 and world.is_empty()


def test_a_restart_keeps_a_held_message() -> None:
    world = world_with(BOB, hold=DAY)
    world.restart()
    world.pass_time(DAY - 1, step=HOUR)
    assert not world.relay.tries
    world.restart()
    world.pass_time(2)
    assert len(world.relay.tries) == 1


def test_its_age_counts_from_its_release() -> None:
    """Five days of tries, and four hours to the report of a delay, begin when it may leave."""
    world = world_with(to("bob@example.net", "DELAY", "FAILURE"), busy=True, hold=30 * DAY)
    world.pass_time(30 * DAY + 3 * HOUR, step=600)
    assert world.relay.tries and not world.reports.kept
    world.pass_time(4 * HOUR, step=600)
    assert [each["Action"] for _, each in reports(world)] == ["delayed"]
    world.pass_time(4.5 * DAY, step=600)
    assert not world.is_empty()
    world.pass_time(DAY, step=600)
    assert [each["Action"] for _, each in reports(world)] == ["delayed", "failed"] and world.is_empty()
    assert reports(world)[1][0]["Future-Release-Request"].startswith("until; 1970-02-1")


@pytest.mark.parametrize("act", ["retry", "release", "hold and release"])
def test_nobody_lets_it_out_early_by_mistake(act: str) -> None:
    world = world_with(BOB, hold=DAY)
    ids = [item.message.id for item in world.items()]
    if act == "hold and release":
        assert result_of(world.spool.hold(ids)) == 1
        assert result_of(world.spool.release(ids)) == 1
    else:
        result_of(getattr(world.spool, act)(ids))
    world.pass_time(DAY - 1, step=HOUR)
    assert not world.relay.tries
    world.pass_time(1)
    assert len(world.relay.tries) == 1


def test_what_is_to_leave_later_is_not_counted_as_tried_again() -> None:
    world = world_with(BOB, OWN, hold=DAY)
    ids = [item.message.id for item in world.items()]
    assert result_of(world.spool.retry(ids)) == 0 and result_of(world.spool.retry()) == 0
    world = world_with(BOB, busy=True, hold=HOUR)
    world.pass_time(HOUR + 1)
    assert result_of(world.spool.retry()) == 1 and len(world.relay.tries) == 2


def test_what_an_operator_holds_stays_beyond_its_release_until_the_operator_ends_it() -> None:
    world = world_with(BOB, hold=HOUR)
    ids = [item.message.id for item in world.items()]
    result_of(world.spool.hold(ids))
    world.pass_time(2 * HOUR)
    assert not world.relay.tries
    result_of(world.spool.release(ids))
    assert len(world.relay.tries) == 1


def test_a_held_message_can_be_taken_back() -> None:
    world = world_with(BOB, hold=HOUR)
    assert result_of(world.spool.remove([item.message.id for item in world.items()])) == 1
    world.pass_time(2 * HOUR)
    assert not world.relay.tries and world.is_empty()


# -- with a deadline (RFC 2852)


@pytest.mark.parametrize("seconds", [60, 1_000, 2 * HOUR])
def test_at_its_deadline_it_is_returned_whenever_the_next_try_would_be(seconds: float) -> None:
    world = world_with(BOB, busy=True, by=(seconds, "R"))
    world.pass_time(seconds - 1, step=10)
    assert not world.reports.kept and not world.is_empty()
    world.relay.answer = lambda _: None         # would be taken now, and must not be offered any more
    tries = len(world.relay.tries)
    world.pass_time(1)
    [(about, one)] = reports(world)
    assert one["Action"] == "failed" and one["Status"] == "5.4.7" and "busy" in one["Diagnostic-Code"]
    assert about["Deliver-By-Date"] and world.is_empty() and len(world.relay.tries) == tries


def test_who_was_served_before_the_deadline_cut_the_hand_over_off_stays_served() -> None:
    """I1: neither a second copy, nor a report that says the first one failed."""
    world = World()
    world.relay = HalfWay()
    result_of(world.runner.stop())
    world.restart()
    world.queue(BOB, to("eve@example.net"), deliver_by=DeliverBy(world.clock.seconds() + 60))
    world.pass_time(61)
    [(_, one)] = reports(world)
    assert (one["Final-Recipient"], one["Status"]) == ("rfc822; eve@example.net", "5.4.7") and world.is_empty()
    assert len(world.relay.tries) == 1


def test_after_a_long_outage_it_is_returned_untried() -> None:
    world = World()
    result_of(world.runner.stop())
    world.queue(BOB, OWN, deliver_by=DeliverBy(world.clock.seconds() + 60))
    world.pass_time(HOUR)
    world.restart()
    assert not world.relay.tries and not world.mailboxes.kept and world.is_empty()
    assert {one["Status"] for _, one in reports(world)} == {"5.4.7"}
    assert b"could not be handed on in time\r\n" in world.reports.kept[0][2]
    assert all(one["Last-Attempt-Date"] is None for _, one in reports(world))       # RFC 3464 section 2.3.7: there was none


def test_a_mailbox_of_ours_gets_nothing_after_the_deadline() -> None:
    world = World()
    world.mailboxes.refuse["eve@example.org"] = TryAgainLater()
    world.queue(OWN, deliver_by=DeliverBy(world.clock.seconds() + 400))
    world.pass_time(399)
    world.mailboxes.refuse.clear()
    world.pass_time(1)
    assert [one["Status"] for _, one in reports(world)] == ["5.4.7"] and world.is_empty()


def test_a_hand_over_that_takes_too_long_is_cut_off_at_the_deadline() -> None:
    world = World()
    world.relay.gate = []
    world.queue(BOB, deliver_by=DeliverBy(world.clock.seconds() + 100))
    world.pass_time(99)
    assert world.runner.running == 1 and not world.reports.kept
    world.pass_time(1)
    assert world.runner.running == 0 and [one["Status"] for _, one in reports(world)] == ["5.4.7"] and world.is_empty()


@pytest.mark.parametrize("notify", [(), ("DELAY", "FAILURE"), ("SUCCESS", "DELAY")])
def test_word_that_it_is_late_does_not_wait_for_a_hand_over_that_hangs(notify: tuple[str, ...]) -> None:
    """RFC 2852 section 4.1.3: the report is due at the deadline, and the tries go on."""
    world = World()
    world.relay.gate = []
    by = DeliverBy(world.clock.seconds() + 100, notify=True)
    world.queue(to("bob@example.net", *notify), OWN, deliver_by=by)
    world.pass_time(99)
    assert not world.reports.kept
    world.pass_time(1)
    [(_, one)] = reports(world)
    assert (one["Action"], one["Status"], one["Final-Recipient"]) == ("delayed", "4.4.7", "rfc822; bob@example.net")
    assert world.runner.running == 1, "it goes on"
    world.relay.gate.pop().callback(None)
    assert len(world.relay.tries) == 1 and world.is_empty()
    assert [each["Action"] for _, each in reports(world)] == ["delayed"] + ["relayed"] * ("SUCCESS" in notify)


def test_what_is_late_is_told_once_though_the_hand_over_fails_then() -> None:
    world = World(RetrySettings(deadline_s=200))
    world.relay.gate = []
    world.queue(BOB, deliver_by=DeliverBy(world.clock.seconds() + 100, notify=True))
    world.pass_time(300)
    assert len(world.reports.kept) == 1 and world.items()[0].waiting[0].problem is not None
    world.relay.gate = None
    world.pass_time(HOUR)
    assert world.is_empty() and len(world.reports.kept) == 1 and len(world.relay.tries) == 2


def test_who_wants_no_word_of_delays_gets_none_of_a_hand_over_that_hangs() -> None:
    """RFC 3461 section 5.2.5 (c)."""
    world = World()
    world.relay.gate = []
    world.queue(to("bob@example.net", "FAILURE"), to("eve@example.net", "NEVER"),
                deliver_by=DeliverBy(world.clock.seconds() + 100, notify=True))
    world.pass_time(200)
    assert not world.reports.kept and world.runner.running == 1


def test_a_late_word_that_cannot_be_sent_now_comes_when_the_hand_over_ends() -> None:
    world = World()
    world.relay.gate = []
    world.queue(BOB, deliver_by=DeliverBy(world.clock.seconds() + 100, notify=True))
    world.reports.refuse["alice@example.org"] = TryAgainLater()
    world.pass_time(100)
    assert not world.reports.kept
    world.reports.refuse.clear()
    world.relay.answer = lambda _: BUSY
    world.relay.gate.pop().callback(None)
    assert [each["Action"] for _, each in reports(world)] == ["delayed"]


def test_what_a_stop_cuts_off_is_tried_at_once_at_the_next_start() -> None:
    """Nobody has refused it: the one who was served is done with, the other one waits for nothing."""
    world = World()
    world.runner._hand_over._relay = HalfWay()
    world.queue(BOB, to("eve@example.net"))
    stopped = Deferred.fromCoroutine(world.runner.stop(grace_s=5))
    world.pass_time(6, step=1)
    assert stopped.called
    [one] = world.items()[0].waiting
    assert (str(one.recipient), one.tries, one.problem) == ("eve@example.net", 0, None)
    world.restart()
    assert world.relay.tries == [(["eve@example.net"], one.head + world.relay.tries[0][1])] and world.is_empty()


def test_it_is_returned_in_time_when_it_waits_in_line_behind_others() -> None:
    """All places are taken by hand-overs that hang: neither that host's mail nor others' comes back late."""
    world = World(RetrySettings(max_running=2, max_per_domain=1))
    world.relay.gate = []
    world.queue(to("x@example.net"))
    world.queue(to("y@example.com"))
    by = DeliverBy(world.clock.seconds() + 100)
    for number in range(500):
        world.queue(to(f"b{number}@example.net"), to(f"c{number}@example.com"), OWN, deliver_by=by)
    assert len(world.relay.gate) == 2
    world.pass_time(99)
    assert not world.reports.kept
    world.pass_time(1)
    assert len(world.reports.kept) == 500 and {one["Status"] for _, one in reports(world)} == {"5.4.7"}
    for each in world.relay.gate:
        each.callback(None)
    world.pass_time(HOUR)
    assert len(world.relay.tries) == 2 and not world.mailboxes.kept and world.is_empty()


def test_who_wants_no_report_of_failure_gets_none() -> None:
    world = world_with(to("bob@example.net", "NEVER"), busy=True, by=(60, "R"))
    world.pass_time(61)
    assert not world.reports.kept and world.is_empty()


def test_mode_n_tells_of_the_delay_at_the_deadline_and_goes_on() -> None:
    """RFC 2852 section 4.1.3; a hand-over later than that to a server that keeps no time is no news (section 4.1.4.2), which
    nobody asked to hear (RFC 3461 section 5.2.2 (e))."""
    world = world_with(BOB, busy=True, by=(1_000, "N"))
    world.pass_time(999, step=1)
    assert not world.reports.kept
    world.pass_time(1)
    [(about, one)] = reports(world)
    assert one["Action"] == "delayed" and one["Status"] == "4.4.7" and one["Will-Retry-Until"] and about["Deliver-By-Date"]
    world.pass_time(DAY)
    assert len(world.reports.kept) == 1
    world.relay.answer = lambda _: None
    world.pass_time(DAY)
    assert world.is_empty() and len(world.reports.kept) == 1


@pytest.mark.parametrize(("recipient", "seconds"), [
    (to("bob@example.net", "FAILURE"), 60), (to("bob@example.net", "NEVER"), 60), (BOB, -60),
])
def test_no_delay_is_told_that_nobody_wants_or_another_server_has_told(recipient: Recipient, seconds: float) -> None:
    """A time that was negative when it came has been reported by who sent it so (RFC 2852 section 4)."""
    world = world_with(recipient, busy=True, by=(seconds, "N"))
    world.pass_time(DAY)
    assert not world.reports.kept and not world.is_empty()


@pytest.mark.parametrize(("mode", "notify", "host", "told"), [
    ("N", (), "plain", "2.1.9"), ("N", (), "timed", None), ("N", ("FAILURE",), "plain", "2.1.9"), ("N", ("NEVER",), "plain", None),
    ("N", ("DELAY",), "plain", "2.1.9"), ("NT", (), "timed", "2.0.0"), ("RT", (), "timed", "2.0.0"),
    ("RT", ("FAILURE",), "timed", "2.0.0"),
    ("RT", ("NEVER",), "timed", None), ("R", (), "timed", None), ("N", ("SUCCESS",), "plain", "2.1.9"),
    ("NT", ("SUCCESS",), "timed", "2.1.9"), ("NT", (), "plain", "2.1.9"),
])
def test_what_is_told_of_a_hand_over(mode: str, notify: tuple[str, ...], host: str, told: str | None) -> None:
    """RFC 2852 sections 4.1.4 and 4.1.4.2. Trace: of each one. Mode N: of one to a server that does not keep the time."""
    world = World()
    if host == "timed":
        world.relay.with_deliver_by.add("example.net")
    world.queue(to("bob@example.net", *notify), deliver_by=DeliverBy(world.clock.seconds() + 60, "N" in mode, "T" in mode))
    assert [(one["Action"], one["Status"]) for _, one in reports(world)] == ([("relayed", told)] if told else [])
    assert world.is_empty()


def test_a_mailbox_reached_in_time_needs_no_words() -> None:
    world = world_with(OWN, by=(60, "N", "T"))
    assert len(world.mailboxes.kept) == 1 and not world.reports.kept and world.is_empty()


# -- by rank (RFC 6710)


def test_higher_priorities_go_first_and_the_lowest_is_not_forgotten() -> None:
    world = World(RetrySettings(max_running=1))
    world.relay.gate = []
    world.queue(to("first@example.net"))
    for number in range(20):
        world.queue(to(f"low@l{number}.example"), priority=-4)
        world.queue(to(f"high@h{number}.example"), priority=4)
    while world.relay.gate:
        world.relay.gate.pop().callback(None)
    order = "".join(names[0][0] for names, _ in world.relay.tries)
    assert order == "f" + "hhhhhhhhl" * 2 + "hhhh" + "l" * 18 and world.is_empty()


def test_after_an_outage_urgent_mail_does_not_wait_behind_the_backlog() -> None:
    world = World(RetrySettings(max_running=1))
    result_of(world.runner.stop())
    for number in range(300):
        world.queue(to(f"a@d{number}.example"))
    world.queue(to("urgent@example.net"), priority=1)
    world.relay.gate = []
    world.restart()
    world.clock.advance(0)
    assert world.relay.tries[0][0] == ["urgent@example.net"]
    world.relay.gate.pop().callback(None)


def test_a_report_has_the_rank_of_what_it_is_about() -> None:
    world = World()
    world.relay.answer = lambda _: RemoteRefusal(smtp=(550, "5.1.1"))
    world.queue(BOB, priority=3)
    assert [envelope.priority for envelope, _, _ in world.reports.kept] == [3]


# -- an alias for several (RFC 3461 section 5.2.7)


def test_the_expansion_of_an_alias_is_reported_once_and_nothing_is_sent_to_it() -> None:
    alias = Recipient(to("team@example.org").address, frozenset({"SUCCESS", "FAILURE"}), "rfc822;all@example.org", expanded=True)
    world = world_with(alias, to("bob@example.org", "FAILURE"), envid="E42")
    assert [names for names, _ in world.relay.tries] == [["bob@example.org"]]
    [(about, one)] = reports(world)
    assert about["Original-Envelope-Id"] == "E42" and one["Action"] == "expanded" and one["Status"] == "2.0.0"
    assert one["Final-Recipient"] == "rfc822; team@example.org" and one["Original-Recipient"] == "rfc822;all@example.org"
    assert b"was passed on by:" in world.reports.kept[0][2] and world.is_empty()


def test_a_stop_while_a_sender_is_being_told_neither_loses_nor_doubles_the_word() -> None:
    """The report is handed in when the server stops; the next start tells, once."""
    world = World()
    world.relay.gate = []
    world.queue(BOB, deliver_by=DeliverBy(world.clock.seconds() + 100, notify=True))
    turns = world.runner._notifier._turns
    for _ in range(turns.limit):
        result_of(_turn(turns))
    world.pass_time(100)
    assert not world.reports.kept and world.runner.running == 1
    stopped = Deferred.fromCoroutine(world.runner.stop(grace_s=1))
    world.pass_time(4, step=1)
    assert stopped.called and world.runner.running == 0 and not world.reports.kept
    assert world.items()[0].waiting[0].tries == 0
    world.relay.gate = None
    world.relay.answer = lambda _: BUSY
    world.restart()
    assert [each["Action"] for _, each in reports(world)] == ["delayed"]
    world.pass_time(DAY)
    assert len(world.reports.kept) == 1


async def _turn(turns: DeferredSemaphore) -> None:
    await turns.acquire()
