"""One account at the seam: every list begins with a look at the folders."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from zope.interface import implementer

from mailframe.interfaces.store import IAccount, IMailbox, IMailboxFinder, ISpecialUses
from mailframe.model.mailbox import MailboxInfo, MailboxList, NewMailbox
from mailframe.stores.sqlite.tree import mailbox_number

from .home import Home
from .mailbox import MaildirMailbox


@implementer(IAccount, IMailboxFinder, ISpecialUses)
class MaildirAccount:
    """Any number of these may stand for one account; they share its `Home`."""

    def __init__(self, home: Home) -> None:
        self._home = home

    async def mailboxes(self) -> MailboxList:
        await self._home.look()
        listed = await self._home.index.mailboxes()
        return replace(listed, subscribed=frozenset(await self._home.subscribed()))

    async def find_mailbox(self, name: str) -> MailboxInfo | None:
        await self._home.look()
        return await self._home.index.find_mailbox(name)

    async def create(self, mailbox: NewMailbox) -> MailboxInfo:
        return await self._home.create(mailbox)

    async def delete(self, mailbox_id: str) -> None:
        await self._home.delete(mailbox_number(mailbox_id))

    async def rename(self, moves: Sequence[tuple[str, str]]) -> None:
        await self._home.rename([(mailbox_number(mailbox_id), name) for mailbox_id, name in moves])

    async def set_special_uses(self, uses: Mapping[str, str | None]) -> None:
        await self._home.set_special_uses([(mailbox_number(mailbox_id), use) for mailbox_id, use in uses.items()])

    async def set_subscribed(self, name: str, subscribed: bool) -> None:
        await self._home.set_subscribed(name, subscribed)

    async def open_mailbox(self, mailbox_id: str) -> IMailbox:
        mailbox: IMailbox = MaildirMailbox(self._home, await self._home.folder(mailbox_number(mailbox_id)))
        return mailbox

    def subscribe(self, listener: Callable[[str], None]) -> Callable[[], None]:
        return self._home.watch(listener)
