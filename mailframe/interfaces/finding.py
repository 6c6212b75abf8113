"""One mailbox of an account by its name, whether or not the store can find it without listing them all."""

from __future__ import annotations

from mailframe.model.mailbox import MailboxInfo, MailboxList

from .maybe import settled
from .store import IAccount, IMailboxFinder


async def found(account: IAccount, name: str) -> MailboxInfo | None:
    """The mailbox `name`, None if there is none."""
    if IMailboxFinder.providedBy(account):
        finder: IMailboxFinder = account
        info: MailboxInfo | None = await settled(finder.find_mailbox(name))
        return info
    known: MailboxList = await settled(account.mailboxes())
    return next((info for info in known.mailboxes if info.name == name), None)
