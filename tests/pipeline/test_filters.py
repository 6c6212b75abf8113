"""Filters that misbehave harm one request, never more (I7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest
from support.coroutines import result_of
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from zope.interface import implementer

from mailframe.interfaces.filter import IConnectionFilter, IHelloFilter, IMessageFilter, IMessageOctets, IRecipientFilter
from mailframe.model.address import Address
from mailframe.model.envelope import Envelope, Peer, Recipient
from mailframe.model.refusal import InternalError, Refusal
from mailframe.model.verdict import Judgement, Named, Pass, Quarantine, Refuse, Rewritten, Tag
from mailframe.pipeline.filters import Filters, FilterSettings, RewrittenOctets

DEFAULT = FilterSettings()
PEER = Peer("192.0.2.1", helo="x")


@implementer(IConnectionFilter)
class OnConnection:
    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked = 0

    def connection(self, peer: Peer) -> Any:
        self.asked += 1
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


def judged(*filters: object, options: FilterSettings = DEFAULT, clock: Clock | None = None) -> Judgement:
    return result_of(Filters(filters, options, cast(IReactorTime, clock or Clock())).connection(PEER))


def test_no_filter_no_objection() -> None:
    assert judged() == Judgement()


def test_plain_values_deferreds_and_coroutines_are_alike() -> None:
    async def later() -> Tag:
        return Tag(b"C: 1\r\n")

    judgement = judged(OnConnection(Tag(b"A: 1\r\n")), OnConnection(succeed(Tag(b"B: 1\r\n"))), OnConnection(later()))
    assert judgement.header == b"A: 1\r\nB: 1\r\nC: 1\r\n"


@pytest.mark.parametrize("bad", [ValueError("bug"), KeyError("x"), None, "yes", 7])
def test_a_filter_that_breaks_or_babbles_asks_the_client_to_come_again(bad: Any) -> None:
    refusal = judged(OnConnection(bad)).refusal
    assert isinstance(refusal, InternalError) and refusal.temporary
    assert "OnConnection" in refusal.detail and "bug" not in refusal.public
    lenient = judged(OnConnection(bad), OnConnection(Tag(b"A: 1\r\n")), options=FilterSettings(pass_on_fault=True))
    assert lenient == Judgement(header=b"A: 1\r\n")


def test_raising_a_refusal_refuses() -> None:
    assert judged(OnConnection(Refusal("No"))).refusal is not None


def test_a_late_filter_is_cancelled_at_its_deadline() -> None:
    clock = Clock()
    cancelled: list[bool] = []
    never: Deferred[Any] = Deferred(lambda _: cancelled.append(True))
    filters = Filters([OnConnection(never)], FilterSettings(deadline_s=10), cast(IReactorTime, clock))
    found: list[Judgement] = []
    Deferred.fromCoroutine(filters.connection(PEER)).addCallback(found.append)
    clock.advance(9.9)
    assert not found
    clock.advance(0.2)
    assert isinstance(found[0].refusal, InternalError) and cancelled and not clock.getDelayedCalls()


def test_a_filter_that_ignores_its_cancellation_is_left_behind() -> None:
    clock = Clock()
    inner: list[Deferred[None]] = []

    async def stubborn() -> Pass:
        while True:
            inner.append(Deferred())
            try:
                await inner[-1]
            except Exception:
                continue

    filters = Filters([OnConnection(stubborn())], FilterSettings(deadline_s=10), cast(IReactorTime, clock))
    found: list[Judgement] = []
    Deferred.fromCoroutine(filters.connection(PEER)).addCallback(found.append)
    clock.advance(10)
    assert isinstance(found[0].refusal, InternalError)


def test_nobody_is_asked_after_a_permanent_refusal_but_after_a_temporary_one() -> None:
    @implementer(IHelloFilter)
    class OnHello(OnConnection):
        def hello(self, peer: Peer) -> Any:
            return self.connection(peer)

    for code, asked in ((554, 0), (451, 1)):
        last = OnHello(Pass())
        filters = Filters([OnHello(Refuse(Refusal("No", smtp=(code, "5.7.1")))), last], DEFAULT, cast(IReactorTime, Clock()))
        assert result_of(filters.hello(PEER)).refusal is not None
        assert last.asked == asked


@pytest.mark.parametrize("code", [421, 554])
def test_a_connection_that_is_refused_is_over_and_nobody_else_is_asked_about_it(code: int) -> None:
    last = OnConnection(Pass())
    judged(OnConnection(Refuse(Refusal("No", smtp=(code, "5.7.1")))), last)
    assert last.asked == 0


def test_the_name_that_one_filter_found_is_shown_to_the_next() -> None:
    class Curious(OnConnection):
        def connection(self, peer: Peer) -> Any:
            self.answer = Tag(f"X-Name: {peer.name}\r\n".encode())
            return self.answer

    judgement = judged(OnConnection(Named("mail.far.example")), Curious(Pass()))
    assert judgement == Judgement(header=b"X-Name: mail.far.example\r\n", name="mail.far.example")


def test_each_filter_is_asked_only_at_its_stages() -> None:
    @implementer(IHelloFilter, IRecipientFilter)
    class Two:
        def hello(self, peer: Peer) -> Tag:
            return Tag(b"X-Hello: 1\r\n")

        def recipient(self, envelope: Envelope, recipient: Recipient) -> Quarantine:
            return Quarantine("Junk")

    filters = Filters([Two()], FilterSettings(), cast(IReactorTime, Clock()))
    assert result_of(filters.connection(PEER)) == Judgement()
    assert result_of(filters.hello(PEER)).header == b"X-Hello: 1\r\n"
    bob = Recipient(Address.parse("bob@example.org"))
    assert result_of(filters.recipient(Envelope("e", None, PEER), bob)).quarantine == Quarantine("Junk")
    assert not filters.judge_messages


def test_a_later_filter_sees_what_an_earlier_one_rewrote() -> None:
    @implementer(IMessageFilter)
    class Upper:
        async def message(self, envelope: Envelope, recipients: Sequence[Recipient], message: IMessageOctets) -> Rewritten:
            return Rewritten((await message.read(0, message.size())).upper())

    @implementer(IMessageFilter)
    class Twice:
        async def message(self, envelope: Envelope, recipients: Sequence[Recipient], message: IMessageOctets) -> Rewritten:
            assert message.header() == b"A: B\r\n\r\n"
            return Rewritten(2 * await message.read(0, message.size()))

    filters = Filters([Upper(), Twice()], FilterSettings(), cast(IReactorTime, Clock()))
    judgement = result_of(filters.message(Envelope("e", None, PEER), (), RewrittenOctets(b"a: b\r\n\r\nx")))
    assert judgement.content == b"A: B\r\n\r\nXA: B\r\n\r\nX"
