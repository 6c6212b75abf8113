"""Runs the filters of each stage under a deadline and makes their verdicts one; a filter's fault stays its own (I7)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer
from zope.interface.interface import InterfaceClass

from mailframe.interfaces.filter import (
    IConnectionFilter,
    IErrorFilter,
    IGreetingFilter,
    IHelloFilter,
    IMessageFilter,
    IMessageOctets,
    IPartingFilter,
    IRecipientFilter,
    ISenderFilter,
)
from mailframe.interfaces.maybe import waits
from mailframe.model.envelope import Envelope, Peer, Recipient
from mailframe.model.refusal import InternalError, Refusal
from mailframe.model.verdict import Discard, Judgement, Named, Pass, Quarantine, Refuse, Rewritten, Tag, Verdict, combine
from mailframe.pacing.deadline import within

log = Logger()
Call = tuple[str, Callable[..., Any]]     # a filter's method, with its name for the log
NOTHING = Judgement()
_VERDICTS = (Pass, Refuse, Tag, Rewritten, Quarantine, Discard, Named)
_HEADER_OCTETS = 1_048_576
_SILENCE = object()


@dataclass(frozen=True, slots=True)
class FilterSettings:
    """What a filter may cost."""

    deadline_s: float = 60.0       # per filter and stage: clients wait 5 minutes for an answer (RFC 5321 section 4.5.3.2)
    pass_on_fault: bool = False    # true: mail passes a filter that fails or is late; false: it gets 451 and comes again


class Filters:
    """All filters, in the order in which they are asked. A later filter sees what an earlier one has rewritten."""

    def __init__(self, filters: Sequence[object], settings: FilterSettings, clock: IReactorTime) -> None:
        self._settings = settings
        self._clock = clock
        self._connection = _calls(filters, IConnectionFilter, "connection")
        self._hello = _calls(filters, IHelloFilter, "hello")
        self._sender = _calls(filters, ISenderFilter, "sender")
        self._recipient = _calls(filters, IRecipientFilter, "recipient")
        self._message = _calls(filters, IMessageFilter, "message")
        self._delays = _calls(filters, IGreetingFilter, "greeting_delay")
        self._early = _calls(filters, IGreetingFilter, "early")
        self._erred = _calls(filters, IErrorFilter, "erred")
        self._disconnected = _calls(filters, IPartingFilter, "disconnected")

    @property
    def judge_messages(self) -> bool:
        """Whether any filter wants to see whole messages."""
        return bool(self._message)

    async def connection(self, peer: Peer) -> Judgement:
        """The first refusal ends it, and the connection: nothing is looked up about who is turned away. A filter that names the
        client (`Named`) tells the later ones."""
        verdicts: list[Verdict] = []
        for what, call in self._connection:
            answer = self._begun(what, call, peer)
            if answer is None:
                continue
            verdict = await self._verdict(what, answer)
            verdicts.append(verdict)
            if isinstance(verdict, Refuse):
                break
            if isinstance(verdict, Named):
                peer = replace(peer, name=verdict.name)
        return combine(verdicts) if verdicts else NOTHING

    def greeting_delay(self, peer: Peer) -> float:
        """The longest that any filter wants."""
        return self._longest(self._delays, peer)

    def early(self, peer: Peer, octets: bytes) -> Judgement:
        """Of a client that did not wait for the greeting."""
        verdicts: list[Verdict] = []
        for what, call in self._early:
            try:
                answer = call(peer, octets)
            except Exception:
                log.failure("filter {what} failed", what=what)
            else:
                verdicts += [answer] if isinstance(answer, _VERDICTS) else []
        return combine(verdicts)

    def erred(self, peer: Peer, verb: str, code: int) -> float:
        """The longest delay of a bad answer that any filter wants."""
        return self._longest(self._erred, peer, verb, code)

    def disconnected(self, peer: Peer) -> None:
        """Tell whoever follows sessions."""
        for what, call in self._disconnected:
            try:
                call(peer)
            except Exception:
                log.failure("filter {what} failed", what=what)

    async def hello(self, peer: Peer) -> Judgement:
        return await self._ask(self._hello, peer)

    async def sender(self, envelope: Envelope) -> Judgement:
        return await self._ask(self._sender, envelope)

    async def recipient(self, envelope: Envelope, recipient: Recipient) -> Judgement:
        return await self._ask(self._recipient, envelope, recipient)

    async def message(self, envelope: Envelope, recipients: Sequence[Recipient], message: IMessageOctets) -> Judgement:
        """The judgement of the whole message; `content` is set when one of them rewrote it."""
        verdicts: list[Verdict] = []
        for what, call in self._message:
            answer = self._begun(what, call, envelope, recipients, message)
            if answer is None:
                continue
            verdict = await self._verdict(what, answer)
            verdicts.append(verdict)
            if _final(verdict):
                break
            if isinstance(verdict, Rewritten):
                message = RewrittenOctets(verdict.content)
        return combine(verdicts)

    async def _ask(self, calls: Sequence[Call], *arguments: object) -> Judgement:
        verdicts: list[Verdict] = []
        for what, call in calls:
            verdict = self._begun(what, call, *arguments)
            if verdict is None:            # what most say, and most at once
                continue
            verdicts.append(await self._verdict(what, verdict))
            if _final(verdicts[-1]):
                break
        return combine(verdicts) if verdicts else NOTHING

    def _begun(self, what: str, call: Callable[..., Any], *arguments: object) -> Any:
        """What a filter answers, to be given to `_verdict`; None: it passes."""
        try:
            answer = call(*arguments)
        except Refusal as refusal:     # raising one says the same as returning Refuse
            return Refuse(refusal)
        except Exception:
            return self._failed(what)
        return None if type(answer) is Pass else _SILENCE if answer is None else answer

    async def _verdict(self, what: str, answer: Any) -> Verdict:
        if waits(answer):
            try:
                answer = await within(self._settings.deadline_s, self._clock, answer)
            except Refusal as refusal:
                return Refuse(refusal)
            except Exception:
                return self._failed(what)
        if isinstance(answer, _VERDICTS):
            return answer
        kind = "None" if answer is _SILENCE else type(answer).__name__
        log.error("filter {what} answered {answer}, which is no verdict", what=what, answer=kind)
        return self._for_fault(what)

    def _failed(self, what: str) -> Verdict:
        """It has just raised something."""
        log.failure("filter {what} failed or was late", what=what)
        return self._for_fault(what)

    def _longest(self, calls: Sequence[Call], *arguments: object) -> float:
        longest = 0.0
        for what, call in calls:
            try:
                longest = max(longest, float(call(*arguments)))
            except Exception:
                log.failure("filter {what} failed", what=what)
        return longest

    def _for_fault(self, what: str) -> Verdict:
        return Pass() if self._settings.pass_on_fault else Refuse(InternalError(detail=what))


@implementer(IMessageOctets)
class RewrittenOctets:
    """A message whose octets a filter has given."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def size(self) -> int:
        return len(self._octets)

    def header(self) -> bytes:
        end = self._octets.find(b"\r\n\r\n")
        return self._octets[:min(end + 4 if end >= 0 else len(self._octets), _HEADER_OCTETS)]

    async def read(self, offset: int, size: int) -> bytes:
        return self._octets[offset:offset + size]


def _calls(filters: Sequence[object], stage: InterfaceClass, method: str) -> list[Call]:
    return [(f"{type(each).__module__}.{type(each).__qualname__}.{method}", getattr(each, method))
            for each in filters if stage.providedBy(each)]


def _final(verdict: Verdict) -> bool:
    """A refusal that is permanent, so that nothing that later filters say can change it, or says that it is the last word."""
    return isinstance(verdict, Refuse) and (verdict.final or not verdict.refusal.temporary)
