"""One message through the pipeline: taken in once, judged, given to its mailboxes and to the queue, committed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from twisted.logger import Logger
from zope.interface import implementer

from mailframe.interfaces.delivery import IDelivery, IJoinedDelivery
from mailframe.model.envelope import Envelope, Recipient
from mailframe.model.refusal import MailLoop, OverQuota, Refusal, TooManyRecipients, TryAgainLater
from mailframe.model.verdict import Judgement
from mailframe.staging.intake import Intake

from . import ownership, trace
from .contain import contained
from .parts import Parts
from .placing import DestinationKey, Targets, both, key_of, placed
from .route import route
from .sink import PIECE, Outcomes, Sink
from .solicitation import check_solicitation

log = Logger()
_MISSING = TryAgainLater()


@implementer(IDelivery)
class PipelineDelivery:
    """What SMTP writes one message into. Of the agents behind, each has its `Sink`."""

    def __init__(self, pipeline: Parts, envelope: Envelope, judgement: Judgement) -> None:
        self._pipeline = pipeline
        self._envelope = envelope
        self._judgement = judgement                              # of the sender stage
        self._each = envelope.peer.role == "lmtp"                # the client is answered for each recipient (RFC 2033)
        self._targets = Targets()
        self._local = Sink(pipeline.local, envelope, pipeline.limit)
        self._queue = Sink(pipeline.local if pipeline.queue is None else pipeline.queue, envelope, pipeline.limit)
        self._intake: Intake | None = None
        self._key = b""                                          # by which a resend is known
        self._done: frozenset[DestinationKey] = frozenset()      # who has it from an earlier, half-done try

    # -- the steps of IDelivery ------------------------------------------------------------------------------------

    async def add_recipient(self, recipient: Recipient) -> None:
        """See `IDelivery`. Raises UnknownRecipient, RelayDenied, TooManyRecipients, a filter's refusal..."""
        if recipient in self._targets.origins:
            return
        pipeline = self._pipeline
        if len(self._targets.origins) >= pipeline.settings.max_recipients:
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
            self._targets.origins[recipient] = []
            return
        self._targets.origins[recipient] = await self._add(placed(found, judgement), judgement.header)

    async def write(self, octets: bytes) -> None:
        """See `IDelivery`. Raises MessageTooBig, StorageFull."""
        intake = self._intake
        if intake is None:
            intake = self._intake = self._pipeline.intake(self._sinks())
        waiting = intake.add(octets)
        if waiting is not None:
            await waiting

    async def commit(self, head: bytes = b"", heads: Mapping[Recipient, bytes] = {}) -> Outcomes:
        """See `IDelivery`. With a queue, a mailbox's failure is the queue's care and not the sender's, unless all refuse.

        Where the client is answered for each recipient it is the client's, unless the recipient has other places that took it.
        """
        try:
            whole = await self._prepare(head)
            if whole is None:
                return dict.fromkeys(self._targets.origins)
            own = self._targets.heads(heads)
            outcomes = await self._commit(whole, own)
            await self._hand_on(outcomes, whole, own)
        except BaseException:
            self.abort()
            raise
        if not self._each or self._key or self._targets.partly(outcomes):
            self._note(outcomes)
        self._drop()
        return self._targets.by_origin(outcomes, whole=self._each)

    def abort(self) -> None:
        """See `IDelivery`."""
        self._local.abort()
        self._queue.abort()
        self._drop()

    # -- recipients ------------------------------------------------------------------------------------------------

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
                if key_of(one) not in self._targets.of:
                    await self._aim(one, self._sink_for(one), tag)
                keys.append(key_of(one))
            except Refusal as refusal:
                log.info("{id} refused for {to}: {why}", id=self._envelope.id, to=str(one), why=str(refusal))
                refused.append((one, refusal))
        if refused and not keys:
            raise refused[0][1]
        reported = [] if self._envelope.sender is None else aliases
        for one in [*(one for one, _ in refused), *reported] if self._pipeline.queue is not None else ():
            await self._aim(one, self._queue, tag)
            keys.append(key_of(one))
        return keys

    async def _aim(self, one: Recipient, sink: Sink, tag: bytes) -> None:
        await sink.add(one)
        self._targets.add(one, tag)

    def _sink_for(self, recipient: Recipient) -> Sink:
        """Mailboxes get it directly, unless it is to wait, or its sender to be told of the success: both are the queue's."""
        if self._pipeline.queue is None or (recipient.account is not None and self._envelope.hold_until is None and not (
            "SUCCESS" in recipient.notify and self._envelope.sender is not None
        )):
            return self._local
        return self._queue

    def _sinks(self) -> list[Sink]:
        return [sink for sink in (self._local, self._queue) if sink]

    # -- the whole message -----------------------------------------------------------------------------------------

    async def _prepare(self, head: bytes) -> bytes | None:
        """Seal and judge; returns the head that all get, or None: it was dropped. Raises Refusal for all."""
        pipeline, envelope = self._pipeline, self._envelope
        intake = self._intake = self._intake or pipeline.intake(self._sinks())
        await intake.seal()
        if envelope.deliver_by is not None:
            pipeline.in_time(envelope.deliver_by)
        if trace.hops(intake.header()) > pipeline.settings.max_received:
            raise MailLoop(detail=f"{envelope.id}: more than {pipeline.settings.max_received} Received fields")
        if pipeline.settings.no_soliciting:
            check_solicitation(envelope, intake.header(), pipeline.settings.no_soliciting)
        owners = pipeline.valid_since and ownership.has_field(intake.header())
        if owners:
            await ownership.check_field(pipeline.directory, self._ours(), intake.header(), pipeline.limit)
        judgement = self._judgement
        if pipeline.filters.judge_messages:
            judgement = both(judgement, await pipeline.filters.message(envelope, self._targets.recipients(), intake))
        if judgement.refusal is not None:
            raise judgement.refusal
        if judgement.discard is not None:
            log.info("{id} discarded: {why}", id=envelope.id, why=judgement.discard)
            self.abort()
            return None
        if judgement.content is not None:
            intake = await self._replace(judgement.content)
        if owners and all(one.account is not None for one in self._targets.of.values()):
            intake = await self._without_owners(intake)
        self._key = pipeline.half_done.key(envelope, intake.size(), intake.header()) if len(pipeline.half_done) else b""
        self._done = pipeline.half_done.done(self._key)
        if judgement.quarantine is not None or judgement.folder is not None or self._done:
            await self._place_again(judgement)
        return judgement.header + self._trace(intake) + head + trace.gap(intake.header())

    async def _replace(self, content: bytes) -> Intake:
        self._drop()
        self._intake = intake = self._pipeline.intake(self._sinks())
        await intake.write(content)
        await intake.seal()
        return intake

    def _ours(self) -> list[Recipient]:
        """Those whose addresses we know something of."""
        of, origins = self._targets.of, self._targets.origins
        return [one for one, keys in origins.items() if not ownership.goes_on(one, [of[key] for key in keys])]

    async def _without_owners(self, old: Intake) -> Intake:
        """What is delivered here, and nowhere else, has no Require-Recipient-Valid-Since any more (RFC 7293)."""
        header = old.header()
        new = self._pipeline.intake(self._sinks())
        try:
            await new.write(ownership.without(header))
            for offset in range(len(header), old.size(), PIECE):
                await new.write(await old.read(offset, PIECE))
            await new.seal()
        except BaseException:
            self._pipeline.drop(new)
            raise
        self._drop()
        self._intake = new
        return new

    async def _place_again(self, judgement: Judgement) -> None:
        """Begin the deliveries afresh: elsewhere, or without those who have it from an earlier try."""
        self._local.abort()
        self._queue.abort()
        self._local = Sink(self._pipeline.local, self._envelope, self._pipeline.limit)
        self._queue = Sink(self._queue.agent, self._envelope, self._pipeline.limit)
        for key, one in tuple(self._targets.of.items()):
            there = placed([one], judgement)
            if key in self._done:
                continue
            if not there:
                log.info("{id} is quarantined and does not go to {to}", id=self._envelope.id, to=str(one))
                continue
            self._targets.replace(key, there[0])
            await self._sink_for(there[0]).add(there[0])

    def _trace(self, intake: Intake) -> bytes:
        pipeline, envelope = self._pipeline, self._envelope
        only = self._targets.only()
        line = trace.received(envelope, pipeline.hostname, only, pipeline.settings.hide_client and envelope.submitted)
        return line + trace.missing_fields(intake.header(), envelope, pipeline.hostname) if envelope.submitted else line

    # -- the commit ------------------------------------------------------------------------------------------------

    async def _commit(self, head: bytes, heads: Mapping[Recipient, bytes]) -> Outcomes:
        """Mailboxes, and the queue with them when both rest on one engine. One outcome for each that was tried."""
        assert self._intake is not None
        engine = self._pipeline.engine
        if engine is not None and self._local and self._queue:
            unit, after = await self._joined(head, heads)
            outcomes: Outcomes = await contained(engine, engine.submit, unit, self._weight())
            after()
            self._queue = Sink(self._queue.agent, self._envelope, self._pipeline.limit)
            return outcomes
        if not self._local:
            return {}
        return await self._local.commit(self._intake, head, heads)

    async def _joined(self, head: bytes, heads: Mapping[Recipient, bytes]) -> tuple[Callable[[Any], Outcomes], Callable[[], None]]:
        assert self._intake is not None
        units = []
        shared = self._intake.share() if len(self._sinks()) > 1 else None
        for sink in self._sinks():
            await sink.feed(self._intake)
            units.append(await sink.unit(head, heads))

        def run(connection: Any) -> Outcomes:
            outcomes: Outcomes = {}
            if shared is not None:
                shared.kept = None
            for unit, _ in units:
                outcomes.update(unit(connection))
            return outcomes

        def after() -> None:
            for _, then in units:
                then()

        return run, after

    def _weight(self) -> int:
        """Octets that the engine's job will write, about."""
        return self._intake.size() if self._intake is not None and self._intake.in_memory else 0

    async def _hand_on(self, outcomes: Outcomes, head: bytes, heads: Mapping[Recipient, bytes]) -> None:
        """Give the queue what is for others, and what a mailbox refused that the sender is not told of.

        Raises the queue's refusal when something would be lost, and no answer could name it: the sender comes again.
        """
        left = self._left(outcomes)
        if not left and not self._queue:
            return
        try:
            for one in left:
                log.info("{id} for {to} waits in the queue: {why}", id=self._envelope.id, to=str(one), why=str(outcomes[one]))
                await self._queue.add(one)
            assert self._intake is not None
            queued = await self._queue.commit(self._intake, head, heads)
        except Refusal as refusal:
            queued = dict.fromkeys((*self._queue.recipients, *left), refusal)
        outcomes.update(queued)
        lost = next((refusal for refusal in queued.values() if refusal is not None), None)
        if lost is not None and not self._each:
            self._note(outcomes)
            raise lost if lost.temporary else TryAgainLater(detail=str(lost))

    def _left(self, outcomes: Outcomes) -> list[Recipient]:
        """Who is to go on into the queue: refused for now, or for good while others took it.

        Without a queue only the sender can answer for those who were refused, so that it is told, though others have the
        message: raises the refusal.
        """
        queue = self._pipeline.queue
        if self._each:
            return [] if queue is None else self._targets.partly(outcomes)
        failed = {one: refusal for one, refusal in outcomes.items() if refusal is not None}
        if not (self._done or self._queue) and self._all_full(outcomes):
            return []
        waits = queue is not None and any(refusal.temporary for refusal in failed.values())
        accepted = waits or bool(self._done) or bool(self._queue) or len(failed) < len(outcomes)
        left = [one for one, refusal in failed.items() if refusal.temporary or accepted]
        if queue is None and left and accepted:
            self._note(outcomes)
            raise next((refusal for refusal in failed.values() if refusal.temporary), failed[left[0]])
        return left if queue is not None else []

    def _all_full(self, outcomes: Outcomes) -> bool:
        """Every mailbox is over its quota: a matter of days, and the sender's to know now (452 4.2.2) rather than our queue's."""
        return bool(outcomes) and all(isinstance(each, OverQuota) for each in outcomes.values())

    def _note(self, outcomes: Outcomes) -> None:
        """Remember who has it if some have not (their sender will come again), forget it when it is whole."""
        half_done = self._pipeline.half_done
        done = [key for key, one in self._targets.of.items() if outcomes.get(one, _MISSING) is None]
        if self._intake is not None and done and len(done) < len(outcomes):
            key = half_done.key(self._envelope, self._intake.size(), self._intake.header())
            half_done.note(key, done)
        elif self._key and len(done) == len(outcomes):
            half_done.forget(self._key)

    def _drop(self) -> None:
        if self._intake is not None:
            self._pipeline.drop(self._intake)


@implementer(IJoinedDelivery)
class JoinedPipelineDelivery(PipelineDelivery):
    """The same where mailboxes and queue rest on one engine: others (the queue's reports) can commit together with it."""

    def __init__(self, pipeline: Parts, envelope: Envelope, judgement: Judgement) -> None:
        super().__init__(pipeline, envelope, judgement)
        self.engine = pipeline.engine

    async def unit(
        self, head: bytes, heads: Mapping[Recipient, bytes],
    ) -> tuple[Callable[[Any], Mapping[Recipient, Refusal | None]], Callable[[], None]]:
        """See `IJoinedDelivery`: outcomes as they are, nothing is handed on to the queue. Raises Refusal for all."""
        whole = await self._prepare(head)
        if whole is None:
            return lambda _: dict.fromkeys(self._targets.origins), lambda: None
        run, after = await self._joined(whole, self._targets.heads(heads))

        def then() -> None:
            after()
            self._drop()

        return lambda connection: self._targets.by_origin(run(connection)), then
