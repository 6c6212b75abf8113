"""One account: its list of mailboxes, and the way to each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from zope.interface import implementer

from mailframe.interfaces.store import IAccount, IMailbox, IMailboxFinder, IQuota, ISpecialUses
from mailframe.model.mailbox import Listeners, MailboxInfo, MailboxList, NewMailbox, Quota
from mailframe.model.refusal import NoSuchMailbox

from . import quota, tree
from .parts import Parts
from .tree import mailbox_number


@implementer(IAccount, IMailboxFinder, IQuota, ISpecialUses)
class SqliteAccount:
    """Holds nothing but its number: any number of these may stand for one account."""

    def __init__(self, parts: Parts, number: int) -> None:
        self._parts = parts
        self._engine = parts.engine
        self._number = number

    async def mailboxes(self) -> MailboxList:
        found = await self._engine.query(
            "SELECT id, name, special_use FROM mailbox WHERE account = ? AND name IS NOT NULL", (self._number,))
        subscribed = await self._engine.query("SELECT name FROM subscription WHERE account = ?", (self._number,))
        return MailboxList(tuple(MailboxInfo(str(number), name, use) for number, name, use in found),
                           frozenset(row[0] for row in subscribed))

    async def find_mailbox(self, name: str) -> MailboxInfo | None:
        found = await self._engine.query("SELECT id, special_use FROM mailbox WHERE account = ? AND name = ?", (self._number, name))
        return MailboxInfo(str(found[0][0]), name, found[0][1]) if found else None

    async def create(self, mailbox: NewMailbox) -> MailboxInfo:
        now = self._now()
        info = await self._engine.submit(lambda con: tree.create(con, self._number, mailbox, now))
        self._parts.tell(self._number, "")
        return info

    async def delete(self, mailbox_id: str) -> None:
        number, now = mailbox_number(mailbox_id), self._now()
        await self._engine.submit(lambda con: tree.delete(con, self._number, number, now))
        self._parts.tell(self._number, mailbox_id)
        self._parts.tell(self._number, "")

    async def rename(self, moves: Sequence[tuple[str, str]]) -> None:
        numbered, now = [(mailbox_number(mailbox_id), name) for mailbox_id, name in moves], self._now()
        await self._engine.submit(lambda con: tree.rename(con, self._number, numbered, now))
        self._parts.tell(self._number, "")

    async def set_special_uses(self, uses: Mapping[str, str | None]) -> None:
        numbered = [(mailbox_number(mailbox_id), use) for mailbox_id, use in uses.items()]
        await self._engine.submit(lambda con: tree.set_special_uses(con, self._number, numbered))
        self._parts.tell(self._number, "")

    async def set_subscribed(self, name: str, subscribed: bool) -> None:
        await self._engine.submit(lambda con: tree.set_subscribed(con, self._number, name, subscribed))
        self._parts.tell(self._number, "")

    async def open_mailbox(self, mailbox_id: str) -> IMailbox:
        number = mailbox_number(mailbox_id)
        if not await self._engine.query(
                "SELECT 1 FROM mailbox WHERE id = ? AND account = ? AND name IS NOT NULL", (number, self._number)):
            raise NoSuchMailbox()
        return self._parts.mailbox(self._parts, self._number, number)

    async def quota(self) -> Quota:
        used = await self._engine.query(quota.USED, (self._number,))
        own = await self._engine.query(quota.LIMITS, (self._number,))
        return quota.quota(used[0], own[0], self._parts.settings)

    async def set_quota(self, max_octets: int | None, max_messages: int | None) -> None:
        await self._engine.submit(lambda con: quota.set_limits(con, self._number, max_octets, max_messages))

    def subscribe(self, listener: Callable[[str], None]) -> Callable[[], None]:
        kept = self._parts.listeners
        remove = kept.setdefault(self._number, Listeners()).add(listener)

        def leave() -> None:
            remove()
            if self._number in kept and not kept[self._number]:
                del kept[self._number]
        return leave

    def _now(self) -> int:
        return int(self._parts.clock.seconds())
