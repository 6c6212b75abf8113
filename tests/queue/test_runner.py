"""What becomes of queued mail, over virtual days."""

from __future__ import annotations

from collections.abc import Sequence
from email import message_from_bytes
from random import Random
from unittest.mock import patch

from support.coroutines import result_of
from support.queueworld import CONTENT, World, to
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import capturedLogs, formatEvent

from mailframe.model.envelope import Recipient
from mailframe.model.refusal import OverQuota, Refusal, RemoteRefusal, StorageFull, TryAgainLater, UnknownRecipient
from mailframe.queue.item import Change
from mailframe.queue.schedule import RetrySettings

BUSY = RemoteRefusal(smtp=(451, "4.3.0"), mta="mx.example.net", diagnostic="451 4.3.0 busy")
NOBODY = RemoteRefusal(smtp=(550, "5.1.1"), mta="mx.example.net", diagnostic="550 5.1.1 nobody")
DAY = 86_400.0


def test_new_mail_is_handed_on_at_once_with_its_head_in_front() -> None:
    world = World()
    world.queue(to("bob@example.net"), head=b"Received: by us\r\n")
    assert world.relay.tries == [(["bob@example.net"], b"Received: by us\r\n" + CONTENT)]
    assert world.is_empty()
    assert not world.reports.kept


def test_recipients_of_one_domain_go_together_and_domains_apart() -> None:
    world = World()
    world.queue(to("a@example.net"), to("b@example.net"), to("c@example.com"))
    assert sorted(sorted(names) for names, _ in world.relay.tries) == [["a@example.net", "b@example.net"], ["c@example.com"]]


def test_those_who_wait_together_are_tried_together_again() -> None:
    world = World(random=Random(3).random)
    world.relay.answer = lambda _: BUSY
    world.queue(to("a@example.net"), to("b@example.net"))
    world.pass_time(3_600)
    assert len(world.relay.tries) > 2
    assert all(sorted(names) == ["a@example.net", "b@example.net"] for names, _ in world.relay.tries)


def test_a_busy_host_is_tried_again_in_growing_distances() -> None:
    world = World()
    world.relay.answer = lambda _: BUSY
    start = world.clock.seconds()
    world.queue(to("bob@example.net"))
    times = []
    for _ in range(200):
        before = len(world.relay.tries)
        world.pass_time(60)
        if len(world.relay.tries) > before:
            times.append(world.clock.seconds() - start)
    assert times[:5] == [300, 900, 2100, 4500, 9300]
    world.relay.answer = lambda _: None
    world.pass_time(DAY)
    assert world.is_empty()
    assert not world.reports.kept


def test_after_five_days_the_sender_is_told_once_and_the_mail_is_gone() -> None:
    world = World()
    world.relay.answer = lambda _: BUSY
    world.queue(to("bob@example.net"))
    world.pass_time(5 * DAY - 60)
    assert not world.reports.kept
    world.pass_time(4 * 3_600)
    [(envelope, recipients, octets)] = world.reports.kept
    assert envelope.sender is None and [str(each) for each in recipients] == ["alice@example.org"]
    assert b"Status: 5.4.7" in octets and b"451 4.3.0 busy" in octets
    assert world.is_empty()
    tries = len(world.relay.tries)
    world.pass_time(10 * DAY, step=3_600)
    assert len(world.relay.tries) == tries


def test_a_refusal_is_reported_once_for_all_recipients_of_the_message() -> None:
    world = World()
    world.relay.gate = []
    world.relay.answer = lambda _: NOBODY
    world.queue(to("a@example.net"), to("b@example.net"), to("c@example.com"))
    for waiting in world.relay.gate:
        waiting.callback(None)
    [(_, _, octets)] = world.reports.kept
    assert octets.count(b"Final-Recipient:") == 3
    assert world.is_empty()


