"""RFC 7293: mail for who had an address before does not reach who has it now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from support.coroutines import result_of
from support.mailparts import TableDirectory
from support.pipelineworld import MESSAGE, SENDER, STRANGER, USER, PipelineWorld, to
from zope.interface import implementer

from mailframe.interfaces.directory import IValidSince
from mailframe.model.address import Address
from mailframe.model.envelope import Recipient
from mailframe.model.refusal import Refusal, TryAgainLater, UnknownRecipient
from mailframe.model.route import Account, Resolution, Rewrite
from mailframe.pipeline.ownership import OwnerChanged, OwnerUnknown

BOB = Address.parse("bob@example.org")
MADE = 1_000.0              # when bob's account was made


@implementer(IValidSince)
class Remembering(TableDirectory):
    def __init__(self, table: dict[str, Resolution]) -> None:
        super().__init__(table)
        self.since = {"bob@example.org": MADE}
        self.broken = False

    async def valid_since(self, addresses: Sequence[Address]) -> Sequence[float | None]:
        if self.broken:
            raise RuntimeError("no memory today")
        return [self.since.get(each.folded) for each in addresses]


@pytest.fixture
def world() -> PipelineWorld:
    made = PipelineWorld()
    directory = Remembering({
        "bob@example.org": Account("bob"), "eve@example.org": Account("eve"), "postmaster@example.org": Account("eve"),
        "abuse@example.org": Account("eve"),
        "away@example.org": Rewrite((Address.parse("bob@far.example"),)),
    })
    pipeline = type(made.pipeline)(
        directory, made.local, made.pipeline._queue, (), made.pipeline._parts.settings, clock=made.clock, hostname="mx.example.org")  # type: ignore[arg-type]
    made.directory, made.pipeline = directory, pipeline
    return made


def since(address: str, moment: float) -> Recipient:
    return Recipient(Address.parse(address), valid_since=moment)


def test_it_is_announced_where_the_directory_knows(world: PipelineWorld) -> None:
    assert "RRVS" in world.pipeline.honours and "RRVS" not in PipelineWorld().pipeline.honours


def test_who_has_had_the_address_long_enough_gets_it(world: PipelineWorld) -> None:
    world.send(since("bob@example.org", MADE))
    world.send(since("postmaster@example.org", 0.0))        # a role: whoever holds it is meant
    world.send(since("Abuse@example.org", 0.0))
    assert (len(world.mail("bob")), len(world.mail("eve"))) == (1, 2)


@pytest.mark.parametrize(("recipient", "refusal"), [
    (since("bob@example.org", MADE - 1), OwnerChanged), (since("eve@example.org", MADE), OwnerUnknown),
    (since("away@example.org", MADE), OwnerUnknown), (since("nobody@example.org", MADE), UnknownRecipient),
])
def test_who_has_not_does_not(world: PipelineWorld, recipient: Recipient, refusal: type[Refusal]) -> None:
    with pytest.raises(refusal):
        world.send(recipient)
    assert (OwnerChanged.smtp, OwnerUnknown.smtp) == ((550, "5.7.17"), (550, "5.7.19"))
    assert world.queued() == []


def test_a_directory_that_cannot_say_now_means_later(world: PipelineWorld) -> None:  # I7
    world.directory.broken = True  # type: ignore[attr-defined]
    with pytest.raises(TryAgainLater):
        world.send(since("bob@example.org", MADE))


def test_what_goes_on_is_refused_where_no_next_hop_is_asked(world: PipelineWorld) -> None:
    with pytest.raises(OwnerUnknown):
        world.send(since("a@far.example", MADE), peer=USER, sender=BOB)
    world.pipeline._parts.passes_rrvs = True       # as where the relay asks next hops
    world.send(since("a@far.example", MADE), peer=USER, sender=BOB)
    (item,) = result_of(world.spool.list())
    assert [one.recipient.valid_since for one in item.waiting] == [MADE]


def test_what_may_go_on_unchecked_goes_on_and_no_own_address_does(world: PipelineWorld) -> None:
    """RFC 7293 section 5.1.1, for whom ``;C`` was said."""
    world.send(replace(since("a@far.example", MADE), without_rrvs="C"), peer=USER, sender=BOB)
    (item,) = result_of(world.spool.list())
    assert [one.recipient.without_rrvs for one in item.waiting] == ["C"]
    with pytest.raises(OwnerUnknown):
        world.send(replace(since("eve@example.org", MADE), without_rrvs="C"))


def field(address: str, date: str = "Thu, 1 Jan 1970 00:16:40 +0000") -> bytes:
    return f"Subject: x\r\nRequire-Recipient-Valid-Since: {address};\r\n {date}\r\n".encode() + MESSAGE


def test_the_field_is_held_against_the_recipient_and_removed(world: PipelineWorld) -> None:  # section 3.2
    world.send(to("bob@example.org"), content=field("(him) BOB@example.org"))
    (kept,) = world.mail("bob")
    assert b"require-recipient" not in kept.lower() and kept.endswith(MESSAGE) and b"Subject: x\r\n" in kept


@pytest.mark.parametrize(("date", "refusal"), [("Thu, 1 Jan 1970 00:16:39 +0000", OwnerChanged)])
def test_the_field_refuses_the_message(world: PipelineWorld, date: str, refusal: type[Refusal]) -> None:
    with pytest.raises(refusal):
        world.send(to("eve@example.org"), to("bob@example.org"), content=field("bob@example.org", date))
    assert world.mail("eve") == [] == world.mail("bob")


@pytest.mark.parametrize("content", [
    field("other@example.org"), field("bob@example.org", "yesterday"), field("bob@"), field("bob@example.org").replace(b";", b","),
])
def test_a_field_for_others_or_one_that_cannot_be_read_is_ignored(world: PipelineWorld, content: bytes) -> None:
    world.directory.since = {}  # type: ignore[attr-defined]
    world.send(to("bob@example.org"), content=content)
    assert len(world.mail("bob")) == 1


def test_what_rcpt_says_goes_before_the_field(world: PipelineWorld) -> None:
    world.send(since("bob@example.org", MADE), content=field("bob@example.org", "Thu, 1 Jan 1970 00:00:00 +0000"))
    assert len(world.mail("bob")) == 1


def test_what_goes_on_keeps_the_field(world: PipelineWorld) -> None:
    world.send(to("bob@example.org"), to("a@far.example"), peer=USER, sender=BOB, content=field("a@far.example"))
    assert b"Require-Recipient-Valid-Since: a@far.example" in world.mail("bob")[0]


def test_a_large_message_loses_the_field_and_nothing_else(world: PipelineWorld) -> None:
    body = b"".join(b"%06d\r\n" % number for number in range(60_000))
    world.send(to("bob@example.org"), content=field("bob@example.org") + body)
    (kept,) = world.mail("bob")
    assert kept.endswith(MESSAGE + body) and b"require-recipient" not in kept[:2_000].lower()


def test_a_directory_without_a_memory_leaves_such_mail_alone() -> None:
    plain: Any = PipelineWorld()
    plain.send(to("bob@example.org"), peer=STRANGER, sender=SENDER, content=field("bob@example.org"))
    assert b"Require-Recipient-Valid-Since" in plain.mail("bob")[0]
