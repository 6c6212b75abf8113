"""The queue as a delivery agent: what it is given is durable, and the runner's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from zope.interface import implementer

from mailframe.interfaces.content import IContent
from mailframe.interfaces.delivery import IDelivery, IDeliveryAgent, IHonours, IJoinedDelivery, IStartsQueue
from mailframe.interfaces.spool import ISpool
from mailframe.model.envelope import Envelope, Peer, Recipient
from mailframe.model.refusal import Refusal
from mailframe.staging.intake import Intake
from mailframe.staging.sharing import ISharingDelivery

from .item import NewItem

Outcomes = Mapping[Recipient, Refusal | None]


#: What is kept by carrying it on: it is promised only where whoever hands the messages on keeps it as well.
CARRIED = frozenset(("BINARYMIME", "REQUIRETLS", "RRVS"))


@implementer(IDeliveryAgent, IHonours, IStartsQueue)
class QueueAgent:
    """Takes any message for any recipient. `engine` is the spool's, or None."""

    honours = frozenset(("DSN", "DELIVERBY", "FUTURERELEASE", "MT-PRIORITY"))

    def __init__(self, spool: ISpool, *, max_octets: int = 1 << 32, onward: Collection[str] = ()) -> None:
        """`onward`: what the relay honours; `CARRIED` where nothing leaves this machine."""
        self.honours = self.honours.union(CARRIED.intersection(onward))
        self.spool = spool
        self.engine: Any = spool.engine
        self.max_octets = max_octets

    async def begin(self, envelope: Envelope) -> IDelivery:
        """Never refuses a sender."""
        delivery: IDelivery = (QueueDelivery if self.engine is None else JoinedQueueDelivery)(self, envelope)
        return delivery

    async def start_queue(self, peer: Peer, domain: str, below: bool) -> int:
        """See `IStartsQueue`: never refuses a peer."""
        return await self.spool.retry_domain(domain, below)


@implementer(ISharingDelivery)
class QueueDelivery:
    """One message into the queue: for all its recipients or for none."""

    def __init__(self, agent: QueueAgent, envelope: Envelope) -> None:
        self.content: IContent | None = agent.spool.content
        self._spool = agent.spool
        self._envelope = envelope
        self._recipients: list[Recipient] = []
        self._intake = Intake(self.content, max_octets=agent.max_octets, scan=False)

    async def add_recipient(self, recipient: Recipient) -> None:
        """Never refuses."""
        self._recipients.append(recipient)

    async def write(self, octets: bytes) -> None:
        """See `IDelivery`. Raises MessageTooBig, StorageFull."""
        await self._intake.write(octets)

    def adopt(self, intake: Intake) -> None:
        """See `ISharingDelivery`."""
        self._intake = intake

    async def commit(self, head: bytes = b"", heads: Mapping[Recipient, bytes] = {}) -> Outcomes:
        """See `IDelivery`. Raises the spool's refusal."""
        await self._spool.add(await self._item(head, heads))
        return dict.fromkeys(self._recipients)

    def abort(self) -> None:
        """See `IDelivery`."""
        self._intake.abort()

    async def _item(self, head: bytes, heads: Mapping[Recipient, bytes]) -> NewItem:
        intake = self._intake
        await intake.seal()
        return NewItem(self._envelope, tuple(self._recipients), intake.whole(), intake.size(), head, dict(heads))


@implementer(ISharingDelivery, IJoinedDelivery)
class JoinedQueueDelivery(QueueDelivery):
    """The same in one transaction with others on the spool's engine."""

    def __init__(self, agent: QueueAgent, envelope: Envelope) -> None:
        super().__init__(agent, envelope)
        self.engine = agent.engine

    async def unit(
        self, head: bytes, heads: Mapping[Recipient, bytes],
    ) -> tuple[Callable[[Any], Outcomes], Callable[[], None]]:
        """See `IJoinedDelivery`."""
        add, after = self._spool.add_unit(await self._item(head, heads))
        served: Outcomes = dict.fromkeys(self._recipients)

        def run(connection: Any) -> Outcomes:
            add(connection)
            return served

        return run, after
