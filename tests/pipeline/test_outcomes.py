"""What the sender is told, and what the queue takes over, when not every recipient's mailbox takes the message."""

from __future__ import annotations

from types import SimpleNamespace
from unittest.mock import patch

import pytest
from support.mailparts import KeepingAgent
from support.pipelineworld import BOB, EVE, FAR, MESSAGE, USER, PipelineWorld, to
from twisted.internet.defer import Deferred

from mailframe.model.address import Address
from mailframe.model.envelope import Envelope, Peer, Recipient
from mailframe.model.refusal import (
    OverQuota,
    TryAgainLater,
    UnknownRecipient,
)
from mailframe.model.route import Rewrite


def test_a_mailbox_that_cannot_take_it_now_gets_it_later_and_the_sender_is_done() -> None:
    """A temporary failure of one is never the sender's matter."""
    local = KeepingAgent()
    local.refuse["eve@example.org"] = OverQuota()
    world = PipelineWorld(local=local)
    assert world.send(BOB, EVE) == {BOB: None, EVE: None}
    assert world.queued() == ["eve@example.org"]
    local.refuse.clear()
    world.runner.start()
    assert [names for _, names, _ in local.kept] == [[_routed(BOB)], [_routed(EVE)]]
    assert local.kept[0][2] == local.kept[1][2]


def test_when_every_mailbox_is_full_the_sender_is_told_at_once() -> None:
    """A quota is a matter of days: our queue would hold the message only to bounce it."""
    local = KeepingAgent()
    for name in ("bob", "eve"):
        local.refuse[f"{name}@example.org"] = OverQuota()
    world = PipelineWorld(local=local)
    outcomes = world.send(BOB, EVE)
    assert [outcome and outcome.smtp for outcome in outcomes.values()] == [(452, "4.2.2")] * 2
    assert world.queued() == []


def test_a_mailbox_that_never_takes_it_is_reported_when_others_took_it() -> None:
    local = KeepingAgent()
    local.refuse["eve@example.org"] = UnknownRecipient()
    world = PipelineWorld(local=local)
    assert world.send(BOB, EVE, sender=Address.parse("bob@example.org"), peer=Peer("")) == {BOB: None, EVE: None}
    world.runner.start()
    report = local.kept[-1]
    assert report[0].sender is None and b"Final-Recipient: rfc822; eve@example.org" in report[2]
    assert world.queued() == []


def test_what_all_refuse_is_refused_to_the_sender() -> None:
    local = KeepingAgent()
    local.refuse["eve@example.org"] = UnknownRecipient()
    outcomes = PipelineWorld(local=local).send(EVE)
    assert isinstance(outcomes[EVE], UnknownRecipient)


def test_when_the_queue_fails_the_sender_comes_again_and_nobody_gets_it_twice() -> None:
    local = KeepingAgent()
    world = PipelineWorld(local=local)
    world.engine.broken = TryAgainLater()
    submit = {"peer": USER, "sender": Address.parse("bob@example.org")}
    with pytest.raises(TryAgainLater):
        world.send(BOB, FAR, **submit)  # type: ignore[arg-type]
    world.engine.broken = None
    assert world.send(BOB, FAR, **submit) == {BOB: None, FAR: None}  # type: ignore[arg-type]
    assert len(local.kept) == 1 and world.queued() == ["joe@example.net"]
    assert world.send(BOB, **submit) == {BOB: None}  # type: ignore[arg-type]
    assert len(local.kept) == 2, "forgotten once it was whole"


def test_an_agent_that_breaks_costs_nobody_mail() -> None:
    """I7."""
    local = KeepingAgent()
    local.broken = RuntimeError("a plugin's bug")
    world = PipelineWorld(local=local)
    assert world.send(BOB) == {BOB: None}
    assert world.queued() == ["bob@example.org"]


