"""A store that keeps every promise and offers nothing beyond: no mod-sequences, no copy, no log, no stored attributes."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence

from zope.interface import implementer

from mailframe.interfaces.store import IAccount, IMailbox, IMailStore
from mailframe.model.flags import FlagChange
from mailframe.model.mailbox import (
    Changes,
    Field,
    FlagsStored,
    MailboxInfo,
    MailboxList,
    MailboxStatus,
    New,
    NewMailbox,
    Rows,
    UidRanges,
)
from mailframe.stores.memory import MemoryStore


@implementer(IMailStore)
class BareStore:
    def __init__(self) -> None:
        self._store = MemoryStore()

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def open_account(self, name: str, fresh: Sequence[NewMailbox]) -> IAccount:
        account: IAccount = _BareAccount(await self._store.open_account(name, fresh))
        return account


@implementer(IAccount)
class _BareAccount:
    def __init__(self, account: IAccount) -> None:
        self._account = account

    async def mailboxes(self) -> MailboxList:
        return await self._account.mailboxes()

    async def create(self, mailbox: NewMailbox) -> MailboxInfo:
        return await self._account.create(mailbox)

    async def delete(self, mailbox_id: str) -> None:
        await self._account.delete(mailbox_id)

    async def rename(self, moves: Sequence[tuple[str, str]]) -> None:
        await self._account.rename(moves)

    async def set_subscribed(self, name: str, subscribed: bool) -> None:
        await self._account.set_subscribed(name, subscribed)

    async def open_mailbox(self, mailbox_id: str) -> IMailbox:
        mailbox: IMailbox = _BareMailbox(await self._account.open_mailbox(mailbox_id))
        return mailbox

    def subscribe(self, listener: Callable[[str], None]) -> Callable[[], None]:
        return self._account.subscribe(listener)


@implementer(IMailbox)
class _BareMailbox:
    def __init__(self, mailbox: IMailbox) -> None:
        self._mailbox = mailbox
        self.id = mailbox.id

    async def status(self) -> MailboxStatus:
        known = await self._mailbox.status()
        return MailboxStatus(known.uidvalidity, known.uidnext, known.messages, known.unseen, known.deleted, known.size)

    async def keywords(self, add: Sequence[str]) -> tuple[str, ...]:
        return await self._mailbox.keywords(add)

    async def rows(self, ranges: UidRanges, limit: int, fields: Field) -> Rows:
        rows = await self._mailbox.rows(ranges, limit, fields)
        for column in (rows.envelopes, rows.structures, rows.indexes):
            column[:] = [b""] * len(column)
        return rows

    async def read(self, uid: int, offset: int, size: int) -> bytes:
        return await self._mailbox.read(uid, offset, size)

    async def append(self, messages: Sequence[New]) -> array[int]:
        return await self._mailbox.append(messages)

    async def set_flags(self, uids: Sequence[int], change: FlagChange, unchanged_since: int | None) -> FlagsStored:
        return await self._mailbox.set_flags(uids, change, None)

    async def expunge(self, uids: Sequence[int] | None, only_deleted: bool) -> array[int]:
        return await self._mailbox.expunge(uids, only_deleted)

    async def changes(self, cursor: object) -> Changes | None:
        return None
