"""A mailbox of a plain store with what is kept beside it: mod-sequences and what the store lacks besides."""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

from twisted.logger import Logger
from zope.interface import implementer

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IAttributeCache, ICopyable, IMailbox, IModSequenced, IMovable, IRecent, IReplaces
from mailframe.model.flags import FlagChange
from mailframe.model.mailbox import Attributes, Changes, Field, FlagsStored, MailboxStatus, New, Rows, UidRanges, uid_ranges
from mailframe.model.refusal import Refusal
from mailframe.stores.sqlite.schema import uid_set

from . import ledger
from .index import Index
from .ledger import Known, News, Noted
from .looking import Looking
from .shell import shell

_log = Logger()

_NOTED = Field.FLAGS | Field.MODSEQ
_MADE = Field.ENVELOPE | Field.STRUCTURE | Field.INDEX
Open = Callable[[str], Awaitable[IMailbox]]     # a mailbox of the same account by its id
_NOTHING: tuple[bytes, bytes, bytes] = (b"", b"", b"")


@dataclass(frozen=True, slots=True)
class Cursor:
    """Up to `modseq` of the index's row `number`."""

    number: int
    modseq: int


def beside(inner: Any, index: Index, account: str, open_mailbox: Open) -> IMailbox:
    """`inner` with what it lacks; itself when it keeps mod-sequences of its own."""
    if IModSequenced.providedBy(inner):
        return cast(IMailbox, inner)
    bases = tuple(base for base, wanted in (
        (CopiesBeside, ICopyable.providedBy(inner)), (MovesBeside, IMovable.providedBy(inner)),
        (ReplacesBeside, IReplaces.providedBy(inner)),
        (CachesBeside, not IAttributeCache.providedBy(inner)), (RecentBeside, not IRecent.providedBy(inner))) if wanted)
    mailbox: IMailbox = shell((*bases, MailboxBeside), inner)(inner, index, account, open_mailbox)
    return mailbox


