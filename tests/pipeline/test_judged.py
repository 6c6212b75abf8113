"""What becomes of a message by the filters' verdicts."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from support.mailparts import KeepingAgent
from support.pipelineworld import BOB, EVE, FAR, MESSAGE, PipelineWorld
from zope.interface import implementer

from mailframe.interfaces.filter import IMessageFilter, IMessageOctets, IRecipientFilter, ISenderFilter
from mailframe.model.envelope import Envelope, Peer, Recipient
from mailframe.model.refusal import (
    Refusal,
    TryAgainLater,
)
from mailframe.model.verdict import Discard, Pass, Quarantine, Refuse, Rewritten, Tag, Verdict


@implementer(IMessageFilter)
class Says:
    """A message filter with one answer."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self.seen = b""

    async def message(self, envelope: Envelope, recipients: Sequence[Recipient], message: IMessageOctets) -> Verdict:
        self.seen = await message.read(0, message.size())
        return self.verdict


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


def test_a_resend_is_known_also_when_a_filter_files_it_elsewhere() -> None:
    local = KeepingAgent()
    world = PipelineWorld(local=local, filters=[Says(Tag(folder="Lists"))])
    world.engine.broken = TryAgainLater()
    with pytest.raises(TryAgainLater):
        world.send(BOB, FAR, peer=Peer(""))
    world.engine.broken = None
    assert world.send(BOB, FAR, peer=Peer("")) == {BOB: None, FAR: None}
    assert len(local.kept) == 1 and world.queued() == ["joe@example.net"]
