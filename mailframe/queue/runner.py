"""The queue's heart: finds what is due, runs hand-overs within limits, and sees that senders are told."""

from __future__ import annotations

import random as dice
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from mailframe.interfaces.delivery import IDeliveryAgent, IRelay
from mailframe.interfaces.spool import ISpool
from mailframe.model.refusal import Refusal

from .backlog import Group
from .finder import Finder
from .handover import HandOver
from .item import Change
from .notify import Notifier
from .punctual import PunctualHandOver
from .schedule import RetrySettings

log = Logger()
_LAST_WORDS_S = 2.0         # for writing down what was known when a hand-over was cut off
_LOOK_EVERY_S = 1.0         # at most so often all that is due is looked through
_RETURNED = "\0returned"     # in the place of a domain: these need no connection
_SETTLE_AGAIN_S = 30.0      # when the spool cannot write down an outcome: it is kept here, and nothing is sent twice


class Runner:
    """Wakes for new messages at once and for others by the clock. `start` once the spool is started, `stop` before it closes.

    `retry_local` takes recipients with an account, `relay` all others (None: they are refused); reports to senders are
    handed in at `bounces`, usually the pipeline, which finds the sender's mailbox or queues them.
    """

    def __init__(
        self, spool: ISpool, relay: IRelay | None, retry_local: IDeliveryAgent, bounces: IDeliveryAgent, settings: RetrySettings,
        clock: IReactorTime, *, hostname: str, random: Callable[[], float] = dice.random,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._spool = spool
        self._settings = settings
        self._clock = clock
        self._hand_over = HandOver(spool, relay, retry_local, settings, clock, random)
        self._notifier = Notifier(spool, bounces, settings, clock, hostname, new_id)
        self._punctual = PunctualHandOver(spool, self._hand_over, self._notifier, clock)
        self._hands: set[int] = set()                  # recipients that are being tried
        self._messages: Counter[int] = Counter()       # hand-overs of each message
        self._domains: Counter[str] = Counter()        # hand-overs to each domain
        self._untold: set[int] = set()                 # messages with outcomes that their senders may have to be told
        self._running: set[Deferred[None]] = set()
        self._finder = Finder(spool, clock, self._hands, settings.max_recipients, self._start_some)
        self._filling = False
        self._again = False
        self._starting = False
        self._timer: IDelayedCall | None = None
        self._stopped = True
        self._unsubscribe: Callable[[], None] = lambda: None
        self._idle: list[Deferred[None]] = []

    def start(self) -> None:
        """Begin with all that is due."""
        self._stopped = self._hand_over.stopping = False
        self._unsubscribe = self._spool.subscribe(self._added)
        self._finder.scan = True
        self.wake()

    async def stop(self, grace_s: float = 10.0) -> None:
        """Begin nothing new; let what runs finish for `grace_s` seconds, then cut it off: it is due again at the next start."""
        self._stopped = True
        self._unsubscribe()
        self._cancel_timer()
        await self._quiet(grace_s)
        self._hand_over.stopping = True
        for each in tuple(self._running):
            each.cancel()
        await self._quiet(_LAST_WORDS_S)

    async def _quiet(self, most_s: float) -> None:
        """Nothing runs any more, or `most_s` seconds have passed."""
        if self._running or self._filling:
            ended: Deferred[None] = Deferred()
            self._idle.append(ended)
            ended.addTimeout(most_s, self._clock, lambda _, __: None)
            await ended

    @property
    def running(self) -> int:
        """Hand-overs right now."""
        return len(self._running)

    def wake(self) -> None:
        """Look for work now."""
        self._again = True
        if not self._filling and not self._stopped:
            self._filling = True
            Deferred.fromCoroutine(self._fill())

    def _added(self, ids: Sequence[int]) -> None:
        self._finder.added(ids)
        self.wake()

    # -- finding work ----------------------------------------------------------------------------------------------

    async def _fill(self) -> None:
        try:
            while self._again and not self._stopped:
                self._again = False
                await self._find()
            if not self._stopped:
                await self._set_timer()
        except Exception as error:
            _complain("the queue cannot be read, will be tried again", error)
            if not self._stopped:
                self._at(self._clock.seconds() + _SETTLE_AGAIN_S)
        finally:
            self._filling = False
            self._rest()
        if self._again:
            self.wake()

    async def _find(self) -> None:
        if self._finder.scan or self._finder.late:
            await self._return_overdue()
        await self._finder.find()
        self._start_some()

    async def _return_overdue(self) -> None:
        """What must go back to its sender waits for no place: that others are slow is often why it is late (RFC 2852)."""
        for group in await self._finder.overdue():
            if self._domains[_RETURNED] >= self._settings.max_per_domain:
                self._finder.late = True            # the others when one of these is done
                return
            self._begin(group, _RETURNED)

    def _start_some(self) -> bool:
        """Hand over what waits, within the limits. One that ends at once comes back here: the loop goes on, not deeper.

        False: the queue stops.
        """
        if self._starting:
            return not self._stopped
        self._starting = True
        while len(self._running) < self._settings.max_running and not self._stopped:
            group = self._finder.backlog.take(self._may_go)
            if group is None:
                break
            self._begin(group, group[0].domain)
        self._starting = False
        return not self._stopped

    def _may_go(self, domain: str) -> bool:
        return self._domains[domain] < self._settings.max_per_domain

    # -- hand-overs ------------------------------------------------------------------------------------------------

    def _begin(self, group: Group, domain: str) -> None:
        message_id = group[0].message_id
        self._hands.update(one.id for one in group)
        self._domains[domain] += 1
        self._messages[message_id] += 1
        deferred = Deferred.fromCoroutine(self._work(message_id, group))
        self._running.add(deferred)

        def ended(_: object) -> None:
            self._running.discard(deferred)
            self._hands.difference_update(one.id for one in group)
            _less(self._domains, domain)
            _less(self._messages, message_id)
            if message_id not in self._messages:
                self._untold.discard(message_id)
            self._start_some()
            self._rest()
            self.wake()

        deferred.addErrback(_cancelled)
        deferred.addCallback(ended)

    async def _work(self, message_id: int, group: Group) -> None:
        try:
            await self._serve(message_id, group)
        except CancelledError:
            raise
        except Exception as error:
            _complain("the queue stumbled over message {id}, will try again", error, message_id)
            await deferLater(self._clock, _SETTLE_AGAIN_S)
            self._finder.scan = True

    async def _serve(self, message_id: int, group: Group) -> None:
        message = await self._spool.message(message_id)
        now = self._clock.seconds()
        group = [one for one in await self._spool.still([one.id for one in group]) if one.next_try <= now]
        if message is None or not group:        # meanwhile removed, held or put off
            return
        if group[0].problem is None or not group[0].problem.final:
            await self._settle(message_id, await self._punctual.run(message, group))
        self._untold.add(message_id)
        while self._messages[message_id] == 1 and message_id in self._untold:   # the last one of this run tells of all
            self._untold.discard(message_id)
            await self._settle(message_id, await self._notifier.tell(message))

    async def _settle(self, message_id: int, changes: Sequence[Change]) -> None:
        """Write it down, however long that takes: an outcome that is forgotten would mean a second copy."""
        while changes:
            try:
                await self._spool.settle(message_id, changes)
                return
            except CancelledError:
                raise
            except Exception as error:
                _complain("what became of queued message {id} cannot be written down, will be tried again", error, message_id)
            if self._stopped:
                return
            await deferLater(self._clock, _SETTLE_AGAIN_S)

    # -- time ------------------------------------------------------------------------------------------------------

    async def _set_timer(self) -> None:
        earliest = await self._spool.next_due(self._finder.looked)
        if earliest is not None and not self._stopped:
            self._at(max(earliest, self._finder.looked + _LOOK_EVERY_S))

    def _at(self, when: float) -> None:
        self._cancel_timer()
        self._timer = self._clock.callLater(max(0.0, when - self._clock.seconds()), self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self._finder.scan = True
        self.wake()

    def _cancel_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _rest(self) -> None:
        if self._stopped and not self._running and not self._filling:
            idle, self._idle = self._idle, []
            for each in idle:
                if not each.called:
                    each.callback(None)


def _cancelled(failure: Failure) -> None:
    if not isinstance(failure.value, CancelledError):
        log.failure("the queue stumbled", failure)


def _complain(what: str, error: Exception, message_id: int = 0) -> None:
    """Within an ``except``. A disk that is full, or otherwise refuses, is the operator's to read of, and no fault of ours."""
    if isinstance(error, Refusal):
        log.warn(what + ": {why}", id=message_id, why=str(error))
    else:
        log.failure(what, id=message_id)


def _less(counter: Counter[Any], key: object) -> None:
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]
