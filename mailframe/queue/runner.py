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

from .backlog import Backlog, Group
from .handover import HandOver
from .item import START, Change, Position
from .notify import Notifier
from .schedule import RetrySettings

log = Logger()
_LAST_WORDS_S = 2.0         # for writing down what was known when a hand-over was cut off
_LOOK_EVERY_S = 1.0         # at most so often all that is due is looked through
_WINDOW = 200               # recipients read at a time: a millisecond or two of the reactor
_BACKLOG = 5_000            # recipients known to be due: some 5 MiB
_URGENT = _BACKLOG // 2     # of a priority above 0, which are read first: the others are not to be shut out
_PER_DOMAIN = 500           # of these of one domain, so that a slow one does not hide the others
_RETURNED = "\0returned"     # in the place of a domain: these need no connection
_SKIP = 100                 # domains that one question passes over
_FRESH = 2_000              # new messages remembered by id; beyond this the runner looks through what is due instead
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
        self._hands: set[int] = set()                  # recipients that are being tried
        self._messages: Counter[int] = Counter()       # hand-overs of each message
        self._domains: Counter[str] = Counter()        # hand-overs to each domain
        self._untold: set[int] = set()                 # messages with outcomes that their senders may have to be told
        self._running: set[Deferred[None]] = set()
        self._backlog = Backlog(_BACKLOG, _PER_DOMAIN, settings.max_recipients)
        self._fresh: list[int] = []                    # messages that have just come
        self._looked = -1.0                            # when all that was due was last looked through
        self._scan = True                              # whether to look through all that is due
        self._late = False                             # whether there may be more to be returned
        self._more = False                             # whether more is due than the backlog could take
        self._filling = False
        self._again = False
        self._starting = False
        self._timer: IDelayedCall | None = None
        self._stopped = True
        self._unsubscribe: Callable[[], None] = lambda: None
        self._idle: list[Deferred[None]] = []

    def start(self) -> None:
        """Begin with all that is due."""
        self._stopped = False
        self._unsubscribe = self._spool.subscribe(self._added)
        self._scan = True
        self.wake()

    async def stop(self, grace_s: float = 10.0) -> None:
        """Begin nothing new; let what runs finish for `grace_s` seconds, then cut it off: it is due again at the next start."""
        self._stopped = True
        self._unsubscribe()
        self._cancel_timer()
        await self._quiet(grace_s)
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
        if not ids or len(self._fresh) + len(ids) > _FRESH:
            self._fresh.clear()
            self._scan = True
        else:
            self._fresh += ids
        self.wake()

    # -- finding work ----------------------------------------------------------------------------------------------

    async def _fill(self) -> None:
        try:
            while self._again and not self._stopped:
                self._again = False
                await self._find()
            if not self._stopped:
                await self._set_timer()
        except Exception:
            log.failure("the queue cannot be read, will be tried again")
            if not self._stopped:
                self._at(self._clock.seconds() + _SETTLE_AGAIN_S)
        finally:
            self._filling = False
            self._rest()
        if self._again:
            self.wake()

    async def _find(self) -> None:
        fresh, self._fresh = self._fresh, []
        if fresh:                       # new mail is not kept waiting by a backlog of other domains' old mail
            now = self._clock.seconds()
            found = await self._spool.waiting(fresh)
            due = [one for one in found if not one.held and one.next_try <= now]
            self._more = not self._backlog.add(due, self._hands, beyond=True) or self._more
        self._scan = self._scan or (self._more and len(self._backlog) < _BACKLOG // 2)
        for domain in [each for each in self._backlog.clogged if not self._backlog.holds(each)]:
            await self._read_on(domain)
        if self._scan or self._late:
            await self._return_overdue()
        if self._scan:
            await self._look_through()
        self._start_some()

    async def _read_on(self, domain: str) -> None:
        """More of a domain of which there was too much."""
        self._backlog.clogged.discard(domain)
        limit = _PER_DOMAIN + len(self._hands)
        found = await self._spool.due(self._clock.seconds(), limit, START, domain)
        self._more = not self._backlog.add(found, self._hands) or self._more
        if len(found) == limit:
            self._backlog.clogged.add(domain)

    async def _look_through(self) -> None:
        """All that is due, in windows, passing over domains of which enough is known, until the backlog is full.

        Urgent ones first: they are not to wait for the backlog's other half.
        """
        self._scan, self._looked = False, self._clock.seconds()
        more = await self._read_in(True, _URGENT)
        self._more = await self._read_in(False, _BACKLOG) or more

    async def _read_in(self, urgent: bool, most: int) -> bool:
        """Whether there may be more than the backlog has room for."""
        after: Position = START
        while not self._stopped:
            skip = () if urgent else tuple(self._backlog.clogged)[:_SKIP]
            found = await self._spool.due(self._looked, _WINDOW, after, None, skip, urgent)
            full = not self._backlog.add(found, self._hands)
            self._start_some()
            if full or len(found) < _WINDOW:
                return full
            if len(self._backlog) >= most:
                return True
            after = found[-1].next_try, found[-1].id
            await deferLater(self._clock, 0)        # the reactor's turn (I2)
        return False

    async def _return_overdue(self) -> None:
        """What must go back to its sender waits for no place: that others are slow is often why it is late (RFC 2852)."""
        found = await self._spool.overdue(self._clock.seconds(), _WINDOW)
        self._late = len(found) == _WINDOW
        groups: dict[int, Group] = {}
        for one in found:
            if one.id not in self._hands and (one.problem is None or not one.problem.final):
                groups.setdefault(one.message_id, []).append(one)
        if self._late and len(groups) > 1:
            groups.popitem()            # perhaps not all of it: one message, one report
        for group in groups.values():
            if self._domains[_RETURNED] >= self._settings.max_per_domain:
                self._late = True           # the others when one of these is done
                return
            self._begin(group, _RETURNED)

    def _start_some(self) -> None:
        """Hand over what waits, within the limits. One that ends at once comes back here: the loop goes on, not deeper."""
        if self._starting:
            return
        self._starting = True
        while len(self._running) < self._settings.max_running and not self._stopped:
            group = self._backlog.take(self._may_go)
            if group is None:
                break
            self._begin(group, group[0].domain)
        self._starting = False

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
        except Exception:
            log.failure("the queue stumbled over message {id}, will try again", id=message_id)
            await deferLater(self._clock, _SETTLE_AGAIN_S)
            self._scan = True

    async def _serve(self, message_id: int, group: Group) -> None:
        message = await self._spool.message(message_id)
        now = self._clock.seconds()
        group = [one for one in await self._spool.still([one.id for one in group]) if one.next_try <= now]
        if message is None or not group:        # meanwhile removed, held or put off
            return
        if group[0].problem is None or not group[0].problem.final:
            await self._settle(message_id, await self._hand_over.run(message, group))
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
            except Exception:
                log.failure("what became of queued message {id} cannot be written down, will be tried again", id=message_id)
            if self._stopped:
                return
            await deferLater(self._clock, _SETTLE_AGAIN_S)

    # -- time ------------------------------------------------------------------------------------------------------

    async def _set_timer(self) -> None:
        earliest = await self._spool.next_due(self._looked)
        if earliest is not None and not self._stopped:
            self._at(max(earliest, self._looked + _LOOK_EVERY_S))

    def _at(self, when: float) -> None:
        self._cancel_timer()
        self._timer = self._clock.callLater(max(0.0, when - self._clock.seconds()), self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self._scan = True
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


def _less(counter: Counter[Any], key: object) -> None:
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]