def test_reports_that_fail_are_dropped_not_reported() -> None:
    """A message with the null sender never causes another (RFC 5321 section 6.1)."""
    world = World()
    world.relay.answer = lambda _: NOBODY
    world.queue(to("alice@example.com"), sender=None)
    assert not world.reports.kept and world.is_empty()


def test_a_report_that_its_sender_refuses_ends_there() -> None:
    world = World()
    world.relay.answer = lambda _: NOBODY
    world.reports.refuse_rcpt["alice@example.org"] = UnknownRecipient()
    world.queue(to("bob@example.net"))
    assert world.is_empty()


def test_a_report_that_cannot_be_taken_now_is_made_later() -> None:
    world = World()
    world.relay.answer = lambda _: NOBODY
    world.reports.refuse["alice@example.org"] = TryAgainLater()
    world.queue(to("bob@example.net"))
    assert not world.is_empty()
    world.reports.refuse.clear()
    world.pass_time(600)
    assert len(world.reports.kept) == 1 and world.is_empty()
    assert len(world.relay.tries) == 1, "the next hop is not asked again"


def test_a_report_survives_a_broken_agent() -> None:
    world = World()
    world.relay.answer = lambda _: NOBODY
    world.reports.broken = ValueError("a plugin's bug")
    world.queue(to("bob@example.net"))
    world.reports.broken = None
    world.pass_time(600)
    assert len(world.reports.kept) == 1 and world.is_empty()


def test_notify_decides_who_is_told() -> None:
    """RFC 3461 section 4.1."""
    world = World()
    world.relay.answer = lambda _: NOBODY
    world.queue(to("never@example.net", "NEVER"), to("success@example.net", "SUCCESS"), to("failure@example.net", "FAILURE"))
    [(_, _, octets)] = world.reports.kept
    assert b"Final-Recipient: rfc822; failure@example.net" in octets
    assert b"never@" not in octets and b"success@" not in octets
    assert world.is_empty()


def test_success_is_told_to_who_asked() -> None:
    world = World()
    world.queue(to("bob@example.net", "SUCCESS"), to("own@example.org", "SUCCESS", account="own"), to("joe@example.net"))
    actions = [b"Action: relayed", b"Action: delivered"]
    octets = b"".join(octets for _, _, octets in world.reports.kept)
    assert [octets.count(each) for each in actions] == [1, 1] and b"joe@" not in octets
    assert world.is_empty()


def test_a_next_hop_that_reports_itself_is_left_to_it() -> None:
    """RFC 3461 section 5.2.2."""
    world = World()
    world.relay.with_dsn.add("example.net")
    world.queue(to("bob@example.net", "SUCCESS"))
    assert not world.reports.kept and world.is_empty()


def test_delay_is_told_once_to_who_asked() -> None:
    world = World()
    world.relay.answer = lambda _: BUSY
    world.queue(to("bob@example.net", "DELAY", "FAILURE"), to("joe@example.net"))
    world.pass_time(2 * DAY)
    [(_, _, octets)] = world.reports.kept
    assert b"Action: delayed" in octets and b"Will-Retry-Until:" in octets and b"joe@" not in octets


def test_return_full_brings_the_whole_message_back_and_hdrs_its_header() -> None:
    for ret, kind, body in (("FULL", "message/rfc822", True), ("HDRS", "text/rfc822-headers", False)):
        world = World()
        world.relay.answer = lambda _: NOBODY
        world.queue(to("bob@example.net"), ret=ret, head=b"Received: by us\r\n")
        parsed = message_from_bytes(world.reports.kept[0][2])
        returned = parsed.get_payload()[2]  # type: ignore[index]
        assert returned.get_content_type() == kind
        octets = returned.as_bytes()
        assert b"Received: by us" in octets and (b"\n\nHello" in octets.replace(b"\r", b"")) == body


