"""What the pipeline answers to VRFY, EXPN and ETRN, and to mail that says it is advertising."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support.coroutines import result_of
from support.pipelineworld import MESSAGE, STRANGER, USER, PipelineWorld, to

from mailframe.model.address import Address
from mailframe.model.refusal import Refusal, TryAgainLater, UnknownRecipient
from mailframe.model.route import Account, Rewrite, TryLater
from mailframe.model.solicitation import Unwanted
from mailframe.model.verified import Verified
from mailframe.pipeline.route import RouteSettings
from mailframe.pipeline.settings import PipelineSettings

BOB = Address.parse("bob@example.org")
FAR = Address.parse("bob@far.example")
ROUTE = RouteSettings(own_domain="example.org", relay_domains=("backup.example",))


def world(**settings: Any) -> PipelineWorld:
    made = PipelineWorld(settings=PipelineSettings(route=ROUTE, **settings))
    made.directory.table |= {
        "staff@example.org": Rewrite((BOB, FAR)), "away@example.org": Rewrite((FAR,)), "slow@example.org": TryLater(),
    }
    return made


def verified(made: PipelineWorld, address: Address) -> Any:
    return result_of(made.pipeline.verify(address))


def expanded(made: PipelineWorld, address: Address) -> Any:
    return result_of(made.pipeline.expand(address))


def test_neither_is_answered_unless_it_is_switched_on() -> None:
    made = world()
    assert verified(made, BOB) is None and expanded(made, BOB) is None
    assert made.pipeline.honours >= {"ETRN"} and not made.pipeline.honours & {"VRFY", "EXPN"}
    assert world(answer_vrfy=True, answer_expn=True).pipeline.honours >= {"VRFY", "EXPN"}


def test_vrfy_tells_the_whole_address_and_where_it_is_forwarded() -> None:
    made = world(answer_vrfy=True)
    assert verified(made, Address("bob", "")) == verified(made, BOB) == Verified(BOB)
    assert verified(made, Address.parse("away@example.org")) == Verified(Address.parse("away@example.org"), FAR)
    assert verified(made, Address.parse("staff@example.org")) == Verified(Address.parse("staff@example.org"))
    assert verified(made, Address("nobody", "")) is False
    assert verified(made, Address.parse("slow@example.org")) is None
    with pytest.raises(Refusal) as refused:
        verified(made, FAR)
    assert refused.value.smtp[0] == 551 and "please try <bob@far.example>" in refused.value.public
    assert verified(made, Address.parse("x@backup.example")) == Verified(Address.parse("x@backup.example"))


def test_expn_tells_one_step() -> None:
    made = world(answer_expn=True)
    assert list(expanded(made, Address("staff", ""))) == [BOB, FAR]
    assert list(expanded(made, BOB)) == [BOB]
    assert expanded(made, Address.parse("slow@example.org")) is None
    with pytest.raises(UnknownRecipient):
        expanded(made, Address("nobody", ""))
    with pytest.raises(Refusal) as refused:
        expanded(made, FAR)
    assert refused.value.smtp[0] == 551
    with pytest.raises(Refusal) as refused:          # RFC 6531 section 3.7.4: 551 would have to show it
        expanded(made, Address("jürgen", FAR.domain))
    assert refused.value.smtp[0] == 550 and refused.value.public.isascii()


def started(made: PipelineWorld, peer: Any, domain: str, below: bool = False) -> int:
    return int(result_of(made.pipeline.start_queue(peer, domain, below)))


def test_etrn_tries_again_what_failed_for_that_domain_alone() -> None:
    made = world()
    made.relay.answer = lambda _: TryAgainLater()
    made.runner.start()
    made.send(to("a@far.example"), to("b@host.far.example"), to("c@afar.example"), peer=USER, sender=BOB)
    made.clock.advance(1.0)
    assert len(made.relay.tries) == 3
    made.relay.answer = lambda _: None
    assert started(made, USER, "far.example") == 1
    made.clock.advance(0.0)
    assert made.relay.tries[3:] == [(["a@far.example"], made.relay.tries[3][1])]
    assert started(made, USER, "far.example", below=True) == 1
    made.clock.advance(0.0)
    assert made.queued() == ["c@afar.example"]
    result_of(made.runner.stop(0.0))


def test_etrn_leaves_alone_what_was_not_to_be_tried_yet() -> None:
    made = world()
    made.send(to("a@far.example"), peer=USER, sender=BOB)            # never tried: it may be held for a later hour (RFC 4865)
    assert started(made, USER, "far.example") == 0


def test_etrn_is_for_who_may_relay_and_for_domains_that_we_are_a_backup_of() -> None:
    made = world(relay_networks=("192.0.2.64/26",))
    assert started(made, STRANGER, "backup.example") == 0
    assert started(made, replace(STRANGER, ip="192.0.2.70"), "far.example") == 0
    with pytest.raises(Refusal) as refused:
        started(made, STRANGER, "far.example")
    assert refused.value.smtp == (459, "4.7.1")
    without = PipelineWorld(with_queue=False)
    assert "ETRN" not in without.pipeline.honours
    with pytest.raises(Refusal) as refused:
        started(without, USER, "far.example")
    assert refused.value.smtp == (458, "4.3.0")


SERVER = replace(STRANGER, role="mx")


@pytest.mark.parametrize("value", ["net.example:ADV", "com.example:NEWS,\r\n NET.EXAMPLE:adv:cars"])
def test_a_solicitation_field_of_a_kind_that_is_not_wanted_refuses_the_message(value: str) -> None:  # RFC 3865 section 2.5
    made = world(no_soliciting=("net.example:ADV",))
    content = f"Subject: x\r\nSolicitation: {value}\r\n".encode() + MESSAGE
    with pytest.raises(Unwanted) as refused:
        made.send(to("bob@example.org"), peer=SERVER, content=content)
    assert refused.value.smtp == (550, "5.7.1") and made.mail("bob") == []
    made.send(to("bob@example.org"), peer=USER, sender=BOB, content=content)      # our own users may write what they like
    assert len(made.mail("bob")) == 1


@pytest.mark.parametrize("field", ["Solicitation: com.example:NEWS", "Solicitation: *** buy ***", "Solicitation: \xff", "X: y"])
def test_other_mail_is_taken(field: str) -> None:
    made = world(no_soliciting=("net.example:ADV",))
    made.send(to("bob@example.org"), peer=SERVER, content=field.encode("latin-1") + b"\r\n" + MESSAGE)
    assert len(made.mail("bob")) == 1


def test_what_solicit_said_stands_in_received() -> None:  # RFC 3865 section 2.6
    made = world()
    made.send(to("bob@example.org"), peer=SERVER, solicitation="org.example:ADV,net.example:X")
    assert b"(SOLICIT=org.example:ADV,net.example:X)" in made.mail("bob")[0].partition(b"\r\n\r\n")[0]


def test_a_setting_that_is_no_list_of_classes_is_told() -> None:
    with pytest.raises(ValueError, match="no_soliciting"):
        PipelineSettings(no_soliciting=("not a class",))
    assert PipelineSettings(no_soliciting=("*",)).no_soliciting == ("*",)


def test_accounts_are_told_of_by_their_address() -> None:
    with_account = world(answer_expn=True)
    with_account.directory.table["info@example.org"] = Account("bob")
    assert list(expanded(with_account, Address("info", ""))) == [Address("info", "example.org")]
