"""The index of all mailboxes of one store: rows on the engine, and what is kept in memory of those in use."""

from __future__ import annotations

from array import array
from functools import partial
from weakref import WeakValueDictionary

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IReactorTime

from mailframe.model.mailbox import Changes, Rows
from mailframe.pacing.breath import Breath
from mailframe.sqlite.engine import Engine
from mailframe.sqlite.rows import Row
from mailframe.stores.sqlite.schema import masks

from . import ledger
from .ledger import Known, News, Noted
from .schema import BY_CHANGE, MIGRATIONS
from .snapshot import Entry, Snapshot

PAGE = 5_000            # messages looked at in one turn of the reactor: a few milliseconds
_INLINE = 1_000         # rows read in the reactor's thread


class Look:
    """One look at what happened in the store."""

    def __init__(self, shared: Shared) -> None:
        self.hints = shared.hints           # as many as there were before it
        self.looks = shared.looks
        self.unseen: set[int] = set()       # messages that others noted meanwhile as new


class Shared:
    """What all who have a mailbox open share; gone with the last of them."""

    def __init__(self) -> None:
        self.flagging = DeferredLock()          # one change of flags at a time, so that UNCHANGEDSINCE holds
        self.snapshot: Snapshot | None = None
        self.cursor: object = None              # the store's own, up to which all is noted
        self.hints = 0                          # how often the store hinted at a change
        self.looks = 0                          # how often somebody looked what happened in the store, to the end
        self.looking: list[Look] = []           # all who look now
        self._looked = -1                       # how often it had hinted when all was noted

    @property
    def compared(self) -> bool:
        """All was compared, and no hint came since."""
        return self._looked == self.hints

    @property
    def hinted(self) -> bool:
        return self.hints > max(self._looked, 0)

    def looked(self, hints: int, cursor: object) -> None:
        """All was noted that the store had when it had hinted so often, and `cursor` was its own."""
        self._looked, self.cursor = hints, cursor
        self.looks += 1

    def arrived(self, uids: list[int], looks: int, by: Look | None = None) -> None:
        """New messages were noted that somebody (`by`, or who appended them) had seen after so many looks. If a look came in
        between and did not see one of them, it is perhaps gone already, and no later look would be told so: compare all."""
        for look in self.looking:
            if look is not by:
                look.unseen.update(uids)
        if uids and looks != self.looks:
            self.distrust()

    def distrust(self) -> None:
        """Something went wrong half-way: compare all."""
        self._looked, self.cursor = -1, None


