"""Tells a sender what became of a message: one report for all news, in one transaction with what it is about."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from twisted.internet.defer import CancelledError, DeferredSemaphore
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from mailframe.interfaces.delivery import IDelivery, IDeliveryAgent
from mailframe.interfaces.maybe import settled
from mailframe.interfaces.spool import ISpool
from mailframe.model.envelope import Envelope, Recipient
from mailframe.model.refusal import InternalError, MessageTooBig, Refusal

from .handover import hand_in, joined
from .item import Change, Entry, Message, Waiting
from .reporter import about, compose, entry_for
from .schedule import RetrySettings
from .terms import gives_up_at

log = Logger()
_AT_ONCE = 4            # reports: making one takes up to a millisecond of the reactor (I2)
_AGAIN_S = 300.0        # a report that nobody takes now


class Notifier:
    """Looks at a message's recipients and reports what its sender asked to know."""

    def __init__(
        self, spool: ISpool, bounces: IDeliveryAgent, settings: RetrySettings, clock: IReactorTime, hostname: str,
        new_id: Callable[[], str],
    ) -> None:
        self._spool = spool
        self._bounces = bounces
        self._settings = settings
        self._clock = clock
        self._hostname = hostname
        self._new_id = new_id
        self._turns = DeferredSemaphore(_AT_ONCE)

    async def tell(self, message: Message, only: Collection[int] | None = None) -> list[Change]:
        """Report all news of `message` (`only` of these recipients); returns what is still to be settled because it could not
        be settled with the report."""
        now = self._clock.seconds()
        news: list[tuple[Waiting, Entry]] = []
        over: list[Change] = []
        for one in await self._spool.troubled(message.id):
            if only is not None and one.id not in only:
                continue
            entry = entry_for(one, message, self._settings, now)
            if entry is not None:
                news.append((one, entry))
            elif one.problem is not None and one.problem.final:
                over.append(Change(one.id, None))       # nobody is to be told
        if not news:
            return over
        changes = [self._told(one) for one, _ in news] + over
        await self._turns.acquire()
        try:
            await self._report(message, [entry for _, entry in news], changes)
        except CancelledError:          # the server stops
            raise
        except Refusal as refusal:
            return self._untold(message, [one for one, _ in news], refusal) + over
        except Exception:
            log.failure("reporting about {id} failed", id=message.envelope.id)
            return self._untold(message, [one for one, _ in news], InternalError(detail="report")) + over
        finally:
            self._turns.release()
        return []

    async def _report(self, message: Message, entries: list[Entry], changes: list[Change]) -> None:
        """Raises Refusal: nothing was reported, nothing settled."""
        sender = message.envelope.sender
        assert sender is not None
        recipient = Recipient(sender, frozenset({"NEVER"}))
        try:
            envelope, delivery = await self._hand_in(message, entries, recipient, self._settings.max_returned_octets)
        except MessageTooBig:           # with all of the message in it
            envelope, delivery = await self._hand_in(message, entries, recipient, 0)
        try:
            if joined(delivery, self._spool):
                await self._together(message, delivery, recipient, changes)
            else:
                refusal = (await settled(delivery.commit()))[recipient]
                if refusal is not None:
                    raise refusal
                await self._spool.settle(message.id, changes)
        except BaseException:
            delivery.abort()
            raise
        log.info("{id}: {sender} is told in {report}: {news}", id=message.envelope.id, sender=str(sender), report=envelope.id,
                 news=about(entries))

    async def _hand_in(
        self, message: Message, entries: list[Entry], recipient: Recipient, most: int,
    ) -> tuple[Envelope, IDelivery]:
        now = self._clock.seconds()
        envelope, octets = await compose(message, entries, self._spool, self._hostname, now, self._new_id, most)
        return envelope, await hand_in(self._bounces, envelope, recipient, octets)

    async def _together(self, message: Message, delivery: Any, recipient: Recipient, changes: list[Change]) -> None:
        """The report and its subject's end in one transaction: after a crash there is one report, never none, never two."""
        unit, after = await settled(delivery.unit(b"", {}))
        settle = self._spool.settle_unit(message.id, changes)

        def job(connection: Any) -> None:
            refusal = unit(connection)[recipient]
            if refusal is not None:
                raise refusal
            settle(connection)

        await self._spool.engine.submit(job)
        after()

    def _told(self, one: Waiting) -> Change:
        assert one.problem is not None
        if one.problem.final:
            return Change(one.id, None)
        return Change(one.id, one.next_try, one.problem, one.tried_at, True, tried=False)

    def _untold(self, message: Message, news: list[Waiting], refusal: Refusal) -> list[Change]:
        """The report was not taken: for now, or for good (a double bounce, which ends here)."""
        now = self._clock.seconds()
        last = gives_up_at(self._settings, message) + self._settings.bounce_give_up_after_s
        if refusal.temporary and now < last:
            return [
                Change(one.id, now + _AGAIN_S if one.problem is not None and one.problem.final else one.next_try, one.problem,
                       one.tried_at, one.warned, tried=False)
                for one in news]
        log.error("{id}: its sender cannot be told what became of it ({why})", id=message.envelope.id, why=str(refusal))
        return [self._told(one) for one in news]
