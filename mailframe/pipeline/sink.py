"""One agent's part of a message: begun when its first recipient comes, fed from the shared intake, committed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mailframe.interfaces.delivery import IDelivery, IDeliveryAgent, IJoinedDelivery
from mailframe.model.envelope import Envelope, Recipient
from mailframe.model.refusal import InternalError, Refusal
from mailframe.staging.intake import Intake
from mailframe.staging.sharing import ISharingDelivery

from .contain import Limit, contained, fault, log

Outcomes = dict[Recipient, Refusal | None]
PIECE = 65_536


class Sink:
    """Holds the agent's delivery and who was added to it; an agent's faults come out as refusals (I7)."""

    def __init__(self, agent: IDeliveryAgent, envelope: Envelope, limit: Limit | None) -> None:
        self.agent = agent
        self.envelope = envelope
        self.limit = limit
        self.recipients: list[Recipient] = []
        self.delivery: IDelivery | None = None

    def __bool__(self) -> bool:
        return bool(self.recipients)

    async def add(self, recipient: Recipient) -> None:
        """Raises Refusal, for this recipient or for the sender."""
        delivery = self.delivery
        if delivery is None:
            delivery = await contained(self.agent, self.agent.begin, self.envelope, limit=self.limit)
            if not IDelivery.providedBy(delivery):
                raise self._lie("begin", "IDelivery", delivery)
            self.delivery = delivery
        await contained(delivery, delivery.add_recipient, recipient, limit=self.limit)
        self.recipients.append(recipient)

    async def feed(self, intake: Intake) -> None:
        """Give it the whole, sealed message: shared where that is possible. Raises Refusal."""
        delivery = self.delivery
        if ISharingDelivery.providedBy(delivery) and (intake.in_memory or delivery.content is intake.content):
            delivery.adopt(intake)
            return
        assert delivery is not None
        for offset in range(0, intake.size(), PIECE):
            await contained(delivery, delivery.write, await intake.read(offset, PIECE), limit=self.limit)

    async def commit(self, intake: Intake, head: bytes, heads: Mapping[Recipient, bytes]) -> Outcomes:
        """`feed` and commit: one outcome for each recipient, whatever happens."""
        delivery = self.delivery
        assert delivery is not None
        try:
            await self.feed(intake)
            return self.complete(await contained(delivery, delivery.commit, head, heads, limit=self.limit))
        except Refusal as refusal:
            self.abort()
            return dict.fromkeys(self.recipients, refusal)

    async def unit(self, head: bytes, heads: Mapping[Recipient, bytes]) -> tuple[Callable[[Any], Outcomes], Callable[[], None]]:
        """As `IJoinedDelivery.unit`. Raises Refusal."""
        delivery = self.delivery
        if not IJoinedDelivery.providedBy(delivery):
            raise InternalError(detail=f"{type(self.agent).__qualname__} does not join commits")
        run, after = await contained(delivery, delivery.unit, head, heads, limit=self.limit)
        return lambda connection: self.complete(run(connection)), after

    def complete(self, outcomes: Mapping[Recipient, Refusal | None]) -> Outcomes:
        """A recipient that the agent forgot to name has not been served."""
        if not isinstance(outcomes, Mapping):
            raise self._lie("commit", "mapping", outcomes)
        forgotten = InternalError(detail=f"{type(self.agent).__qualname__} gave no outcome")
        return {each: outcomes.get(each, forgotten) for each in self.recipients}

    def _lie(self, call: str, wanted: str, answer: object) -> InternalError:
        what = f"{type(self.agent).__qualname__}.{call} gave {type(answer).__name__}, which is no {wanted}"
        log.error("{what}", what=what)
        return InternalError(detail=what)

    def abort(self) -> None:
        """Never raises."""
        if self.delivery is not None:
            try:
                self.delivery.abort()
            except Exception:
                fault(self.agent, self.delivery.abort)
            self.delivery = None
