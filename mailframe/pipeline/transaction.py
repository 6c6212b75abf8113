"""One message through the pipeline: taken in once, judged, given to its mailboxes and to the queue, committed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.logger import Logger
from zope.interface import implementer

from mailframe.interfaces.delivery import IDelivery
from mailframe.model.envelope import Envelope, Recipient
from mailframe.model.refusal import MailLoop, OverQuota, Refusal, TryAgainLater
from mailframe.model.verdict import Judgement
from mailframe.staging.intake import Intake

from . import ownership, trace
from .contain import contained
from .destinations import Destinations
from .halfdone import Resend
from .joining import joined
from .parts import Parts
from .placing import both
from .sink import PIECE, Outcomes
from .solicitation import check_solicitation
from .submission.desk import Submission
from .submission.sentcopy import SentCopy

log = Logger()
_MISSING = TryAgainLater()


@implementer(IDelivery)
class PipelineDelivery:
    """What SMTP writes one message into. Of the agents behind, each has its `Sink`."""

    def __init__(self, pipeline: Parts, envelope: Envelope, judgement: Judgement, submission: Submission | None = None) -> None:
        self._pipeline = pipeline
        self._submission = submission                            # what is done for our own users' messages
        self._copy: SentCopy | None = None
        self._envelope = envelope
        self._judgement = judgement                              # of the sender stage
        self._each = envelope.peer.role == "lmtp"                # the client is answered for each recipient (RFC 2033)
        self._to = Destinations(pipeline, envelope)
        self._intake: Intake | None = None
        self._resend = Resend(pipeline.half_done, envelope)

    # -- the steps of IDelivery ------------------------------------------------------------------------------------

    async def add_recipient(self, recipient: Recipient) -> None:
        """See `IDelivery`. Raises UnknownRecipient, RelayDenied, TooManyRecipients, a filter's refusal..."""
        if recipient in self._to.targets.origins:
            return
        if self._submission is None:
            await self._to.take(recipient)
            return
        self._submission.add_recipient()
        try:
            await self._to.take(recipient)
        except BaseException:
            self._submission.drop_recipient()
            raise

    async def write(self, octets: bytes) -> None:
        """See `IDelivery`. Raises MessageTooBig, HeaderTooLong, StorageFull."""
        if self._submission is not None:
            octets = self._submission.opening.feed(octets)
            if not octets:
                return
        intake = self._intake
        if intake is None:
            intake = self._intake = self._pipeline.intake(self._to.sinks())
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
                return dict.fromkeys(self._to.targets.origins)
            own = self._to.targets.heads(heads)
            outcomes = await self._commit(whole, own)
            await self._hand_on(outcomes, whole, own)
        except BaseException:
            self.abort()
            raise
        if not self._each or self._resend.key or self._to.targets.partly(outcomes):
            self._note(outcomes)
        if self._submission is not None:
            await self._submitted(self._submission, bool(self._resend.done) or None in outcomes.values())
        self._drop()
        return self._to.targets.by_origin(outcomes, whole=self._each)

    def abort(self) -> None:
        """See `IDelivery`."""
        self._to.abort()
        if self._submission is not None:
            self._submission.release()
        if self._copy is not None:
            self._copy.abort()
        self._drop()

    # -- the whole message -----------------------------------------------------------------------------------------

    async def _prepare(self, head: bytes) -> bytes | None:
        """Seal and judge; returns the head that all get, or None: it was dropped. Raises Refusal for all."""
        pipeline, envelope = self._pipeline, self._envelope
        submission = self._submission
        intake = self._intake = self._intake or pipeline.intake(self._to.sinks())
        if submission is not None and (rest := submission.opening.finish()):
            await intake.write(rest)
        await intake.seal()
        if submission is not None:
            await submission.check(intake.header())
        elif self._to.targets.all_came_round(intake.header()):
            raise MailLoop(detail=f"{envelope.id} was forwarded from the same address before")
        if envelope.deliver_by is not None:
            pipeline.in_time(envelope.deliver_by)
        if trace.hops(intake.header()) > pipeline.settings.max_received:
            raise MailLoop(detail=f"{envelope.id}: more than {pipeline.settings.max_received} Received fields")
        if pipeline.settings.no_soliciting:
            check_solicitation(envelope, intake.header(), pipeline.settings.no_soliciting)
        owners = pipeline.valid_since and ownership.has_field(intake.header())
        if owners:
            await ownership.check_field(pipeline.directory, self._to.known(), intake.header(), pipeline.limit)
        judgement = self._judgement
        if pipeline.filters.judge_messages:
            judgement = both(judgement, await pipeline.filters.message(envelope, self._to.targets.recipients(), intake))
        if judgement.refusal is not None:
            raise judgement.refusal
        if judgement.discard is not None:
            log.info("{id} discarded: {why}", id=envelope.id, why=judgement.discard)
            self.abort()
            return None
        if judgement.content is not None:
            intake = await self._replace(judgement.content)
        if owners and all(one.account is not None for one in self._to.targets.of.values()):
            intake = await self._without_owners(intake)
        self._resend.recognise(intake)
        if judgement.quarantine is not None or judgement.folder is not None or self._resend.done or self._to.targets.merged:
            await self._to.again(judgement, self._resend.done)
        if submission is not None:
            self._copy = await submission.copy(intake.header())
        return judgement.header + self._trace(intake) + head + trace.gap(intake.header())

    async def _replace(self, content: bytes) -> Intake:
        self._drop()
        self._intake = intake = self._pipeline.intake(self._to.sinks())
        await intake.write(content)
        await intake.seal()
        return intake

    async def _without_owners(self, old: Intake) -> Intake:
        """What is delivered here, and nowhere else, has no Require-Recipient-Valid-Since any more (RFC 7293)."""
        header = old.header()
        new = self._pipeline.intake(self._to.sinks())
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

    def _trace(self, intake: Intake) -> bytes:
        pipeline, envelope = self._pipeline, self._envelope
        only = self._to.targets.only()
        line = trace.received(envelope, pipeline.hostname, only, pipeline.settings.hide_client and envelope.submitted)
        return line if self._submission is None else line + self._submission.fields(intake.header())

    # -- the commit ------------------------------------------------------------------------------------------------

    async def _commit(self, head: bytes, heads: Mapping[Recipient, bytes]) -> Outcomes:
        """Mailboxes, and the queue with them when both rest on one engine. One outcome for each that was tried."""
        assert self._intake is not None
        engine, copy = self._pipeline.engine, self._copy
        joins = copy is not None and copy.joins(engine)
        if engine is not None and len(self._to.sinks()) + joins > 1 and self._to.sinks():
            unit, after = await self._joined(head, heads)
            outcomes: Outcomes = await contained(engine, engine.submit, unit, self._weight())
            after()
            self._to.renew_queue()
            return outcomes
        if not self._to.local:
            return {}
        return await self._to.local.commit(self._intake, head, heads)

    async def _joined(self, head: bytes, heads: Mapping[Recipient, bytes]) -> tuple[Callable[[Any], Outcomes], Callable[[], None]]:
        assert self._intake is not None
        copy = self._copy if self._copy is not None and self._copy.joins(self._pipeline.engine) else None
        return await joined(self._to.sinks(), self._intake, head, heads, copy)

    async def _submitted(self, submission: Submission, accepted: bool) -> None:
        """A user's message has been committed, or refused for everybody."""
        if not accepted:
            submission.release()
            return
        submission.settle()
        if self._copy is not None:
            assert self._intake is not None
            await self._copy.commit(self._intake)

    def _weight(self) -> int:
        """Octets that the engine's job will write, about."""
        return self._intake.size() if self._intake is not None and self._intake.in_memory else 0

    async def _hand_on(self, outcomes: Outcomes, head: bytes, heads: Mapping[Recipient, bytes]) -> None:
        """Give the queue what is for others, and what a mailbox refused that the sender is not told of.

        Raises the queue's refusal when something would be lost, and no answer could name it: the sender comes again.
        """
        left = self._left(outcomes)
        if not left and not self._to.queue:
            return
        try:
            for one in left:
                log.info("{id} for {to} waits in the queue: {why}", id=self._envelope.id, to=str(one), why=str(outcomes[one]))
                await self._to.queue.add(one)
            assert self._intake is not None
            queued = await self._to.queue.commit(self._intake, head, heads)
        except Refusal as refusal:
            queued = dict.fromkeys((*self._to.queue.recipients, *left), refusal)
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
            return [] if queue is None else self._to.targets.partly(outcomes)
        failed = {one: refusal for one, refusal in outcomes.items() if refusal is not None}
        if not (self._resend.done or self._to.queue) and self._all_full(outcomes):
            return []
        waits = queue is not None and any(refusal.temporary for refusal in failed.values())
        accepted = waits or bool(self._resend.done) or bool(self._to.queue) or len(failed) < len(outcomes)
        left = [one for one, refusal in failed.items() if refusal.temporary or accepted]
        if queue is None and left and accepted:
            self._note(outcomes)
            raise next((refusal for refusal in failed.values() if refusal.temporary), failed[left[0]])
        return left if queue is not None else []

    def _all_full(self, outcomes: Outcomes) -> bool:
        """Every mailbox is over its quota: a matter of days, and the sender's to know now (452 4.2.2) rather than our queue's."""
        return bool(outcomes) and all(isinstance(each, OverQuota) for each in outcomes.values())

    def _note(self, outcomes: Outcomes) -> None:
        done = [key for key, one in self._to.targets.of.items() if outcomes.get(one, _MISSING) is None]
        if self._intake is not None:
            self._resend.note(self._intake, done, whole=len(done) >= len(outcomes))

    def _drop(self) -> None:
        if self._intake is not None:
            self._pipeline.drop(self._intake)
