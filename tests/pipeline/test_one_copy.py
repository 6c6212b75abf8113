"""One mailbox gets one copy, however many recipients lead to it; and a message that goes round in circles is stopped."""

from __future__ import annotations

from itertools import permutations

import pytest
from support.pipelineworld import MESSAGE, PipelineWorld, to

from mailframe.model.address import Address
from mailframe.model.envelope import Recipient
from mailframe.model.refusal import MailLoop
from mailframe.model.route import Account, Remote, Rewrite
from mailframe.pipeline.placing import serving_both
from mailframe.pipeline.route import RouteSettings
from mailframe.pipeline.settings import PipelineSettings

BOB, EVE = to("bob@example.org"), to("eve@example.org")
CASE, TAG, ALIAS, FAR = to("BOB@Example.ORG"), to("bob+news@example.org"), to("info@example.org"), to("joe@example.net")


def world(**route: bool) -> PipelineWorld:
    place = PipelineWorld(settings=PipelineSettings(route=RouteSettings(subaddress="+", **route)))
    place.directory.table["info@example.org"] = Rewrite((BOB.address,))
    return place


@pytest.mark.parametrize("recipients", list(permutations((BOB, CASE, TAG, ALIAS), 3)))
def test_case_subaddresses_and_aliases_lead_to_one_copy(recipients: tuple[Recipient, ...]) -> None:
    """Each recipient is answered for, and the trace names none of them (RFC 5321 section 4.4)."""
    place = world()
    assert place.send(*recipients) == dict.fromkeys(recipients)
    [octets] = place.mail("bob")
    assert b"for <" not in octets and octets.count(b"Return-Path:") == 1


def test_folders_are_mailboxes_of_their_own() -> None:
    place = world(subaddress_folder=True)
    place.send(BOB, to("bob+Archive@example.org"), TAG)
    assert len(place.mail("bob")) == 2 and len(place.mail("bob", "Archive")) == 1     # there is no folder "news"


def test_one_copy_for_another_server_as_well() -> None:
    place = world()
    place.directory.table["list@example.org"] = Rewrite((FAR.address, Address.parse("JOE@example.net")))
    place.send(to("list@example.org"), to("List@example.org"))
    assert place.queued() == ["joe@example.net"]


def test_the_same_rcpt_twice_is_one() -> None:
    place = world()
    place.send(BOB, to("bob@example.org"))
    assert b"for <bob@example.org>" in place.mail("bob")[0]


NONE, NEVER, ALL = frozenset[str](), frozenset({"NEVER"}), frozenset({"SUCCESS", "FAILURE", "DELAY"})
SUCCESS, FAILURE = frozenset({"SUCCESS"}), frozenset({"FAILURE"})


@pytest.mark.parametrize(("first", "second", "notify", "orcpt"), [
    (NONE, NONE, NONE, "1"), (NEVER, NEVER, NEVER, "1"), (NONE, NEVER, NONE, "1"), (NEVER, NONE, NONE, "2"),
    (NEVER, FAILURE, FAILURE, "2"), (SUCCESS, FAILURE, SUCCESS | FAILURE, "1"), (NONE, SUCCESS, ALL, "1"),
    (FAILURE, ALL, ALL, "2"), (ALL, NONE, ALL, "1"), (FAILURE, frozenset({"DELAY"}), NONE, "1"), (FAILURE, NONE, NONE, "2"),
])
def test_a_copy_for_two_reports_what_either_wants(
    first: frozenset[str], second: frozenset[str], notify: frozenset[str], orcpt: str,
) -> None:
    """RFC 3461 section 4.1: NEVER stands alone, none is the default."""
    both = serving_both(Recipient(BOB.address, first, "1", "bob"), Recipient(ALIAS.address, second, "2", "bob"))
    assert (both.notify, both.orcpt, both.address, both.account) == (notify, orcpt, BOB.address, "bob")


@pytest.mark.parametrize("turned", [False, True])
def test_who_wants_to_know_of_success_is_told_though_another_did_not_ask(turned: bool) -> None:
    place = world()
    asked = to("info@example.org", "SUCCESS")
    recipients = (asked, BOB) if turned else (BOB, asked)
    assert place.send(*recipients) == dict.fromkeys(recipients)
    place.runner.start()
    assert len(place.mail("bob")) == 1
    [(report_to, report)] = place.relay.tries
    assert report_to == ["alice@example.com"] and b"Action: delivered" in report


def test_a_forwarded_message_tells_where_it_came_by() -> None:
    place = world()
    place.directory.table["joe@example.org"] = Rewrite((FAR.address, BOB.address))
    place.send(to("joe@example.org"), EVE)
    place.runner.start()
    assert place.relay.tries[0][1].startswith(b"Delivered-To: joe@example.org\r\nReceived: ")
    assert b"Delivered-To" not in place.mail("bob")[0] + place.mail("eve")[0]


def test_a_message_that_comes_round_is_stopped_at_once() -> None:
    """RFC 5321 section 6.3: long before a hundred hops."""
    place = world()
    place.directory.table["joe@example.org"] = Rewrite((FAR.address,))
    joe = to("joe@example.org")
    place.send(joe)
    place.runner.start()
    [(_, out)] = place.relay.tries
    for content in (out, b"X: 1\r\n" + out, out.replace(b"joe@example.org", b"JOE@Example.org", 1)):
        with pytest.raises(MailLoop) as told:
            place.send(joe, content=content)
        assert told.value.smtp == (554, "5.4.6")
    assert place.send(joe, BOB, content=out) == {joe: None, BOB: None}      # bob's is no loop; Received ends the other
    assert place.send(BOB, content=out) == {BOB: None}                      # to a mailbox: it ends here


def test_addresses_that_stay_here_or_are_asked_for_as_they_are_go_round_in_no_circle() -> None:
    place = world()
    place.directory.table["far@example.org"] = Remote()
    content = b"Delivered-To: info@example.org\r\nDelivered-To: far@example.org\r\n" + MESSAGE
    place.send(ALIAS, content=content)
    place.directory.table["bob+x@example.org"] = Account("bob")
    place.send(to("bob+x@example.org"), content=content)
    assert len(place.mail("bob")) == 2


def test_received_fields_are_counted_for_everybody() -> None:
    place = world()
    with pytest.raises(MailLoop):
        place.send(BOB, content=b"Received: x\r\n" * 101 + MESSAGE)
