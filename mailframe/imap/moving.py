"""Taking all messages of one mailbox over into another: what RENAME INBOX asks for."""

from __future__ import annotations

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IMovable
from mailframe.model.mailbox import Field, MailboxInfo

from .copying import Target, copy_from, direct
from .registry import Context
from .selecting import listed

BATCH = 1_000           # messages moved in one durable step


async def move_all(context: Context, source: MailboxInfo, target: MailboxInfo) -> None:
    """Flags and dates go along. What is interrupted leaves each message in one of the two mailboxes, or in both."""
    mailbox, place = await context.open(source), Target(target, await context.open(target))
    origin = Target(source, mailbox)
    uids = (await listed(mailbox, Field.FLAGS, context.breathe)).uids
    for start in range(0, len(uids), BATCH):
        part = uids[start:start + BATCH]
        if IMovable.providedBy(mailbox) and direct(source, target):
            movable: IMovable = mailbox
            await settled(movable.move(part, target.id))
        else:
            copied, _ = await copy_from(context, origin, part, place)
            await settled(mailbox.expunge(copied, False))
        context.progress(start + len(part), len(uids))
        await context.breathe()