@implementer(IMailbox, IModSequenced)
class MailboxBeside:
    """What the store answers, and the index's flags and mod-sequences, which always belong together."""

    id: str             # the store's, shown by the shell
    own = _NOTED        # columns that the store is not asked for

    def __init__(self, inner: Any, index: Index, account: str, open_mailbox: Open) -> None:
        self.inner = inner
        self._index = index
        self._account = account
        self._open = open_mailbox
        self._shared = index.shared(account, self.id)
        self._looking = Looking(index, account, inner, self._shared)

    async def status(self) -> MailboxStatus:
        """See IMailbox. Compares only where the counts or a hint say that something happened: the mailbox is perhaps not
        opened at all. Whoever opens it asks for rows or changes, and finds the rest."""
        status: MailboxStatus = await settled(self.inner.status())
        known = await self._index.find(self._account, self.id)
        if known is None or self._shared.hinted or not known.agrees(status):
            await self._looking.look(status)
            known = await self._looking.known()
        return replace(status, uidnext=max(status.uidnext, known.uidnext), highest_modseq=known.modseq,
                       cursor=Cursor(known.number, known.modseq))

    async def keywords(self, add: Sequence[str]) -> tuple[str, ...]:
        """See IMailbox."""
        return await settled(self.inner.keywords(add))

    async def rows(self, ranges: UidRanges, limit: int, fields: Field) -> Rows:
        """See IMailbox."""
        if not self._shared.compared:
            await self._looking.look()
        snapshot = await self._looking.snapshot()
        if fields & ~self.own:
            rows: Rows = await settled(self.inner.rows(ranges, limit, fields & ~self.own))
            if snapshot.fill(rows, Field.FLAGS in fields, Field.MODSEQ in fields):
                await self._looking.look()          # they came just now
                (await self._looking.snapshot()).fill(rows, Field.FLAGS in fields, Field.MODSEQ in fields)
        else:
            found = snapshot.rows(ranges, limit)
            rows = Rows.of(found.uids, fields & _NOTED, {Field.FLAGS: found.flags, Field.MODSEQ: found.modseqs})
        if fields & self.own & _MADE:
            await self._fill_made(snapshot.number, rows, fields)
        return rows

    async def _fill_made(self, number: int, rows: Rows, fields: Field) -> None:
        found = await self._index.engine.query(
            "SELECT uid, envelope, structure, mime_index FROM beside_attributes "
            "WHERE mailbox = ? AND version = ? AND uid IN carray(?)",
            (number, self._index.version, uid_set(rows.uids)), bulk=len(rows) > 500)
        made = {row[0]: row[1:] for row in found}
        columns = [made.get(uid, _NOTHING) for uid in rows.uids]
        if Field.ENVELOPE in fields:
            rows.envelopes = [each[0] for each in columns]
        if Field.STRUCTURE in fields:
            rows.structures = [each[1] for each in columns]
        if Field.INDEX in fields:
            rows.indexes = [each[2] for each in columns]

    async def read(self, uid: int, offset: int, size: int) -> bytes:
        """See IMailbox."""
        return await settled(self.inner.read(uid, offset, size))

    async def append(self, messages: Sequence[New]) -> array[int]:
        """See IMailbox."""
        looks = self._shared.looks
        uids: array[int] = await settled(self.inner.append(messages))
        await self._note_new(uids, messages, looks)
        return uids

    async def set_flags(self, uids: Sequence[int], change: FlagChange, unchanged_since: int | None) -> FlagsStored:
        """See IMailbox."""
        async with self._alone():
            refused = array("I")
            if unchanged_since is not None:
                await self._looking.look()
                uids, refused = (await self._looking.snapshot()).unchanged_since(uids, unchanged_since)
            if not uids:
                await settled(self.inner.status())          # which refuses a mailbox that is gone
                return FlagsStored(Rows(), refused)
            base = (await self._looking.known()).modseq
            rows: Rows = (await settled(self.inner.set_flags(uids, change, None))).rows
            noted = await self._note(News(changed=rows, base=base))
        now = noted.now if noted is not None else {}
        pairs = [now.get(uid) or (mask, max(self._index.now, base + 1)) for uid, mask in zip(rows.uids, rows.flags)]
        return FlagsStored(Rows.of(rows.uids, _NOTED, {
            Field.FLAGS: (mask for mask, _ in pairs), Field.MODSEQ: (modseq for _, modseq in pairs)}), refused)

    async def expunge(self, uids: Sequence[int] | None, only_deleted: bool) -> array[int]:
        """See IMailbox."""
        async with self._alone():
            gone: array[int] = await settled(self.inner.expunge(uids, only_deleted))
            await self._note(News(gone=gone))
        return gone

    async def changes(self, cursor: object) -> Changes | None:
        """See IMailbox."""
        await self._looking.look()
        known = await self._looking.known()
        if not isinstance(cursor, Cursor) or cursor.number != known.number or not known.pruned <= cursor.modseq <= known.modseq:
            return None
        now = Cursor(known.number, known.modseq)
        if now == cursor:
            return Changes(now, Rows(), array("I"))
        return replace(await self._index.changes(known, cursor.modseq), cursor=now)

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """No other change of flags or expunge through here meanwhile; after a fault the store may have done anything."""
        await self._shared.flagging.acquire()
        try:
            yield
        except BaseException:
            self._shared.distrust()
            raise
        finally:
            self._shared.flagging.release()

    async def _note(self, news: News) -> Noted | None:
        """What the store has done is done: that the index could not be written is made good by comparing, later."""
        if not news:
            return None
        try:
            noted = await self._index.note((await self._looking.known()).number, news)
        except Refusal as refusal:
            _log.warn("a change of {account} is not in the index yet: {why}", account=self._account, why=str(refusal))
            noted = None
        if noted is None or noted.skipped:
            self._shared.distrust()
        return noted

    async def _note_new(self, uids: Sequence[int], messages: Sequence[New], looks: int) -> None:
        new = Rows(uids=array("I", uids), flags=array("Q", [message.flags for message in messages]))
        made = [(uid, each.attributes) for uid, each in zip(uids, messages) if each.attributes is not None]
        await self._note_arrived(News(new=new, attributes=made if _MADE in self.own else ()), looks)

    async def _note_arrived(self, news: News, looks: int) -> bool:
        noted = await self._note(news)
        if noted is not None:
            self._shared.arrived(noted.inserted, looks)
        return noted is not None


