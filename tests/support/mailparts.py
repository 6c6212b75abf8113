"""Small stand-ins for the parts around the pipeline and the queue."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from twisted.internet.defer import Deferred
from zope.interface import implementer

from mailframe.interfaces.delivery import IDelivery, IDeliveryAgent, IMessageSource, IRelay
from mailframe.interfaces.directory import IDirectory
from mailframe.model.address import Address
from mailframe.model.envelope import Envelope, Recipient
from mailframe.model.handed import Handed
from mailframe.model.refusal import Refusal
from mailframe.model.route import Remote, Resolution, Unknown

Answer = Refusal | None


@implementer(IDirectory)
class TableDirectory:
    """Answers from a dict of "local@domain"; addresses of `domains` that are not in it are Unknown, others Remote."""

    def __init__(self, table: dict[str, Resolution], domains: Sequence[str] = ("example.org",)) -> None:
        self.table = table
        self.domains = domains
        self.asked = 0

    async def resolve(self, addresses: Sequence[Address]) -> Sequence[Resolution]:
        self.asked += 1
        return [self.table.get(each.folded) or (Unknown() if each.domain in self.domains else Remote()) for each in addresses]

    async def may_send_as(self, account: str, address: Address) -> bool:
        return address.local.startswith(account)


@implementer(IRelay)
class ScriptedRelay:
    """Remembers what it was given; `answer(recipient)` says what becomes of it. `gate` keeps hand-overs waiting."""

    def __init__(self, answer: Callable[[Recipient], Answer] = lambda _: None) -> None:
        self.answer = answer
        self.tries: list[tuple[list[str], bytes]] = []
        self.envelopes: list[Envelope] = []
        self.recipients: list[Recipient] = []
        self.with_dsn: set[str] = set()      # domains whose next hop writes reports itself
        self.with_deliver_by: set[str] = set()
        self.gate: list[Deferred[None]] | None = None

    async def deliver(
        self, envelope: Envelope, recipients: Sequence[Recipient], source: IMessageSource, head: bytes = b"",
    ) -> Mapping[Recipient, Answer]:
        octets = head + await source.read(0, source.size)
        self.tries.append(([str(each) for each in recipients], octets))
        self.envelopes.append(envelope)
        self.recipients += recipients
        if self.gate is not None:
            waiting: Deferred[None] = Deferred()
            self.gate.append(waiting)
            await waiting
        handed = Handed()
        handed.update((each, self.answer(each)) for each in recipients)
        handed.reporting.update(each for each in recipients if each.address.domain in self.with_dsn)
        handed.timed.update(each for each in recipients if each.address.domain in self.with_deliver_by)
        return handed


@implementer(IDeliveryAgent)
class KeepingAgent:
    """A delivery agent that keeps what it is given; `refuse` may name outcomes by recipient address."""

    def __init__(self) -> None:
        self.kept: list[tuple[Envelope, list[Recipient], bytes]] = []
        self.refuse_rcpt: dict[str, Refusal] = {}
        self.refuse: dict[str, Refusal] = {}
        self.broken: Exception | None = None
        self.aborted = 0

    async def begin(self, envelope: Envelope) -> IDelivery:
        delivery: IDelivery = _Keeping(self, envelope)
        return delivery


@implementer(IDelivery)
class _Keeping:
    def __init__(self, agent: KeepingAgent, envelope: Envelope) -> None:
        self.agent = agent
        self.envelope = envelope
        self.recipients: list[Recipient] = []
        self.octets = b""

    async def add_recipient(self, recipient: Recipient) -> None:
        refusal = self.agent.refuse_rcpt.get(str(recipient))
        if refusal is not None:
            raise refusal
        self.recipients.append(recipient)

    async def write(self, octets: bytes) -> None:
        self.octets += octets

    async def commit(self, head: bytes = b"", heads: Mapping[Recipient, bytes] = {}) -> Mapping[Recipient, Answer]:
        if self.agent.broken is not None:
            raise self.agent.broken
        outcomes = {each: self.agent.refuse.get(str(each)) for each in self.recipients}
        taken = [each for each, refusal in outcomes.items() if refusal is None]
        if taken:
            self.agent.kept.append((self.envelope, taken, head + self.octets))
        return outcomes

    def abort(self) -> None:
        self.agent.aborted += 1
