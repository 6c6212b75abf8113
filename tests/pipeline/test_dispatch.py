"""A message through the pipeline: accepted means kept, for each recipient by itself."""

from __future__ import annotations

from collections.abc import Sequence
from email import message_from_bytes
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from support.mailparts import KeepingAgent, TableDirectory
from support.pipelineworld import MESSAGE, USER, PipelineWorld, to
from twisted.internet.defer import Deferred
from zope.interface import implementer

from mailframe.interfaces.delivery import IHonours
from mailframe.interfaces.filter import IMessageFilter, IMessageOctets, IRecipientFilter, ISenderFilter
from mailframe.model.address import Address
from mailframe.model.envelope import Envelope, Peer, Recipient
from mailframe.model.refusal import (
    MailLoop,
    MessageTooBig,
    OverQuota,
    Refusal,
    RelayDenied,
    SenderNotAllowed,
    TooManyRecipients,
    TryAgainLater,
    UnknownRecipient,
)
from mailframe.model.route import Rewrite
from mailframe.model.verdict import Discard, Pass, Quarantine, Refuse, Rewritten, Tag, Verdict
from mailframe.pipeline.dispatch import Pipeline
from mailframe.pipeline.settings import PipelineSettings
from mailframe.stores.memory import MemoryStore

BOB, EVE, FAR = to("bob@example.org"), to("eve@example.org"), to("joe@example.net")