def test_without_a_queue_failures_are_the_senders() -> None:
    local = KeepingAgent()
    local.refuse["eve@example.org"] = OverQuota()
    world = PipelineWorld(local=local, with_queue=False)
    with pytest.raises(OverQuota):
        world.send(BOB, EVE)
    local.refuse.clear()
    assert world.send(BOB, EVE) == {BOB: None, EVE: None}
    assert sorted(str(names[0]) for _, names, _ in local.kept) == ["bob@example.org", "eve@example.org"]


def test_who_wants_to_know_of_success_is_told() -> None:
    """RFC 3461 section 5.2."""
    world = PipelineWorld()
    world.runner.start()
    world.send(to("eve@example.org", "SUCCESS"), sender=Address.parse("bob@example.org"), peer=Peer(""))
    assert len(world.mail("eve")) == 1
    [report] = world.mail("bob")
    assert b"Action: delivered" in report and b"Return-Path: <>" in report
    assert world.queued() == []


def test_a_directory_that_breaks_asks_the_sender_to_come_again() -> None:
    """I7."""
    world = PipelineWorld()
    world.directory.table = SimpleNamespace(get=lambda _: 1 / 0)  # type: ignore[assignment]
    with pytest.raises(TryAgainLater):
        world.send(BOB)


def _routed(recipient: Recipient) -> Recipient:
    return Recipient(recipient.address, recipient.notify, recipient.orcpt, recipient.address.local)


def test_a_directory_or_an_agent_that_never_answers_is_given_up() -> None:
    """I7."""
    local = KeepingAgent()
    world = PipelineWorld(local=local)

    def hang(*_: object) -> Deferred[None]:
        return Deferred(lambda _: None)

    found: list[object] = []

    async def send() -> None:
        delivery = await world.pipeline.begin(Envelope("e1", None, Peer("")))
        await delivery.add_recipient(BOB)
        await delivery.write(MESSAGE)
        found.append(await delivery.commit())

    with patch.object(type(local), "begin", hang):
        Deferred.fromCoroutine(send()).addErrback(lambda failure: found.append(failure.value))
        world.clock.advance(241)
    assert isinstance(found[0], TryAgainLater)
    with patch.object(world.directory, "resolve", hang):
        Deferred.fromCoroutine(send()).addErrback(lambda failure: found.append(failure.value))
        world.clock.advance(241)
    assert isinstance(found[1], TryAgainLater)


def test_a_member_of_an_alias_that_refuses_is_the_queues_care() -> None:
    local = KeepingAgent()
    local.refuse_rcpt["eve@example.org"] = OverQuota()
    world = PipelineWorld(local=local)
    world.directory.table["all@example.org"] = Rewrite((EVE.address, BOB.address))
    assert set(world.send(to("all@example.org")).values()) == {None}
    assert world.queued() == ["eve@example.org"] and len(local.kept) == 1
    with pytest.raises(OverQuota):
        world.send(EVE)


def test_a_broken_spool_of_content_is_refused_before_anything_is_kept() -> None:
    world = PipelineWorld()
    world.engine.broken = TryAgainLater("disk full")
    with pytest.raises(TryAgainLater):
        world.send(BOB, content=MESSAGE + b"x" * 400_000)
    world.engine.broken = None
    assert world.mail("bob") == []


def test_when_one_waits_and_the_other_is_refused_both_are_the_queues_care() -> None:
    """The sender gets one answer only: what is accepted for one must not lose the refusal of the other."""
    local = KeepingAgent()
    local.refuse["eve@example.org"] = UnknownRecipient()
    local.refuse["bob@example.org"] = OverQuota()
    world = PipelineWorld(local=local)
    assert world.send(BOB, EVE) == {BOB: None, EVE: None}
    assert sorted(world.queued()) == ["bob@example.org", "eve@example.org"]


def test_without_a_queue_the_sender_learns_of_a_refusal_though_others_have_it() -> None:
    local = KeepingAgent()
    local.refuse["eve@example.org"] = UnknownRecipient()
    with pytest.raises(UnknownRecipient):
        PipelineWorld(local=local, with_queue=False).send(BOB, EVE)
    assert len(local.kept) == 1
