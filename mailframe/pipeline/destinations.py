"""Where one message goes: who is asked for is followed to mailboxes and other servers, and given to the agents behind."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from twisted.logger import Logger

from mailframe.model.envelope import Envelope, Recipient
from mailframe.model.refusal import Refusal, TooManyRecipients
from mailframe.model.verdict import Judgement

from . import ownership
from .parts import Parts
from .placing import DestinationKey, Targets, key_of, placed
from .route import route
from .sink import Sink

log = Logger()


class Destinations:
    """The agents are two, each with its `Sink`: one for mailboxes, one for all that must wait."""

    def __init__(self, pipeline: Parts, envelope: Envelope) -> None:
        self._pipeline = pipeline
        self._envelope = envelope
        self.targets = Targets()
        self.local = Sink(pipeline.local, envelope, pipeline.agents_limit)
        self.queue = Sink(pipeline.local if pipeline.queue is None else pipeline.queue, envelope, pipeline.agents_limit)

    async def take(self, recipient: Recipient) -> None:
        """Count, route and judge one recipient. Raises Refusal."""
        pipeline = self._pipeline
        if len(self.targets.origins) >= pipeline.settings.max_recipients:
            raise TooManyRecipients
        may_relay = pipeline.may_relay(self._envelope.peer)
        found = await route(pipeline.directory, recipient, pipeline.route_settings(self._envelope.peer), may_relay, pipeline.limit)
        if recipient.valid_since is not None:
            await ownership.check_owner(pipeline.directory, recipient, found, pipeline.passes_rrvs, pipeline.limit)
        judgement = await pipeline.filters.recipient(self._envelope, recipient)
        if judgement.refusal is not None:
            raise judgement.refusal
        if judgement.discard is not None:
            log.info("{id} discarded for {to}: {why}", id=self._envelope.id, to=str(recipient), why=judgement.discard)
            self.targets.origins[recipient] = []
            return
        self.targets.origins[recipient] = await self._add(placed(found, judgement), judgement.header)
        self.targets.note_forward(recipient)

    async def _add(self, found: Iterable[Recipient], tag: bytes) -> list[DestinationKey]:
        """Raises a Refusal when all refuse; what only some refuse is the queue's, to be tried again or reported."""
        keys: list[DestinationKey] = []
        refused: list[tuple[Recipient, Refusal]] = []
        aliases: list[Recipient] = []
        for one in found:
            if one.expanded:
                aliases.append(one)
                continue
            try:
                if not self.targets.merge(one):
                    await self._aim(one, self._sink_for(one), tag)
                keys.append(key_of(one))
            except Refusal as refusal:
                log.info("{id} refused for {to}: {why}", id=self._envelope.id, to=str(one), why=str(refusal))
                refused.append((one, refusal))
        if refused and not keys:
            raise refused[0][1]
        reported = [] if self._envelope.sender is None else aliases
        for one in [*(one for one, _ in refused), *reported] if self._pipeline.queue is not None else ():
            await self._aim(one, self.queue, tag)
            keys.append(key_of(one))
        return keys

    async def _aim(self, one: Recipient, sink: Sink, tag: bytes) -> None:
        await sink.add(one)
        self.targets.add(one, tag)

    def _sink_for(self, recipient: Recipient) -> Sink:
        """Mailboxes get it directly, unless it is to wait, or its sender to be told of the success: both are the queue's."""
        if self._pipeline.queue is None or (recipient.account is not None and self._envelope.hold_until is None and not (
            "SUCCESS" in recipient.notify and self._envelope.sender is not None
        )):
            return self.local
        return self.queue

    def sinks(self) -> list[Sink]:
        return [sink for sink in (self.local, self.queue) if sink]

    def renew_queue(self) -> None:
        """What was given to the queue is committed, or aborted: more of the message would be another delivery."""
        self.queue = Sink(self.queue.agent, self._envelope, self._pipeline.agents_limit)

    def abort(self) -> None:
        self.local.abort()
        self.queue.abort()

    def known(self) -> list[Recipient]:
        """Those whose addresses we know something of."""
        of, origins = self.targets.of, self.targets.origins
        return [one for one, keys in origins.items() if not ownership.goes_on(one, [of[key] for key in keys])]

    async def again(self, judgement: Judgement, done: Collection[DestinationKey]) -> None:
        """Begin the deliveries afresh: elsewhere, or without those who have it from an earlier try."""
        self.abort()
        self.local = Sink(self._pipeline.local, self._envelope, self._pipeline.agents_limit)
        self.renew_queue()
        for key, one in tuple(self.targets.of.items()):
            there = placed([one], judgement)
            if key in done:
                continue
            if not there:
                log.info("{id} is quarantined and does not go to {to}", id=self._envelope.id, to=str(one))
                continue
            self.targets.replace(key, there[0])
            try:
                await self._sink_for(there[0]).add(there[0])
            except Refusal as refusal:
                if self._pipeline.queue is None:
                    raise
                log.info("{id} refused for {to}: {why}", id=self._envelope.id, to=str(one), why=str(refusal))
                await self.queue.add(there[0])
