"""Mailboxes, queue and reports: what belongs together is stored once, and committed together (I1)."""

from __future__ import annotations

import pytest
from support.pipelineworld import BOB, EVE, FAR, MESSAGE, USER, PipelineWorld, to

from mailframe.model.address import Address
from mailframe.model.envelope import Peer
from mailframe.model.refusal import (
    Refusal,
    TryAgainLater,
)


def test_mailboxes_and_queue_are_written_in_one_transaction() -> None:
    """I1: either all of it is accepted, or nothing of it is kept."""
    world = PipelineWorld()
    before = world.engine.jobs
    assert set(world.send(BOB, FAR, peer=USER, sender=Address.parse("bob@example.org")).values()) == {None}
    assert world.engine.jobs == before + 1
    assert len(world.mail("bob")) == 1 and world.queued() == ["joe@example.net"]
    world.engine.broken = TryAgainLater()
    with pytest.raises(TryAgainLater):
        world.send(BOB, FAR, peer=USER, sender=None)
    world.engine.broken = None
    assert len(world.mail("bob")) == 1


def test_a_small_message_for_a_mailbox_and_the_queue_is_stored_once() -> None:
    world = PipelineWorld()
    world.send(BOB, EVE, FAR, peer=Peer(""))
    assert world.engine.read("SELECT refs, size FROM content") == [(3, len(MESSAGE))]
    assert world.engine.read("SELECT count(*) FROM piece") == [(1,)]
    assert world.mail("bob")[0].endswith(MESSAGE) and world.mail("bob") == world.mail("eve")
    world.runner.start()
    assert world.relay.tries[0][1].endswith(MESSAGE)
    assert world.engine.read("SELECT refs FROM content") == [(2,)]


def test_large_messages_are_staged_once_for_mailboxes_and_queue() -> None:
    world = PipelineWorld()
    large = MESSAGE + b"x" * 998 * 700 + b"\r\n"
    world.send(BOB, EVE, FAR, peer=Peer(""), content=large)
    assert world.mail("bob")[0].endswith(large) and world.mail("bob") == world.mail("eve")
    assert world.engine.read("SELECT count(*) FROM content WHERE size IS NOT NULL") == [(1,)]
    world.runner.start()
    assert world.relay.tries[0][1].endswith(large)


def test_a_report_reaches_a_mailbox_in_one_transaction_with_the_end_of_its_cause() -> None:
    """I1: after kill -9 there is one report, never none, never two."""
    world = PipelineWorld()
    world.relay.answer = lambda _: Refusal("No", smtp=(550, "5.1.1"))
    world.runner.start()
    before = world.engine.jobs
    world.send(FAR, sender=Address.parse("bob@example.org"), peer=USER)
    assert world.engine.jobs == before + 3, "accepted; its outcome; report and end"
    assert len(world.mail("bob")) == 1 and world.queued() == []


def test_a_report_to_another_server_is_queued_in_one_transaction_too() -> None:
    world = PipelineWorld()
    world.relay.answer = lambda one: Refusal("No", smtp=(550, "5.1.1")) if one.address == FAR.address else None
    world.runner.start()
    world.send(FAR, peer=Peer(""))
    assert [names for names, _ in world.relay.tries] == [["joe@example.net"], ["alice@example.com"]]
    assert world.relay.envelopes[1].sender is None and world.queued() == []


def test_mail_from_the_queue_into_a_mailbox_leaves_the_queue_in_the_same_transaction() -> None:
    """I1: a crash neither loses nor doubles it."""
    world = PipelineWorld()
    world.send(to("bob@example.org", "SUCCESS"), to("eve@example.org", "SUCCESS", "FAILURE"), sender=Address.parse("x@example.com"))
    assert len(world.queued()) == 2
    before = world.engine.jobs
    world.runner.start()
    assert len(world.mail("bob")) == len(world.mail("eve")) == 1
    assert world.engine.jobs == before + 3, "into the mailboxes; the report into the queue; the report handed on"
    assert world.relay.tries[0][0] == ["x@example.com"] and world.queued() == []
