"""One try for some recipients of one message: by the relay or into mailboxes, its outcomes written down at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from mailframe.interfaces.delivery import IDelivery, IDeliveryAgent, IJoinedDelivery, IMessageSource, IRelay
from mailframe.interfaces.maybe import settled
from mailframe.interfaces.spool import ISpool
from mailframe.model.envelope import Envelope, Recipient
from mailframe.model.handed import Handed
from mailframe.model.refusal import InternalError, Refusal, TryAgainLater
from mailframe.pacing.deadline import within

from .item import DELIVERED, EXPANDED, Change, Message, Problem, Waiting, sender_text
from .schedule import RetrySettings, next_try
from .terms import NOT_IN_TIME, gives_up_at, handed_on, returns_at, tries_at

log = Logger()
Outcomes = Mapping[Recipient, Refusal | None]
_PIECE = 65_536


@implementer(IMessageSource)
class Source:
    """A queued message's content, readable as often as it takes."""

    def __init__(self, spool: ISpool, message: Message) -> None:
        self.size = message.size
        self._spool = spool
        self._content = message.content

    async def read(self, offset: int, size: int) -> bytes:
        return await settled(self._spool.read(self._content, offset, size))


class HandOver:
    """Tries, decides and settles; what it cannot settle it never tries again by itself (see `Runner`)."""

    def __init__(
        self, spool: ISpool, relay: IRelay | None, local: IDeliveryAgent, settings: RetrySettings, clock: IReactorTime,
        random: Callable[[], float],
    ) -> None:
        self._spool = spool
        self._relay = relay
        self._local = local
        self._settings = settings
        self._clock = clock
        self._random = random
        self.stopping = False           # what is cut off now was refused by nobody: it is tried at the next start, at once

    async def run(self, message: Message, group: Sequence[Waiting]) -> list[Change]:
        """Try `group` (one domain, one head). Returns what is still to be settled. Raises nothing that a peer or plugin does."""
        now = self._clock.seconds()
        told = [Change(one.id, now, EXPANDED, now) for one in group if one.recipient.expanded]
        return told + await self._try(message, [one for one in group if not one.recipient.expanded])

    async def _try(self, message: Message, group: Sequence[Waiting]) -> list[Change]:
        patience = self._patience(message)
        if not group or patience <= 0:
            late_ones = ((one, self.change(message, one, (one.problem or NOT_IN_TIME).refusal())) for one in group)
            return [replace(change, tried_at=one.tried_at) for one, change in late_ones]
        head = group[0].head + message.head
        try:
            if group[0].recipient.account is not None:
                return await within(patience, self._clock, self._deliver(message, group, head))
            if self._relay is None:
                outcomes: Outcomes = dict.fromkeys(
                    (one.recipient for one in group), Refusal("This server hands no mail on", smtp=(550, "5.7.1")))
            else:
                recipients = [one.recipient for one in group]
                source = Source(self._spool, message)
                outcomes = await within(
                    patience, self._clock, self._relay.deliver(message.envelope, recipients, source, head))
        except Refusal as refusal:
            outcomes = dict.fromkeys((one.recipient for one in group), refusal)
        except TimeoutError:
            outcomes = {}
        except CancelledError:      # the server stops: the outcome is not known
            raise
        except Exception:
            to = group[0].domain or type(self._local).__qualname__
            log.failure("handing on {id} to {to} failed", id=message.envelope.id, to=to)
            outcomes = dict.fromkeys((one.recipient for one in group), InternalError(detail="relay"))
        handed = outcomes if isinstance(outcomes, Handed) else Handed()
        if self.stopping:
            group = [one for one in group if one.recipient in outcomes]
        late = TryAgainLater("The hand-over took too long", smtp=(451, "4.4.1"), detail=group[0].domain)
        now, lot = self._clock.seconds(), self._random()        # one for all: they are to go together the next time as well
        return [
            self._served(message, one, handed_on(message.envelope, one.recipient, handed, now))
            if outcomes.get(one.recipient, late) is None else self.change(message, one, outcomes.get(one.recipient, late), now, lot)
            for one in group]

    def _patience(self, message: Message) -> float:
        """Seconds that a try may take; none are left when the message must be returned."""
        deadline = returns_at(message.envelope)
        most = self._settings.deadline_s
        return most if deadline is None else min(most, deadline - self._clock.seconds())

    def _served(self, message: Message, one: Waiting, news: Problem | None) -> Change:
        """It is gone, once its sender has been told what is to be told."""
        now = self._clock.seconds()
        return Change(one.id, None) if news is None else Change(one.id, now, news, now)

    def change(
        self, message: Message, one: Waiting, outcome: Refusal | None, now: float | None = None, lot: float | None = None,
    ) -> Change:
        """What an outcome (None: it is in a mailbox of ours) means for a recipient: gone, to be reported, or to wait."""
        now = self._clock.seconds() if now is None else now
        envelope = message.envelope
        if outcome is None:
            told = "SUCCESS" in one.recipient.notify and envelope.sender is not None
            return self._served(message, one, DELIVERED if told else None)
        problem = Problem.of(outcome)
        end = gives_up_at(self._settings, message)
        drawn = self._random() if lot is None else lot
        later = next_try(self._settings, one.tries + 1, now, lambda: drawn)
        if problem == NOT_IN_TIME:
            problem = replace(problem, code=550, status="5.4.7")
        elif not problem.final and now >= end:
            why = "given up after many tries" if end != returns_at(envelope) else "and the time for it is over"
            problem = Problem(f"{problem.text} ({why})", 550, "5.4.7", problem.mta, problem.diagnostic)
        log.info(
            "{id} from {sender} for {to} {what}: {why}", id=envelope.id, sender=sender_text(envelope.sender), to=str(one.recipient),
            what="failed" if problem.final else "deferred", why=str(outcome))
        if not problem.final:
            return Change(one.id, tries_at(self._settings, message, one.recipient, later, now), problem, now, one.warned)
        notify = one.recipient.notify
        if envelope.sender is None:
            log.warn("{id} for {to} is dropped: nobody can be told", id=envelope.id, to=str(one.recipient))
            return Change(one.id, None)
        return Change(one.id, now if not notify or "FAILURE" in notify else None, problem, now, one.warned)

    # -- mailboxes of ours -----------------------------------------------------------------------------------------

    async def _deliver(self, message: Message, group: Sequence[Waiting], head: bytes) -> list[Change]:
        delivery: IDelivery = await settled(self._local.begin(message.envelope))
        outcomes: dict[Recipient, Refusal | None] = {}
        try:
            for one in group:
                try:
                    await settled(delivery.add_recipient(one.recipient))
                except Refusal as refusal:
                    outcomes[one.recipient] = refusal
            added = [one for one in group if one.recipient not in outcomes]
            if added:
                await feed(delivery, Source(self._spool, message))
            if added and joined(delivery, self._spool):
                return [
                    *[self.change(message, one, outcomes[one.recipient]) for one in group if one.recipient in outcomes],
                    *await self._deliver_joined(message, added, delivery, head)]
            if added:
                outcomes.update(await settled(delivery.commit(head, {})))
            else:
                delivery.abort()
        except BaseException:
            delivery.abort()
            raise
        return [self.change(message, one, outcomes.get(one.recipient, _FORGOTTEN)) for one in group]

    async def _deliver_joined(self, message: Message, group: Sequence[Waiting], delivery: Any, head: bytes) -> list[Change]:
        """Mailbox and queue in one transaction: a crash neither loses nor doubles it (I1)."""
        unit, after = await settled(delivery.unit(head, {}))
        success = {one.recipient: self.change(message, one, None) for one in group}
        spool = self._spool

        def job(connection: Any) -> Outcomes:
            outcomes: Outcomes = unit(connection)
            done = [success[one.recipient] for one in group if outcomes.get(one.recipient, _FORGOTTEN) is None]
            if done:
                spool.settle_unit(message.id, done)(connection)
            return outcomes

        outcomes = await spool.engine.submit(job)
        after()
        return [
            self.change(message, one, refusal) for one in group
            if (refusal := outcomes.get(one.recipient, _FORGOTTEN)) is not None
        ]


def joined(delivery: IDelivery, spool: ISpool) -> bool:
    """Whether `delivery` can commit in one transaction with `spool`."""
    return spool.engine is not None and IJoinedDelivery.providedBy(delivery) and delivery.engine is spool.engine


async def feed(delivery: IDelivery, source: IMessageSource) -> None:
    """Write all of `source`."""
    for offset in range(0, source.size, _PIECE):
        await settled(delivery.write(await source.read(offset, _PIECE)))


async def hand_in(agent: IDeliveryAgent, envelope: Envelope, to: Recipient, octets: bytes) -> IDelivery:
    """A delivery of `octets` that is ready to be committed. Raises Refusal, with the delivery aborted."""
    delivery: IDelivery = await settled(agent.begin(envelope))
    try:
        await settled(delivery.add_recipient(to))
        await settled(delivery.write(octets))
    except BaseException:
        delivery.abort()
        raise
    return delivery


_FORGOTTEN = InternalError(detail="no outcome")
