"""What a sender asked about time and reports, on its way through the pipeline to mailboxes and the queue."""

from __future__ import annotations

from collections.abc import Sequence
from email import message_from_bytes

import pytest
from support.coroutines import result_of
from support.pipelineworld import MESSAGE, USER, PipelineWorld, to
from zope.interface import implementer

from mailframe.interfaces.filter import IMessageFilter, IMessageOctets
from mailframe.model.address import Address
from mailframe.model.envelope import DeliverBy, Envelope, Peer, Recipient
from mailframe.model.refusal import Refusal
from mailframe.model.route import Remote, Rewrite
from mailframe.model.verdict import Pass, Verdict
from mailframe.pipeline import trace

BOB, EVE, FAR = to("bob@example.org"), to("eve@example.org"), to("joe@example.net")
USERS = Address.parse("bob@example.org")


def test_the_queue_says_what_is_kept_and_without_one_octets_are() -> None:
    assert PipelineWorld().pipeline.honours == {"DSN", "DELIVERBY", "FUTURERELEASE", "MT-PRIORITY", "ETRN"}
    assert PipelineWorld(with_queue=False).pipeline.honours == {"BINARYMIME"}


def test_a_held_message_waits_in_the_queue_for_own_mailboxes_too() -> None:
    """RFC 4865."""
    world = PipelineWorld()
    world.runner.start()
    world.send(BOB, FAR, peer=USER, sender=USERS, hold_until=world.clock.seconds() + 60)
    assert world.queued() == ["bob@example.org", "joe@example.net"] and not world.relay.tries
    world.clock.advance(59)
    assert len(world.queued()) == 2
    world.clock.advance(1)
    [octets] = world.mail("bob")
    assert octets.endswith(MESSAGE) and len(world.relay.tries) == 1 and world.queued() == []
    received = message_from_bytes(octets)["Received"]
    assert received.endswith("13:46:40 +0000"), "it says when it came, not when it was released"


def test_in_time_it_goes_into_the_mailbox_at_once() -> None:
    world = PipelineWorld()
    world.send(BOB, deliver_by=DeliverBy(world.clock.seconds() + 1))
    assert len(world.mail("bob")) == 1 and not world.queued()


@pytest.mark.parametrize("notify", [False, True])
def test_a_message_whose_deadline_passes_while_it_comes_is_refused_unless_it_may_be_late(notify: bool) -> None:
    """RFC 2852: by-mode R is never delivered late; 554 5.4.7 leaves it with who still has it."""
    world = PipelineWorld()
    by = DeliverBy(world.clock.seconds(), notify)
    if notify:
        world.send(BOB, deliver_by=by)
        assert len(world.mail("bob")) == 1
        return
    with pytest.raises(Refusal) as caught:
        world.send(BOB, EVE, deliver_by=by)
    assert caught.value.smtp == (554, "5.4.7") and world.queued() == []


def test_the_priority_is_a_clause_of_received() -> None:
    """RFC 6710: behind all other clauses; what is common is not mentioned."""
    peer = Peer("192.0.2.7", helo="mail.example.com", protocol="ESMTP")
    line = trace.received(Envelope("a.1", None, peer, 1_000_000.0, priority=-3), "mx.example.org", BOB.address)
    assert line.endswith(b"\tfor <bob@example.org>\r\n\tPRIORITY -3;\r\n\tMon, 12 Jan 1970 13:46:40 +0000\r\n")
    assert b"PRIORITY" not in trace.received(Envelope("a.1", None, peer, 1_000_000.0), "mx.example.org")


# -- RFC 3461 section 5.2.7


def statuses(octets: bytes) -> list[tuple[str, str]]:
    groups = message_from_bytes(octets).get_payload()[1].get_payload()[1:]      # type: ignore[union-attr, index]
    return [(group["Action"], group["Final-Recipient"]) for group in groups]


def alias_world() -> PipelineWorld:
    world = PipelineWorld()
    world.directory.table["all@example.org"] = Rewrite((EVE.address, FAR.address))
    world.directory.table["one@example.org"] = Rewrite((FAR.address,))
    world.runner.start()
    return world


def test_success_at_an_alias_for_several_is_its_expansion() -> None:
    world = alias_world()
    world.send(to("all@example.org", "SUCCESS", "FAILURE"), peer=USER, sender=USERS, envid="E1")
    assert len(world.mail("eve")) == 1 and [names for names, _ in world.relay.tries] == [["joe@example.net"]]
    [report] = world.mail("bob")
    assert statuses(report) == [("expanded", "rfc822; all@example.org")] and b"Original-Envelope-Id: E1" in report
    [handed_on] = [each for each in world.relay.recipients if each.address == FAR.address]
    assert handed_on.notify == {"FAILURE"} and handed_on.orcpt == "rfc822;all@example.org"


def test_filters_are_not_shown_what_is_no_recipient() -> None:
    @implementer(IMessageFilter)
    class Looks:
        seen: tuple[str, ...] = ()

        async def message(self, envelope: Envelope, recipients: Sequence[Recipient], message: IMessageOctets) -> Verdict:
            Looks.seen = tuple(str(each) for each in recipients)
            return Pass()

    world = PipelineWorld(filters=[Looks()])
    world.directory.table["all@example.org"] = Rewrite((EVE.address, FAR.address))
    world.send(to("all@example.org", "SUCCESS"), peer=USER, sender=USERS)
    assert Looks.seen == ("eve@example.org", "joe@example.net") and len(world.queued()) == 2


def test_an_alias_for_one_is_a_station_on_the_way() -> None:
    world = alias_world()
    world.send(to("one@example.org", "SUCCESS"), peer=USER, sender=USERS)
    assert statuses(world.mail("bob")[0]) == [("relayed", "rfc822; joe@example.net")]
    assert world.relay.recipients[0].notify == {"SUCCESS"}


def test_who_asked_for_success_alone_hears_of_no_failure_behind_the_alias() -> None:
    world = alias_world()
    world.relay.answer = lambda _: Refusal(smtp=(550, "5.1.1"))
    world.send(to("all@example.org", "SUCCESS"), peer=USER, sender=USERS)
    assert [statuses(each) for each in world.mail("bob")] == [[("expanded", "rfc822; all@example.org")]]


def test_nothing_is_expanded_for_nobody_and_unknown_members_are_no_success() -> None:
    world = alias_world()
    world.send(to("all@example.org", "SUCCESS"), sender=None)
    assert world.queued() == [] and len(world.mail("eve")) == 1
    world.directory.table["none@example.org"] = Rewrite((to("x@example.org").address, to("y@example.org").address))
    with pytest.raises(Refusal) as caught:
        world.send(to("none@example.org", "SUCCESS"))
    assert caught.value.smtp == (550, "5.1.1")


def test_what_is_known_of_a_recipient_is_kept_when_it_has_an_account() -> None:
    world = PipelineWorld()
    world.directory.table["joe@example.net"] = Remote()
    world.send(to("bob@example.org", "SUCCESS"), hold_until=world.clock.seconds() + 60)
    [item] = result_of(world.spool.list())
    assert item.waiting[0].recipient.account == "bob" and item.waiting[0].recipient.notify == {"SUCCESS"}