@implementer(IMessageFilter)
class Says:
    """A message filter with one answer."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self.seen = b""

    async def message(self, envelope: Envelope, recipients: Sequence[Recipient], message: IMessageOctets) -> Verdict:
        self.seen = await message.read(0, message.size())
        return self.verdict


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


def test_a_small_message_for_a_mailbox_and_the_queue_is_stored_once() -> None:
    world = PipelineWorld()
    world.send(BOB, EVE, FAR, peer=Peer(""))
    assert world.engine.read("SELECT refs, size FROM content") == [(3, len(MESSAGE))]
    assert world.engine.read("SELECT count(*) FROM piece") == [(1,)]
    assert world.mail("bob")[0].endswith(MESSAGE) and world.mail("bob") == world.mail("eve")
    world.runner.start()
    assert world.relay.tries[0][1].endswith(MESSAGE)
    assert world.engine.read("SELECT refs FROM content") == [(2,)]


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


def test_large_messages_are_staged_once_for_mailboxes_and_queue() -> None:
    world = PipelineWorld()
    large = MESSAGE + b"x" * 998 * 700 + b"\r\n"
    world.send(BOB, EVE, FAR, peer=Peer(""), content=large)
    assert world.mail("bob")[0].endswith(large) and world.mail("bob") == world.mail("eve")
    assert world.engine.read("SELECT count(*) FROM content WHERE size IS NOT NULL") == [(1,)]
    world.runner.start()
    assert world.relay.tries[0][1].endswith(large)


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


def test_any_store_will_do() -> None:
    world = PipelineWorld(store=MemoryStore())
    large = MESSAGE + b"x" * 400_000 + b"\r\n"
    assert world.send(BOB, EVE, FAR, peer=Peer(""), content=large) == {BOB: None, EVE: None, FAR: None}
    assert world.mail("bob")[0].endswith(large) and world.queued() == ["joe@example.net"]
    world.runner.start()
    assert world.relay.tries[0][1].endswith(large)


def test_who_wants_to_know_of_success_is_told() -> None:
    """RFC 3461 section 5.2."""
    world = PipelineWorld()
    world.runner.start()
    world.send(to("eve@example.org", "SUCCESS"), sender=Address.parse("bob@example.org"), peer=Peer(""))
    assert len(world.mail("eve")) == 1
    [report] = world.mail("bob")
    assert b"Action: delivered" in report and b"Return-Path: <>" in report
    assert world.queued() == []


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


def test_filters_judge_before_anything_is_kept() -> None:
    world = PipelineWorld(filters=[Says(Refuse(Refusal("Spam", smtp=(554, "5.7.1"))))])
    with pytest.raises(Refusal, match="Spam"):
        world.send(BOB)
    assert world.mail("bob") == []


def test_filters_tag_rewrite_move_and_drop() -> None:
    seen = Says(Pass())
    world = PipelineWorld(filters=[seen, Says(Tag(b"X-Spam: no\r\n")), Says(Rewritten(b"Subject: new\r\n\r\n"))])
    world.send(BOB)
    [octets] = world.mail("bob")
    assert seen.seen == MESSAGE
    assert octets.startswith(b"Return-Path: <alice@example.com>\r\nX-Spam: no\r\nReceived:")
    assert octets.endswith(b"Subject: new\r\n\r\n")
    world = PipelineWorld(filters=[Says(Tag(folder="Archive"))])
    world.send(BOB)
    assert len(world.mail("bob", "Archive")) == 1 and world.mail("bob") == []
    world = PipelineWorld(filters=[Says(Discard("because"))])
    assert world.send(BOB, FAR, peer=Peer("")) == {BOB: None, FAR: None}
    assert world.mail("bob") == [] and world.queued() == []


def test_quarantine_files_it_and_lets_nothing_out() -> None:
    world = PipelineWorld(filters=[Says(Quarantine())])
    assert world.send(BOB, FAR, peer=Peer("")) == {BOB: None, FAR: None}
    assert len(world.mail("bob", "Junk")) == 1 and world.mail("bob") == [] and world.queued() == []


def test_filters_of_sender_and_recipient_speak_for_their_stage() -> None:
    @implementer(ISenderFilter)
    class NoAlice:
        async def sender(self, envelope: Envelope) -> Verdict:
            return Refuse(Refusal("Not you")) if envelope.sender and envelope.sender.local == "alice" else Tag(b"X-Seen: 1\r\n")

    @implementer(IRecipientFilter)
    class OnlyBob:
        async def recipient(self, envelope: Envelope, recipient: Recipient) -> Verdict:
            return Tag(b"X-Bob: 1\r\n") if recipient.address.local == "bob" else Quarantine("Trash")

    world = PipelineWorld(filters=[NoAlice(), OnlyBob()])
    with pytest.raises(Refusal, match="Not you"):
        world.send(BOB)
    world.send(BOB, EVE, sender=None)
    assert b"X-Seen: 1\r\n" in world.mail("bob")[0] and b"X-Bob: 1\r\n" in world.mail("bob")[0]
    assert b"X-Bob" not in world.mail("eve", "Trash")[0]


def test_heads_of_one_recipient_stand_first() -> None:
    world = PipelineWorld()
    world.send(BOB, EVE, heads={BOB: b"X-Own: 1\r\n"})
    assert world.mail("bob")[0].startswith(b"Return-Path: <alice@example.com>\r\nX-Own: 1\r\nReceived:")
    assert b"X-Own" not in world.mail("eve")[0]


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


def test_a_resend_is_known_also_when_a_filter_files_it_elsewhere() -> None:
    local = KeepingAgent()
    world = PipelineWorld(local=local, filters=[Says(Tag(folder="Lists"))])
    world.engine.broken = TryAgainLater()
    with pytest.raises(TryAgainLater):
        world.send(BOB, FAR, peer=Peer(""))
    world.engine.broken = None
    assert world.send(BOB, FAR, peer=Peer("")) == {BOB: None, FAR: None}
    assert len(local.kept) == 1 and world.queued() == ["joe@example.net"]


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


def test_a_message_without_a_header_keeps_its_text_as_text() -> None:
    world = PipelineWorld()
    world.send(BOB, content=b"Hello Bob, no header here\r\nFrom: me\r\n")
    [octets] = world.mail("bob")
    parsed = message_from_bytes(octets)
    assert parsed.get_payload() == "Hello Bob, no header here\r\nFrom: me\r\n" and parsed["From"] is None
    world.send(EVE, content=b"\r\nonly text\r\n")
    assert message_from_bytes(world.mail("eve")[0]).get_payload() == "only text\r\n"


def test_without_a_queue_the_sender_learns_of_a_refusal_though_others_have_it() -> None:
    local = KeepingAgent()
    local.refuse["eve@example.org"] = UnknownRecipient()
    with pytest.raises(UnknownRecipient):
        PipelineWorld(local=local, with_queue=False).send(BOB, EVE)
    assert len(local.kept) == 1


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