def test_a_report_about_mail_that_requires_tls_requires_it_too_and_shows_the_header_alone() -> None:
    """RFC 8689 section 5: as if RET=HDRS had been asked for, whatever was."""
    world = World()
    world.relay.answer = lambda _: NOBODY
    world.queue(to("bob@example.net"), ret="FULL", require_tls=True)
    envelope, _, octets = world.reports.kept[0]
    assert envelope.require_tls and b"text/rfc822-headers" in octets and b"\r\nHello\r\n" not in octets


def test_a_full_mailbox_gets_its_mail_when_there_is_room() -> None:
    world = World()
    world.mailboxes.refuse["own@example.org"] = OverQuota()
    world.queue(to("own@example.org", account="own"))
    assert not world.mailboxes.kept
    world.mailboxes.refuse.clear()
    world.pass_time(600)
    assert [octets for _, _, octets in world.mailboxes.kept] == [CONTENT]
    assert not world.relay.tries and world.is_empty()


def test_a_plugin_that_breaks_costs_a_try_and_no_mail() -> None:
    """I7."""
    world = World()
    world.mailboxes.broken = RuntimeError("a plugin's bug")

    def answer(_: Recipient) -> Refusal | None:
        raise ZeroDivisionError

    world.relay.answer = answer
    world.queue(to("own@example.org", account="own"), to("bob@example.net"))
    assert len(world.items()[0].waiting) == 2
    world.mailboxes.broken = None
    world.relay.answer = lambda _: None
    world.pass_time(600)
    assert len(world.mailboxes.kept) == 1 and len(world.relay.tries) == 2 and world.is_empty()


def test_no_more_than_so_many_go_to_one_domain_at_once_and_others_pass_by() -> None:
    """I3."""
    world = World(RetrySettings(max_per_domain=2, max_running=5))
    world.relay.gate = []
    for number in range(6):
        world.queue(to(f"b{number}@example.net"))
    assert world.runner.running == 2
    world.queue(to("c@example.com"))
    assert world.runner.running == 3
    while world.relay.gate:
        world.relay.gate.pop(0).callback(None)
        assert world.runner.running <= 3
    assert len(world.relay.tries) == 7 and world.is_empty()


def test_no_more_than_so_many_run_in_all() -> None:
    world = World(RetrySettings(max_running=3))
    world.relay.gate = []
    for number in range(8):
        world.queue(to(f"b@example{number}.net"))
    assert world.runner.running == 3
    while world.relay.gate:
        world.relay.gate.pop().callback(None)
        assert world.runner.running <= 3
    assert len(world.relay.tries) == 8 and world.is_empty()


def test_a_message_to_many_goes_in_pieces() -> None:
    world = World(RetrySettings(max_recipients=10))
    world.queue(*(to(f"b{number}@example.net") for number in range(25)))
    assert sorted(len(names) for names, _ in world.relay.tries) == [5, 10, 10]


def test_a_hand_over_without_end_is_given_up_for_now() -> None:
    world = World()
    world.relay.gate = []
    world.queue(to("bob@example.net"))
    world.pass_time(3 * 3_600 + 60)
    assert world.runner.running == 0
    [item] = world.items()
    assert item.waiting[0].tries == 1 and item.waiting[0].problem is not None and item.waiting[0].problem.status == "4.4.1"


def test_an_outcome_that_cannot_be_written_down_is_not_sent_again() -> None:
    world = World()
    world.relay.gate = []
    world.queue(to("bob@example.net"))
    world.engine.broken = TryAgainLater("disk full")
    world.relay.gate.pop().callback(None)
    world.pass_time(600)
    assert len(world.relay.tries) == 1
    world.engine.broken = None
    world.pass_time(600)
    assert len(world.relay.tries) == 1 and world.is_empty()


def test_what_was_in_hand_at_a_crash_is_tried_again_at_once() -> None:
    """I1."""
    world = World()
    world.relay.gate = []
    world.queue(to("bob@example.net"))
    assert len(world.relay.tries) == 1
    world.relay.gate = None
    world.restart()
    assert len(world.relay.tries) == 2 and world.is_empty()


