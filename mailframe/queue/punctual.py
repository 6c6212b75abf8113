"""A hand-over during which its sender hears in time that it is late (DELIVERBY's by-mode N, RFC 2852)."""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from mailframe.interfaces.spool import ISpool

from .backlog import Group
from .handover import HandOver
from .item import Change, Message
from .notify import Notifier
from .terms import UNDER_WAY, late_ones

log = Logger()


class PunctualHandOver:
    """`HandOver.run` beside a clock."""

    def __init__(self, spool: ISpool, hand_over: HandOver, notifier: Notifier, clock: IReactorTime) -> None:
        self._spool = spool
        self._hand_over = hand_over
        self._notifier = notifier
        self._clock = clock

    async def run(self, message: Message, group: Group) -> list[Change]:
        """Hand over; who is to hear at a time of his own that it is late hears it then, whether or not it has ended."""
        by, began = message.envelope.deliver_by, self._clock.seconds()
        late = [] if by is None or by.at <= began else late_ones(message, group, by.at)
        if by is None or not late or message.envelope.sender is None:
            return await self._hand_over.run(message, group)
        telling: list[Deferred[bool]] = []
        timer = self._clock.callLater(
            by.at - began, lambda: telling.append(Deferred.fromCoroutine(self._tell_late(message, late, began))))
        try:
            changes = await self._hand_over.run(message, group)
        finally:
            if timer.active():
                timer.cancel()
            if self._hand_over.stopping:
                for each in telling:
                    each.cancel()
            told = await telling[0] if telling else False       # before the outcome is written down, which would be overwritten
        ids = {one.id for one in late} if told else ()
        return [replace(change, warned=True) if change.id in ids else change for change in changes]

    async def _tell_late(self, message: Message, late: Group, began: float) -> bool:
        """Whether the sender was told of these, who are still being tried."""
        try:
            await self._spool.settle(message.id, [
                Change(one.id, one.next_try, one.problem or UNDER_WAY, began, tried=False) for one in late])
            left = await self._notifier.tell(message, {one.id for one in late})
        except CancelledError:          # the server stops
            return False
        except Exception:
            log.failure("word that {id} is late cannot be sent now", id=message.envelope.id)
            return False
        return not left
