"""What an LMTP client is answered for each recipient, and what is the queue's all the same (RFC 2033 section 4.2)."""

from __future__ import annotations

from email import message_from_bytes
from typing import Any

import pytest
from support.mailparts import KeepingAgent
from support.pipelineworld import MESSAGE, PipelineWorld, to

from mailframe.model.envelope import Peer
from mailframe.model.refusal import OverQuota, Refusal, RelayDenied, TryAgainLater, UnknownRecipient
from mailframe.model.route import Rewrite
from mailframe.pipeline.route import RouteSettings
from mailframe.pipeline.settings import PipelineSettings

BOB, EVE, ALL, FAR = to("bob@example.org"), to("eve@example.org"), to("all@example.org"), to("joe@example.net")
LMTP = Peer("", helo="mta.example.org", protocol="LMTP", role="lmtp", listener="lmtp")


def world_with(*, with_queue: bool = True, **refusals: Refusal) -> tuple[PipelineWorld, KeepingAgent]:
    """`all` is bob, eve, and joe of another server."""
    local = KeepingAgent()
    for name, refusal in refusals.items():
        local.refuse[f"{name}@example.org"] = refusal
    world = PipelineWorld(local=local, with_queue=with_queue)
    world.directory.table["all@example.org"] = Rewrite((BOB.address, EVE.address, FAR.address))
    return world, local


def lines(outcomes: Any) -> dict[str, object]:
    return {str(one): refusal and refusal.smtp[1] for one, refusal in outcomes.items()}


def kept(local: KeepingAgent) -> list[str]:
    return sorted(str(one) for _, names, _ in local.kept for one in names)


def test_each_mailbox_answers_for_itself_and_nothing_waits_in_the_queue() -> None:
    world, local = world_with(eve=OverQuota())
    assert lines(world.send(BOB, EVE, peer=LMTP)) == {"bob@example.org": None, "eve@example.org": "4.2.2"}
    assert kept(local) == ["bob@example.org"] and world.queued() == []
    local.refuse["eve@example.org"] = UnknownRecipient()
    assert lines(world.send(BOB, EVE, peer=LMTP)) == {"bob@example.org": None, "eve@example.org": "5.1.1"}
    assert world.queued() == [], "no report of ours: the client's server writes it"
    local.refuse["bob@example.org"] = TryAgainLater()
    assert lines(world.send(BOB, EVE, peer=LMTP)) == {"bob@example.org": "4.3.0", "eve@example.org": "5.1.1"}


def test_who_was_refused_gets_it_the_second_time_and_who_has_it_not_again() -> None:
    world, local = world_with(eve=OverQuota())
    world.send(BOB, EVE, peer=LMTP)
    local.refuse.clear()
    assert lines(world.send(EVE, peer=LMTP)) == {"eve@example.org": None}
    assert kept(local) == ["bob@example.org", "eve@example.org"]


def test_a_message_sent_twice_on_purpose_is_there_twice() -> None:
    """Nothing is remembered of a message whose every recipient was answered."""
    world, local = world_with(eve=OverQuota())
    for _ in range(2):
        world.send(BOB, EVE, peer=LMTP)
    assert kept(local) == ["bob@example.org"] * 2


def test_over_mailboxes_and_a_queue_on_one_engine() -> None:
    world = PipelineWorld()
    world.directory.table["all@example.org"] = Rewrite((BOB.address, FAR.address))
    assert lines(world.send(to("all@example.org"), EVE, peer=LMTP)) == {"all@example.org": None, "eve@example.org": None}
    assert len(world.mail("bob")) == len(world.mail("eve")) == 1 and world.queued() == ["joe@example.net"]


def test_received_says_lmtp_and_who_came_through_the_socket() -> None:
    """A Unix socket has no address to tell (RFC 5321 section 4.4: TCP-info is optional), and is no local origin."""
    world = PipelineWorld()
    world.send(BOB, peer=LMTP)
    received = " ".join(message_from_bytes(world.mail("bob")[0])["Received"].split())
    assert received.startswith("from mta.example.org by mx.example.org with LMTP id e1 for <bob@example.org>;")


