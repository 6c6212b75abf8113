"""Runs the filters of each stage under a deadline and makes their verdicts one; a filter's fault stays its own (I7)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer
from zope.interface.interface import InterfaceClass

from mailframe.interfaces.filter import (
    IConnectionFilter,
    IHelloFilter,
    IMessageFilter,
    IMessageOctets,
    IRecipientFilter,
    ISenderFilter,
)
from mailframe.model.envelope import Envelope, Peer, Recipient
from mailframe.model.refusal import InternalError, Refusal
from mailframe.model.verdict import Discard, Judgement, Pass, Quarantine, Refuse, Rewritten, Tag, Verdict, combine
from mailframe.pacing.deadline import within

log = Logger()
NOTHING = Judgement()
_VERDICTS = (Pass, Refuse, Tag, Rewritten, Quarantine, Discard)
_HEADER_OCTETS = 1_048_576


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
        self._connection = _of(filters, IConnectionFilter)
        self._hello = _of(filters, IHelloFilter)
        self._sender = _of(filters, ISenderFilter)
        self._recipient = _of(filters, IRecipientFilter)
        self._message = _of(filters, IMessageFilter)

    @property
    def judge_messages(self) -> bool:
        """Whether any filter wants to see whole messages."""
        return bool(self._message)

    async def connection(self, peer: Peer) -> Judgement:
        return await self._ask([(each, each.connection, (peer,)) for each in self._connection])

    async def hello(self, peer: Peer) -> Judgement:
        return await self._ask([(each, each.hello, (peer,)) for each in self._hello])

    async def sender(self, envelope: Envelope) -> Judgement:
        return await self._ask([(each, each.sender, (envelope,)) for each in self._sender])

    async def recipient(self, envelope: Envelope, recipient: Recipient) -> Judgement:
        return await self._ask([(each, each.recipient, (envelope, recipient)) for each in self._recipient])

    async def message(self, envelope: Envelope, recipients: Sequence[Recipient], message: IMessageOctets) -> Judgement:
        """The judgement of the whole message; `content` is set when one of them rewrote it."""
        verdicts: list[Verdict] = []
        for each in self._message:
            verdict = await self._verdict(each, each.message, (envelope, recipients, message))
            verdicts.append(verdict)
            if _final(verdict):
                break
            if isinstance(verdict, Rewritten):
                message = RewrittenOctets(verdict.content)
        return combine(verdicts)

    async def _ask(self, questions: list[tuple[object, Callable[..., Any], tuple[object, ...]]]) -> Judgement:
        if not questions:
            return NOTHING
        verdicts: list[Verdict] = []
        for part, call, arguments in questions:
            verdicts.append(await self._verdict(part, call, arguments))
            if _final(verdicts[-1]):
                break
        return combine(verdicts)

    async def _verdict(self, part: object, call: Callable[..., Any], arguments: tuple[object, ...]) -> Verdict:
        what = f"{type(part).__module__}.{type(part).__qualname__}.{getattr(call, '__name__', 'call')}"
        try:
            verdict = await self._in_time(call, arguments)
        except Refusal as refusal:     # raising one says the same as returning Refuse
            return Refuse(refusal)
        except Exception:
            log.failure("filter {what} failed or was late", what=what)
            return self._for_fault(what)
        if not isinstance(verdict, _VERDICTS):
            log.error("filter {what} answered {answer}, which is no verdict", what=what, answer=type(verdict).__name__)
            return self._for_fault(what)
        return verdict

    def _for_fault(self, what: str) -> Verdict:
        return Pass() if self._settings.pass_on_fault else Refuse(InternalError(detail=what))

    async def _in_time(self, call: Callable[..., Any], arguments: tuple[object, ...]) -> object:
        answer = call(*arguments)
        if not isinstance(answer, Awaitable):
            return answer
        return await within(self._settings.deadline_s, self._clock, answer)


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


def _of(filters: Sequence[object], stage: InterfaceClass) -> list[Any]:
    return [each for each in filters if stage.providedBy(each)]


def _final(verdict: Verdict) -> bool:
    """A permanent refusal: nothing that later filters say can change it."""
    return isinstance(verdict, Refuse) and not verdict.refusal.temporary
