"""Another account's mailbox behind a guard: each call needs its right as rights are then, whoever forgot to ask before."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from zope.interface import implementer

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.sharing import IRestricted
from mailframe.interfaces.store import (
    IAttributeCache,
    ICopyable,
    IModSequenced,
    IMovable,
    IObjectIds,
    ISaveDates,
    ISearchable,
)
from mailframe.model.flags import FlagChange
from mailframe.model.mailbox import Attributes, Changes, Field, FlagsStored, MailboxStatus, New, Rows, TextMatches, UidRanges
from mailframe.model.query import InBody, InHeader, InText
from mailframe.model.refusal import NoPermission, NoSuchMailbox, Refusal
from mailframe.model.rights import flags_by, has

from .keeper import Grant, Keeper
from .names import Place, id_of, place_of

_ALL_FLAGS = (1 << 64) - 1


def guarded(inner: Any, keeper: Keeper, grant: Grant, user: str) -> IRestricted:
    """`inner`, the mailbox of `grant`, for `user`, with what it provides of what can be guarded."""
    provided = tuple(interface for interface in _OPTIONAL if interface.providedBy(inner))
    mailbox: IRestricted = _kind(provided)(inner, keeper, grant, user)
    return mailbox


def refused(rights: str) -> Refusal:
    """Who can neither see nor read a mailbox is not told that there is one (RFC 4314 section 6)."""
    return NoPermission() if "l" in rights or "r" in rights else NoSuchMailbox()


@implementer(IRestricted)
class GuardedMailbox:
    """Nothing is \\Recent here: that is the owner's, and no visitor takes it from him."""

    def __init__(self, inner: Any, keeper: Keeper, grant: Grant, user: str) -> None:
        self._inner = inner
        self._keeper = keeper
        self._place = grant.place
        self._uidvalidity = grant.uidvalidity
        self._user = user
        self.id = id_of(grant.place)

    async def rights(self) -> str:
        """See IRestricted."""
        return await self._rights_in(self._place, self._uidvalidity)

    async def _rights_in(self, place: Place, uidvalidity: int | None = None) -> str:
        grant = await self._keeper.grant(place, self._user)
        if grant is None or uidvalidity not in (None, grant.uidvalidity):
            raise NoSuchMailbox
        return grant.rights

    async def _need(self, wanted: str) -> str:
        rights = await self.rights()
        if not has(rights, wanted):
            raise refused(rights)
        return rights

    async def status(self) -> MailboxStatus:
        """See IMailbox."""
        await self._need("r")
        return await settled(self._inner.status())

    async def keywords(self, add: Sequence[str]) -> tuple[str, ...]:
        """See IMailbox. Making new ones needs "w"; who only drops messages in ("i") sees the table for those he may flag."""
        rights = await self.rights()
        if "r" not in rights and not has(rights, "iw"):
            raise refused(rights)
        table: tuple[str, ...] = await settled(self._inner.keywords(()))
        if {word.lower() for word in add} <= {word.lower() for word in table}:
            return table
        if "w" not in rights:
            raise refused(rights)
        return await settled(self._inner.keywords(add))

    async def rows(self, ranges: UidRanges, limit: int, fields: Field) -> Rows:
        """See IMailbox."""
        await self._need("r")
        return await settled(self._inner.rows(ranges, limit, fields))

    async def read(self, uid: int, offset: int, size: int) -> bytes:
        """See IMailbox."""
        await self._need("r")
        return await settled(self._inner.read(uid, offset, size))

    async def append(self, messages: Sequence[New]) -> array[int]:
        """See IMailbox. Flags without their right are left out (RFC 4314 section 4)."""
        mask = flags_by(await self._need("i"))
        allowed = [each if not each.flags & ~mask else replace(each, flags=each.flags & mask) for each in messages]
        return await settled(self._inner.append(allowed))

    async def set_flags(self, uids: Sequence[int], change: FlagChange, unchanged_since: int | None) -> FlagsStored:
        """See IMailbox. What may be changed of it is; it is refused when that is nothing (RFC 4314 section 4)."""
        rights = await self._need("r")
        mask, touched = flags_by(rights), ~change.keep & _ALL_FLAGS | change.set
        if touched and not touched & mask:
            raise refused(rights)
        allowed = FlagChange(change.keep | _ALL_FLAGS & ~mask, change.set & mask)
        return await settled(self._inner.set_flags(uids, allowed, unchanged_since))

    async def expunge(self, uids: Sequence[int] | None, only_deleted: bool) -> array[int]:
        """See IMailbox. Of messages that are not flagged: as if they were flagged first."""
        await self._need("re" if only_deleted else "rte")
        return await settled(self._inner.expunge(uids, only_deleted))

    async def changes(self, cursor: object) -> Changes | None:
        """See IMailbox."""
        await self._need("r")
        return await settled(self._inner.changes(cursor))


class _Transfers(GuardedMailbox):
    async def _target(self, target_id: str) -> str:
        """The target's id for the store: of the same owner, and with the right to set whatever flags go along."""
        place = place_of(target_id)
        if place is None or place.owner != self._place.owner:
            raise NoSuchMailbox
        rights = await self._rights_in(place)
        if not has(rights, "istw"):
            raise refused(rights)
        return place.what


@implementer(ICopyable)
class _Copies(_Transfers):
    async def copy(self, uids: Sequence[int], target_id: str) -> tuple[array[int], array[int]]:
        """See ICopyable."""
        await self._need("r")
        return await settled(self._inner.copy(uids, await self._target(target_id)))


@implementer(IMovable)
class _Moves(_Transfers):
    async def move(self, uids: Sequence[int], target_id: str) -> tuple[array[int], array[int]]:
        """See IMovable."""
        await self._need("rte")
        return await settled(self._inner.move(uids, await self._target(target_id)))


@implementer(ISearchable)
class _Searches(GuardedMailbox):
    async def search(self, leaf: InHeader | InBody | InText, ranges: UidRanges) -> TextMatches:
        """See ISearchable."""
        await self._need("r")
        return await settled(self._inner.search(leaf, ranges))


@implementer(IAttributeCache)
class _Caches(GuardedMailbox):
    async def remember(self, uids: Sequence[int], attributes: Sequence[Attributes]) -> None:
        """See IAttributeCache. What follows from a message's octets is nobody's change."""
        await self._need("r")
        await settled(self._inner.remember(uids, attributes))


@implementer(IModSequenced)
class _ModSequenced(GuardedMailbox):
    pass


@implementer(IObjectIds)
class _ObjectIds(GuardedMailbox):
    pass


@implementer(ISaveDates)
class _SaveDates(GuardedMailbox):
    pass


#: What of a mailbox's optional interfaces a visitor has; any other is the owner's alone.
_OPTIONAL: dict[Any, type[GuardedMailbox]] = {
    ICopyable: _Copies, IMovable: _Moves, ISearchable: _Searches, IAttributeCache: _Caches, IModSequenced: _ModSequenced,
    IObjectIds: _ObjectIds, ISaveDates: _SaveDates,
}


@cache
def _kind(provided: tuple[Any, ...]) -> type[GuardedMailbox]:
    return type("GuardedMailbox", (*(_OPTIONAL[each] for each in provided), GuardedMailbox), {})