def test_what_an_alias_leads_elsewhere_is_the_queues() -> None:
    world, local = world_with()
    assert lines(world.send(ALL, peer=LMTP)) == {"all@example.org": None}
    assert kept(local) == ["bob@example.org", "eve@example.org"] and world.queued() == ["joe@example.net"]


def test_what_only_some_of_an_alias_refuse_is_the_queues_for_no_one_answer_fits() -> None:
    world, local = world_with(eve=OverQuota())
    assert lines(world.send(ALL, peer=LMTP)) == {"all@example.org": None}
    assert kept(local) == ["bob@example.org"] and sorted(world.queued()) == ["eve@example.org", "joe@example.net"]


def test_an_alias_that_all_refuse_is_refused() -> None:
    world, _ = world_with(eve=UnknownRecipient(), bob=OverQuota())
    world.directory.table["all@example.org"] = Rewrite((EVE.address, BOB.address))
    assert lines(world.send(ALL, peer=LMTP)) == {"all@example.org": "4.2.2"}, "now, which lets the client try again"
    assert world.queued() == []


def test_when_the_queue_fails_that_recipient_comes_again_and_no_mailbox_gets_it_twice() -> None:
    world, local = world_with()
    world.engine.broken = TryAgainLater()
    assert lines(world.send(ALL, EVE, peer=LMTP)) == {"all@example.org": "4.3.0", "eve@example.org": None}
    world.engine.broken = None
    assert lines(world.send(ALL, peer=LMTP)) == {"all@example.org": None}
    assert kept(local) == ["bob@example.org", "eve@example.org"] and world.queued() == ["joe@example.net"]


def test_without_a_queue_a_torn_alias_is_tried_again_and_no_mailbox_gets_it_twice() -> None:
    world, local = world_with(eve=OverQuota(), with_queue=False)
    world.directory.table["all@example.org"] = Rewrite((BOB.address, EVE.address))
    assert lines(world.send(ALL, BOB, peer=LMTP)) == {"all@example.org": "4.2.2", "bob@example.org": None}
    local.refuse.clear()
    assert lines(world.send(ALL, peer=LMTP)) == {"all@example.org": None}
    assert kept(local) == ["bob@example.org", "eve@example.org"]


def test_lmtp_is_for_our_mailboxes_alone() -> None:
    """Whoever asks, from the operator's networks or with a login; and not for the domains of a backup MX."""
    settings = PipelineSettings(relay_networks=("unix", "192.0.2.0/24"), route=RouteSettings(relay_domains=("example.net",)))
    world = PipelineWorld(settings=settings)
    for peer in (LMTP, Peer("192.0.2.7", role="lmtp"), Peer("192.0.2.7", role="lmtp", account="mta")):
        with pytest.raises(RelayDenied):
            world.send(FAR, peer=peer)
        with pytest.raises(UnknownRecipient):
            world.send(to("nobody@example.org"), peer=peer)


# Other roles.

def test_a_unix_socket_may_relay_only_when_the_operator_says_so() -> None:
    local = Peer("", role="mx", protocol="ESMTP", helo="app")
    with pytest.raises(RelayDenied):
        PipelineWorld().send(FAR, peer=local)
    assert PipelineWorld(settings=PipelineSettings(relay_networks=("unix",))).send(FAR, peer=local) == {FAR: None}
    assert PipelineWorld().send(FAR, peer=Peer("")) == {FAR: None}, "our own reports may go anywhere"


def test_relay_in_takes_mail_for_anybody_and_mends_nothing() -> None:
    world = PipelineWorld()
    peer = Peer("192.0.2.7", helo="app.example.org", protocol="ESMTPA", role="relay-in", account="app")
    assert world.send(BOB, FAR, peer=peer, content=b"Subject: x\r\n\r\nNo date.\r\n") == {BOB: None, FAR: None}
    assert world.queued() == ["joe@example.net"]
    assert message_from_bytes(world.mail("bob")[0])["Date"] is None


def test_an_smtp_client_is_still_answered_once() -> None:
    world, _ = world_with(eve=OverQuota())
    assert lines(world.send(BOB, EVE, content=MESSAGE)) == {"bob@example.org": None, "eve@example.org": None}
    assert world.queued() == ["eve@example.org"]
