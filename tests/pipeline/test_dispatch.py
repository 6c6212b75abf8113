"""A message through the pipeline: who may send it where, what is put in front of it, and what it reaches."""

from __future__ import annotations

from email import message_from_bytes
from typing import Any

import pytest
from support.mailparts import KeepingAgent, TableDirectory
from support.pipelineworld import BOB, EVE, FAR, MESSAGE, USER, PipelineWorld, to
from zope.interface import implementer

from mailframe.interfaces.delivery import IHonours
from mailframe.model.address import Address
from mailframe.model.envelope import Peer
from mailframe.model.refusal import (
    MailLoop,
    MessageTooBig,
    RelayDenied,
    SenderNotAllowed,
    TooManyRecipients,
    UnknownRecipient,
)
from mailframe.model.route import Rewrite
from mailframe.pipeline.dispatch import Pipeline
from mailframe.pipeline.settings import PipelineSettings
from mailframe.stores.memory import MemoryStore


def test_mail_for_us_is_in_the_mailbox_with_its_trace() -> None:
    world = PipelineWorld()
    assert world.send(BOB) == {BOB: None}
    [octets] = world.mail("bob")
    parsed = message_from_bytes(octets)
    assert octets.startswith(b"Return-Path: <alice@example.com>\r\nReceived: from mail.example.com ([192.0.2.7])\r\n")
    assert octets.endswith(MESSAGE)
    assert "with ESMTPS (TLSv1.3 TLS_AES_256_GCM_SHA384)" in parsed["Received"] and "for <bob@example.org>" in parsed["Received"]
    assert world.queued() == []


def test_several_recipients_do_not_learn_of_each_other() -> None:
    world = PipelineWorld()
    assert world.send(BOB, EVE) == {BOB: None, EVE: None}
    assert b"eve" not in world.mail("bob")[0] and b"for <" not in world.mail("bob")[0]
    assert world.mail("bob") == world.mail("eve")


def test_strangers_may_not_relay_and_users_may() -> None:
    world = PipelineWorld()
    with pytest.raises(RelayDenied):
        world.send(FAR)
    assert world.send(FAR, peer=USER, sender=Address.parse("bob@example.org")) == {FAR: None}
    trusted = PipelineWorld(settings=PipelineSettings(relay_networks=("192.0.2.0/24",)))
    assert trusted.send(FAR) == {FAR: None}


def test_users_may_not_write_in_others_names() -> None:
    with pytest.raises(SenderNotAllowed):
        PipelineWorld().send(BOB, peer=USER, sender=Address.parse("eve@example.org"))


def test_a_submitted_message_gets_its_missing_fields() -> None:
    """RFC 6409 section 8."""
    world = PipelineWorld()
    world.send(BOB, peer=USER, sender=Address.parse("bob@example.org"), content=b"Subject: x\r\n\r\n")
    parsed = message_from_bytes(world.mail("bob")[0])
    assert parsed["Date"] and parsed["Message-ID"].endswith("@mx.example.org>")


def test_unknown_addresses_of_ours_are_refused_at_once() -> None:
    with pytest.raises(UnknownRecipient):
        PipelineWorld().send(to("nobody@example.org"))


def test_an_alias_reaches_all_it_stands_for_once() -> None:
    world = PipelineWorld()
    world.directory.table["all@example.org"] = Rewrite((BOB.address, EVE.address, FAR.address))
    alias = to("all@example.org")
    assert world.send(alias, BOB) == {alias: None, BOB: None}
    assert len(world.mail("bob")) == len(world.mail("eve")) == 1 and world.queued() == ["joe@example.net"]


def test_another_hosts_return_path_ends_at_our_mailboxes_and_nowhere_else() -> None:
    """RFC 5321 section 4.4: the last hop writes the only one; a relay does not look."""
    for body in (b"x", b"x" * 400_000):
        world = PipelineWorld()
        rest = b"Subject: y\r\n\r\nReturn-Path: <text>\r\n" + body + b"\r\n"
        message = b"Return-Path: <a@b.example>\r\nX: 1\r\nReturn-Path:\r\n <c@b.example>\r\n" + rest
        world.send(BOB, FAR, peer=Peer(""), content=message)
        [octets] = world.mail("bob")
        assert octets.startswith(b"Return-Path: <alice@example.com>\r\n") and octets.endswith(b"\r\nX: 1\r\n" + rest)
        assert octets.lower().count(b"return-path:") == 2
        world.runner.start()
        assert world.relay.tries[0][1].endswith(message)


def test_a_loop_is_ended_and_too_much_is_refused() -> None:
    world = PipelineWorld(settings=PipelineSettings(max_octets=5_000, max_recipients=1))
    with pytest.raises(MailLoop):
        world.send(BOB, content=b"Received: x\r\n" * 101 + MESSAGE)
    with pytest.raises(MessageTooBig):
        world.send(BOB, content=b"x" * 5_001)
    with pytest.raises(MessageTooBig):
        world.send(BOB, size=5_001)
    with pytest.raises(TooManyRecipients):
        world.send(BOB, EVE)
    assert world.mail("bob") == []


def test_any_store_will_do() -> None:
    world = PipelineWorld(store=MemoryStore())
    large = MESSAGE + b"x" * 400_000 + b"\r\n"
    assert world.send(BOB, EVE, FAR, peer=Peer(""), content=large) == {BOB: None, EVE: None, FAR: None}
    assert world.mail("bob")[0].endswith(large) and world.queued() == ["joe@example.net"]
    world.runner.start()
    assert world.relay.tries[0][1].endswith(large)


def test_heads_of_one_recipient_stand_first() -> None:
    world = PipelineWorld()
    world.send(BOB, EVE, heads={BOB: b"X-Own: 1\r\n"})
    assert world.mail("bob")[0].startswith(b"Return-Path: <alice@example.com>\r\nX-Own: 1\r\nReceived:")
    assert b"X-Own" not in world.mail("eve")[0]


def test_a_message_without_a_header_keeps_its_text_as_text() -> None:
    world = PipelineWorld()
    world.send(BOB, content=b"Hello Bob, no header here\r\nFrom: me\r\n")
    [octets] = world.mail("bob")
    parsed = message_from_bytes(octets)
    assert parsed.get_payload() == "Hello Bob, no header here\r\nFrom: me\r\n" and parsed["From"] is None
    world.send(EVE, content=b"\r\nonly text\r\n")
    assert message_from_bytes(world.mail("eve")[0]).get_payload() == "only text\r\n"


@implementer(IHonours)
class BinaryAgent(KeepingAgent):
    honours = frozenset(("BINARYMIME",))


def test_binary_mail_is_announced_where_mailboxes_and_queue_keep_it() -> None:
    """RFC 3030 section 3: octets stay as they are on either way, or nobody is asked for them."""
    world = PipelineWorld()

    def honours(local: object, queue: object) -> frozenset[str]:
        made: Any = Pipeline(
            TableDirectory({}), local, queue, (), PipelineSettings(), clock=world.clock, hostname="mx.example",  # type: ignore[arg-type]
        )
        return frozenset(made.honours & {"BINARYMIME"})

    queue = BinaryAgent()
    assert honours(world.local, None) == honours(world.local, queue) == {"BINARYMIME"}
    assert honours(KeepingAgent(), None) == honours(KeepingAgent(), queue) == honours(world.local, KeepingAgent()) == frozenset()
    binary = MESSAGE + b"\n.\0\r"
    world.send(to("bob@example.org"), body="BINARYMIME", content=binary)
    assert world.mail("bob")[0].endswith(binary)
