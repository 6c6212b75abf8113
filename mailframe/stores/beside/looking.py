"""Bringing the index of one mailbox up to date: by what the store says has changed, else by comparing UIDs and flags."""

from __future__ import annotations

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IMailbox
from mailframe.model.mailbox import MAX_UID, Changes, Field, MailboxStatus, Rows
from mailframe.model.refusal import TryAgainLater

from .index import PAGE, Index, Look, Shared
from .ledger import Known, News
from .snapshot import Snapshot


class Looking:
    """`mailbox` is the store's."""

    def __init__(self, index: Index, account: str, mailbox: IMailbox, shared: Shared) -> None:
        self.index, self.account, self.mailbox, self.shared = index, account, mailbox, shared

    async def known(self) -> Known:
        """The row, made if there is none. Raises NoSuchMailbox."""
        known = await self.index.find(self.account, self.mailbox.id)
        return known if known is not None else await self._opened(await settled(self.mailbox.status()))

    async def _opened(self, status: MailboxStatus) -> Known:
        return await self.index.open(self.account, self.mailbox.id, status.uidvalidity)

    async def snapshot(self) -> Snapshot:
        return await self.index.snapshot(self.shared, await self.known())

    async def look(self, status: MailboxStatus | None = None) -> None:
        """All that happened in the store until now is noted. `status`, if it was just asked for. Raises NoSuchMailbox."""
        look = Look(self.shared)
        self.shared.looking.append(look)
        try:
            if self.shared.cursor is None or not await self._ask(look):
                now: MailboxStatus = status if status is not None else await settled(self.mailbox.status())
                await self._compare(now, look)
        finally:
            self.shared.looking.remove(look)

    async def _ask(self, look: Look) -> bool:
        """Whether the store could say what happened since its cursor."""
        base = await self.snapshot()
        changes: Changes | None = await settled(self.mailbox.changes(self.shared.cursor))
        if changes is None:
            return False
        changed, new = base.divided(changes.rows)
        complete = await self._note(look, base, News(changed, new, changes.vanished, base.modseq))
        if look.unseen.difference(changes.rows.uids):
            self.shared.distrust()
        elif complete:                  # else it is asked the same again: what was left out may have changed after all
            self.shared.looked(look.hints, changes.cursor)
        return True

    async def _compare(self, status: MailboxStatus, look: Look) -> None:
        """Status first: what comes after its cursor is found by asking with it."""
        known = await self._opened(status)
        base = await self.index.snapshot(self.shared, known)
        complete, first = True, 1
        while first <= MAX_UID:
            rows: Rows = await settled(self.mailbox.rows([(first, MAX_UID)], PAGE, Field.FLAGS))
            last = rows.uids[-1] if len(rows) >= PAGE else MAX_UID
            complete &= await self._note(look, base, News(*base.differences(first, last, rows), base.modseq))
            first = last + 1
            if first <= MAX_UID:
                await self.index.turn()
        if status.uidnext > known.uidnext:
            complete &= await self._note(look, base, News(base=base.modseq, uidnext=status.uidnext), always=True)
        if complete and not look.unseen:
            self.shared.looked(look.hints, status.cursor)
        else:
            self.shared.distrust()

    async def _note(self, look: Look, base: Snapshot, news: News, always: bool = False) -> bool:
        if not news and not always:
            return True
        noted = await self.index.note(base.number, news)
        if noted is None:
            raise TryAgainLater(detail=f"mailbox {self.mailbox.id} began afresh meanwhile")
        self.shared.arrived(noted.inserted, look.looks, look)
        return not noted.skipped