class Index:
    """`name` parts one store's mailboxes from another's; `version` is the renderer's whose ENVELOPEs are given out."""

    def __init__(self, engine: Engine, clock: IReactorTime, name: str, version: int) -> None:
        self.engine = engine
        self.version = version
        self._clock = clock
        self._name = name
        self._shared: WeakValueDictionary[tuple[str, str], Shared] = WeakValueDictionary()
        engine.register("beside", MIGRATIONS)

    def shared(self, account: str, mailbox: str) -> Shared:
        found = self._shared.get((account, mailbox))
        if found is None:
            found = self._shared[account, mailbox] = Shared()
        return found

    def hint(self, account: str, mailbox: str) -> None:
        if (found := self._shared.get((account, mailbox))) is not None:
            found.hints += 1

    @property
    def now(self) -> int:
        return int(self._clock.seconds() * 1_000)

    async def turn(self) -> None:
        """Let the reactor run once (I2)."""
        turn: Deferred[None] = Deferred()
        self._clock.callLater(0, turn.callback, None)
        await turn

    async def find(self, account: str, mailbox: str) -> Known | None:
        rows = await self.engine.query(ledger.FIND, (self._name, account, mailbox))
        return Known(*rows[0]) if rows else None

    async def open(self, account: str, mailbox: str, uidvalidity: int) -> Known:
        """The row for this UIDVALIDITY, made if there is none."""
        known = await self.find(account, mailbox)
        if known is None or known.uidvalidity != uidvalidity:
            key = self._name, account, mailbox
            await self.engine.submit(partial(ledger.open_mailbox, key=key, uidvalidity=uidvalidity, now=self.now))
            known = await self.find(account, mailbox)
            assert known is not None
        return known

    async def note(self, number: int, news: News) -> Noted | None:
        """Durable on return. None: the row is forgotten."""
        size = sum(len(each.envelope) + len(each.structure) + len(each.index) for _, each in news.attributes)
        return await self.engine.submit(partial(ledger.note, number=number, news=news, now=self.now), size)

    async def mailboxes(self, account: str) -> list[tuple[str, int]]:
        """(id, number) of those that are noted."""
        found = await self.engine.query(
            "SELECT mailbox, id FROM beside_mailbox WHERE store = ? AND account = ?", (self._name, account))
        return [(str(name), int(number)) for name, number in found]

    async def snapshot(self, shared: Shared, known: Known) -> Snapshot:
        """The columns of `known` or later."""
        last = shared.snapshot
        if last is None or last.number != known.number or last.modseq < known.pruned:
            last = await self._whole(known)
        elif last.modseq < known.modseq:
            changed, gone = await self._since(known.number, last.modseq)
            breath = Breath(self._clock.seconds, self.turn)
            entries: list[Entry] = []
            for start in range(0, len(changed), _INLINE):
                entries += _typed(changed[start:start + _INLINE])
                await breath.take()
            last = await breath.through(last.later(known.modseq, entries, [row[0] for row in gone]))
        best = shared.snapshot
        if best is None or best.number != known.number or best.modseq < last.modseq:
            shared.snapshot = last
        return last

    async def _whole(self, known: Known) -> Snapshot:
        """In pages; what is changed between them is found with the next look, by its mod-sequence."""
        found = Snapshot(known.number, known.modseq)
        after = 0
        while True:
            rows = await self.engine.query(
                "SELECT uid, flags, modseq FROM beside_message WHERE mailbox = ? AND uid > ? ORDER BY uid LIMIT ?",
                (known.number, after, PAGE), bulk=known.messages > _INLINE)
            found.uids.extend(row[0] for row in rows)
            found.flags.extend(masks([row[1] for row in rows]))
            found.modseqs.extend(row[2] for row in rows)
            if len(rows) < PAGE:
                return found
            after = rows[-1][0]
            await self.turn()

    async def changes(self, known: Known, since: int) -> Changes:
        """What is noted with a greater mod-sequence than `since`. The cursor is left to the caller."""
        changed, gone = await self._since(known.number, since)
        breath, rows = Breath(self._clock.seconds, self.turn), Rows()
        for start in range(0, len(changed), _INLINE):
            some = changed[start:start + _INLINE]
            rows.uids.extend([row[0] for row in some])
            rows.flags += masks([row[1] for row in some])
            rows.modseqs.extend([row[2] for row in some])
            await breath.take()
        return Changes(None, rows, array("I", sorted(row[0] for row in gone)))

    async def _since(self, number: int, since: int) -> tuple[list[Row], list[Row]]:
        """Expunges are read last, so none is missed that a change implies."""
        changed = await self._all(f"SELECT uid, flags, modseq FROM {BY_CHANGE} AND modseq > ? ORDER BY uid", (number, since))
        return changed, await self._all("SELECT uid FROM beside_vanished WHERE mailbox = ? AND modseq > ?", (number, since))

    async def _all(self, sql: str, parameters: tuple[int, ...]) -> list[Row]:
        rows = await self.engine.query(f"{sql} LIMIT {_INLINE}", parameters)
        return rows if len(rows) < _INLINE else await self.engine.query(sql, parameters, bulk=True)


def _typed(rows: list[Row]) -> list[Entry]:
    return [(uid, flags, modseq) for (uid, _, modseq), flags in zip(rows, masks([row[1] for row in rows]))]