class _Arrivals(MailboxBeside):
    """What copies and moves share."""

    async def _arriving(self, target_id: str) -> tuple[MailboxBeside, int]:
        """The target, and how often it had been looked into before anything arrives there. Raises NoSuchMailbox."""
        target = await self._open(target_id)
        assert isinstance(target, MailboxBeside)
        return target, target._shared.looks

    async def _arrived(self, pairs: tuple[array[int], array[int]], target: MailboxBeside, looks: int) -> None:
        """Their flags may be other bits there, so the target is asked; what is known of their octets goes along."""
        old, new = pairs
        if not new:
            return
        rows: Rows = await settled(target.inner.rows(uid_ranges(new), len(new), Field.FLAGS))
        if not await target._note_arrived(News(new=rows), looks):
            return
        with suppress(Refusal):         # they are made again where they lack; the messages are copied for good
            numbers = (await self._looking.known()).number, (await target._looking.known()).number
            await self._index.engine.submit(partial(ledger.take_along, source=numbers[0], old=old, target=numbers[1], new=new))


@implementer(ICopyable)
class CopiesBeside(_Arrivals):
    """The store copies."""

    async def copy(self, uids: Sequence[int], target_id: str) -> tuple[array[int], array[int]]:
        """See ICopyable."""
        copyable: ICopyable = self.inner
        arriving = await self._arriving(target_id)
        pairs: tuple[array[int], array[int]] = await settled(copyable.copy(uids, target_id))
        await self._arrived(pairs, *arriving)
        return pairs


@implementer(IMovable)
class MovesBeside(_Arrivals):
    """The store moves."""

    async def move(self, uids: Sequence[int], target_id: str) -> tuple[array[int], array[int]]:
        """See IMovable."""
        movable: IMovable = self.inner
        arriving = await self._arriving(target_id)
        async with self._alone():
            pairs: tuple[array[int], array[int]] = await settled(movable.move(uids, target_id))
            await self._arrived(pairs, *arriving)
            await self._note(News(gone=pairs[0]))
        return pairs


@implementer(IReplaces)
class ReplacesBeside(_Arrivals):
    """The store replaces."""

    async def replace(self, uid: int, target_id: str, message: New) -> int:
        """See IReplaces."""
        replaces: IReplaces = self.inner
        target, looks = await self._arriving(target_id)
        async with self._alone():
            new: int = await settled(replaces.replace(uid, target_id, message))
            await target._note_new((new,), (message,), looks)
            await self._note(News(gone=(uid,)))
        return new


@implementer(IAttributeCache)
class CachesBeside(MailboxBeside):
    """The store keeps no ENVELOPEs and the like; the index does."""

    own = _NOTED | _MADE

    async def remember(self, uids: Sequence[int], attributes: Sequence[Attributes]) -> None:
        """See IAttributeCache."""
        number = (await self._looking.known()).number
        size = sum(len(each.envelope) + len(each.structure) + len(each.index) for each in attributes)
        await self._index.engine.submit(partial(ledger.remember, number=number, uids=uids, attributes=attributes), size)


@implementer(IRecent)
class RecentBeside(MailboxBeside):
    """The store does not know what is recent; the index does."""

    async def claim_recent(self) -> int:
        """See IRecent."""
        known, uidnext = await self._uidnext()
        if known.recent >= uidnext:
            return 2**32
        return await self._index.engine.submit(partial(ledger.claim_recent, number=known.number, uidnext=uidnext))

    async def recent_from(self) -> int:
        """See IRecent."""
        known, uidnext = await self._uidnext()
        return known.recent if known.recent < uidnext else 2**32

    async def _uidnext(self) -> tuple[Known, int]:
        status: MailboxStatus = await settled(self.inner.status())
        return await self._index.open(self._account, self.id, status.uidvalidity), status.uidnext