def test_a_failure_whose_report_a_crash_prevented_is_reported_at_the_next_start() -> None:
    """I1: the outcome is durable before the report."""
    world = World()
    world.relay.answer = lambda _: NOBODY
    world.reports.refuse["alice@example.org"] = TryAgainLater()
    world.queue(to("bob@example.net"))
    world.reports.refuse.clear()
    world.pass_time(301)
    assert len(world.relay.tries) == 1 and len(world.reports.kept) == 1


def test_what_is_held_during_its_try_is_not_tried_again_until_released() -> None:
    world = World()
    world.relay.gate = []
    world.relay.answer = lambda _: TryAgainLater()
    world.queue(to("joe@example.net"))
    [number] = [item.message.id for item in world.items()]
    assert result_of(world.spool.hold([number])) == 1
    world.relay.gate[0].callback(None)
    world.pass_time(86_400)
    assert len(world.relay.tries) == 1 and world.items()[0].waiting[0].held
    world.relay.gate, world.relay.answer = None, lambda _: None
    result_of(world.spool.release([number]))
    assert len(world.relay.tries) == 2 and world.is_empty()


def test_what_is_removed_during_its_try_is_gone_whatever_comes_of_it() -> None:
    for outcome in (None, TryAgainLater(), Refusal("no", smtp=(550, "5.1.1"))):
        world = World()
        world.relay.gate = []
        world.relay.answer = lambda _, outcome=outcome: outcome
        world.queue(to("joe@example.net", "SUCCESS", "FAILURE"), to("eve@example.net"))
        assert result_of(world.spool.remove([item.message.id for item in world.items()])) == 2
        world.relay.gate[0].callback(None)
        world.pass_time(86_400)
        assert (len(world.relay.tries), world.reports.kept) == (1, []) and world.is_empty()


def test_release_and_retry_touch_only_what_they_are_meant_for() -> None:
    world = World()
    world.relay.answer = lambda _: TryAgainLater()
    world.queue(to("joe@example.net"))
    world.queue(to("eve@example.com"))
    first, second = (item.message.id for item in world.items())
    assert result_of(world.spool.hold([first])) == 1
    assert result_of(world.spool.retry([first])) == 0, "it is on hold"
    assert len(world.relay.tries) == 2
    assert result_of(world.spool.release([first, second])) == 1, "the other one was never held"
    assert [to for to, _ in world.relay.tries[2:]] == [["joe@example.net"]]


def test_the_operator_can_hold_release_retry_and_remove() -> None:
    world = World()
    world.relay.answer = lambda _: BUSY
    world.queue(to("bob@example.net"))
    world.queue(to("joe@example.com"))
    first, second = (item.message.id for item in world.items())

    assert result_of(world.spool.hold([first])) == 1
    world.relay.tries.clear()
    world.pass_time(DAY)
    assert {names[0] for names, _ in world.relay.tries} == {"joe@example.com"}
    world.relay.tries.clear()
    assert result_of(world.spool.release([first])) == 1
    assert [names for names, _ in world.relay.tries] == [["bob@example.net"]]
    assert result_of(world.spool.retry([])) == 2
    assert len(world.relay.tries) == 3
    assert result_of(world.spool.remove([first, second])) == 2
    assert world.is_empty() and not world.reports.kept


def test_stopping_waits_for_what_runs() -> None:
    world = World()
    world.relay.gate = []
    world.queue(to("bob@example.net"))
    stopped = Deferred.fromCoroutine(world.runner.stop())
    assert not stopped.called
    world.relay.gate.pop().callback(None)
    assert stopped.called and world.is_empty() and not [
        call for call in world.clock.getDelayedCalls() if call.getTime() < world.clock.seconds() + 59]


def test_stopping_cuts_off_what_never_ends() -> None:
    world = World()
    world.relay.gate = []
    world.queue(to("bob@example.net"))
    stopped = Deferred.fromCoroutine(world.runner.stop(grace_s=5))
    world.pass_time(6, step=1)
    assert stopped.called and world.runner.running == 0
    assert world.items()[0].waiting[0].tries == 0, "it is due again at the next start"


