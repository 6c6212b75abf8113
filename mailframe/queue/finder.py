"""Reads what is due from the spool into the backlog: in windows, new mail and urgent mail before all other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from mailframe.interfaces.spool import ISpool

from .backlog import Backlog, Group
from .item import START, Position

_WINDOW = 200               # recipients read at a time: a millisecond or two of the reactor
_BACKLOG = 5_000            # recipients known to be due: some 5 MiB
_URGENT = _BACKLOG // 2     # of a priority above 0, which are read first: the others are not to be shut out
_PER_DOMAIN = 500           # of these of one domain, so that a slow one does not hide the others
_SKIP = 100                 # domains that one question passes over
_FRESH = 2_000              # new messages remembered by id; beyond this all that is due is looked through instead


class Finder:
    """Fills its `backlog`; `hands` are the recipients that are being tried, `progress` is called when there is more to begin.

    `scan` asks for a look through all that is due, `looked` is when that last began, `late` whether there may be more overdue.
    """

    def __init__(
        self, spool: ISpool, clock: IReactorTime, hands: Collection[int], group: int, progress: Callable[[], bool],
    ) -> None:
        self.backlog = Backlog(_BACKLOG, _PER_DOMAIN, group)
        self.scan = True
        self.looked = -1.0
        self.late = False
        self._spool = spool
        self._clock = clock
        self._hands = hands
        self._progress = progress                      # False: the queue stops
        self._fresh: list[int] = []                    # messages that have just come
        self._more = False                             # whether more is due than the backlog could take

    def added(self, ids: Sequence[int]) -> None:
        """These messages are new, or due now; without ids anything may be."""
        if not ids or len(self._fresh) + len(ids) > _FRESH:
            self._fresh.clear()
            self.scan = True
        else:
            self._fresh += ids

    async def find(self) -> None:
        """Read what there is room for."""
        fresh, self._fresh = self._fresh, []
        if fresh:                       # new mail is not kept waiting by a backlog of other domains' old mail
            now = self._clock.seconds()
            found = await self._spool.waiting(fresh)
            due = [one for one in found if not one.held and one.next_try <= now]
            self._more = not self.backlog.add(due, self._hands, beyond=True) or self._more
        self.scan = self.scan or (self._more and len(self.backlog) < _BACKLOG // 2)
        for domain in [each for each in self.backlog.clogged if not self.backlog.holds(each)]:
            await self._read_on(domain)
        if self.scan:
            await self._look_through()

    async def overdue(self) -> list[Group]:
        """What must be returned to its sender now (RFC 2852), by message."""
        found = await self._spool.overdue(self._clock.seconds(), _WINDOW)
        self.late = len(found) == _WINDOW
        groups: dict[int, Group] = {}
        for one in found:
            if one.id not in self._hands and (one.problem is None or not one.problem.final):
                groups.setdefault(one.message_id, []).append(one)
        if self.late and len(groups) > 1:
            groups.popitem()            # perhaps not all of it: one message, one report
        return list(groups.values())

    async def _read_on(self, domain: str) -> None:
        """More of a domain of which there was too much."""
        self.backlog.clogged.discard(domain)
        limit = _PER_DOMAIN + len(self._hands)
        found = await self._spool.due(self._clock.seconds(), limit, START, domain)
        self._more = not self.backlog.add(found, self._hands) or self._more
        if len(found) == limit:
            self.backlog.clogged.add(domain)

    async def _look_through(self) -> None:
        """All that is due, in windows, passing over domains of which enough is known, until the backlog is full."""
        self.scan, self.looked = False, self._clock.seconds()
        more = await self._read_in(True, _URGENT)
        self._more = await self._read_in(False, _BACKLOG) or more

    async def _read_in(self, urgent: bool, most: int) -> bool:
        """Whether there may be more than the backlog has room for."""
        after: Position = START
        while True:
            skip = () if urgent else tuple(self.backlog.clogged)[:_SKIP]
            found = await self._spool.due(self.looked, _WINDOW, after, None, skip, urgent)
            full = not self.backlog.add(found, self._hands)
            if not self._progress() or full or len(found) < _WINDOW:
                return full
            if len(self.backlog) >= most:
                return True
            after = found[-1].next_try, found[-1].id
            await deferLater(self._clock, 0)        # the reactor's turn (I2)