def test_a_flood_for_one_slow_domain_keeps_nobody_else_waiting() -> None:
    """I3: more than the runner remembers, and other domains' mail in the middle of it, which was late when it started."""
    world = World()
    result_of(world.runner.stop())
    for number in range(700):
        world.queue(to(f"b{number}@slow.example"))
        if number == 650:
            world.queue(to("c@example.com"))
    world.relay.gate = []
    world.runner = world._new()
    world.runner.start()
    world.pass_time(1, step=0.1)
    assert ["c@example.com"] in [names for names, _ in world.relay.tries]
    assert world.runner.running == 11
    world.queue(to("d@example.com"))
    assert world.relay.tries[-1][0] == ["d@example.com"]
    while world.relay.gate:
        world.relay.gate.pop(0).callback(None)
    assert world.is_empty() and len(world.relay.tries) == 702


def test_a_report_that_no_server_takes_is_given_up_after_two_days() -> None:
    world = World()
    world.relay.answer = lambda _: BUSY
    world.queue(to("alice@example.com"), sender=None)
    world.pass_time(2 * DAY - 60, step=600)
    assert not world.is_empty()
    world.pass_time(120)
    assert world.is_empty() and not world.reports.kept


def test_what_was_handed_over_before_the_deadline_is_not_sent_again() -> None:
    world = World()
    gate: Deferred[None] = Deferred()

    async def slowly(envelope: object, recipients: list[Recipient], source: object, head: bytes = b"") -> dict[Recipient, None]:
        try:
            await gate
        except CancelledError:
            return {recipients[0]: None}
        return {}

    with patch.object(world.relay, "deliver", slowly):
        world.queue(to("a@example.net"), to("b@example.net"))
        world.pass_time(3 * 3_600 + 1, step=600)
    [item] = world.items()
    assert [str(one.recipient) for one in item.waiting] == ["b@example.net"]
    assert item.waiting[0].problem is not None and item.waiting[0].problem.status == "4.4.1"


def test_thousands_removed_while_they_wait_are_passed_over() -> None:
    world = World(RetrySettings(max_running=1))
    world.relay.gate = []
    for number in range(600):
        world.queue(*(to(f"b{number}.{n}@example{n}.net") for n in range(3)))
    ids = [item.message.id for item in world.items()]
    assert result_of(world.spool.remove(ids)) == 1_800
    world.relay.gate.pop().callback(None)
    assert world.is_empty() and world.runner.running == 0 and len(world.relay.tries) == 1


def test_a_retry_comes_in_time_though_others_are_stuck() -> None:
    world = World(RetrySettings(max_per_domain=1))
    world.relay.gate = []
    world.relay.answer = lambda one: BUSY if one.address.domain == "example.com" else None
    world.queue(to("a@stuck.example"))
    world.queue(to("b@stuck.example"))
    world.queue(to("c@example.com"))
    world.relay.gate.pop().callback(None)
    world.pass_time(302, step=1)
    assert [names[0] for names, _ in world.relay.tries] == ["a@stuck.example", "c@example.com", "c@example.com"]


def test_a_disk_that_takes_no_outcome_is_one_line_and_nothing_goes_twice() -> None:
    """Without a traceback; what became of it is written down when there is room."""
    world = World()
    settle, full = world.spool.settle, [True]

    async def failing(message_id: int, changes: Sequence[Change]) -> None:
        if full[0]:
            raise StorageFull(detail="the disk")
        await settle(message_id, changes)

    with patch.object(world.spool, "settle", failing), capturedLogs() as logs:
        world.queue(to("bob@example.net"))
        world.pass_time(90)
        full[0] = False
        world.pass_time(60)
    said = [event for event in logs if "cannot be written down" in str(formatEvent(event))]
    assert len(said) > 1 and not any("log_failure" in event for event in said)
    assert len(world.relay.tries) == 1 and world.is_empty()
