"""STATUS=SIZE (RFC 8438): the octets of a mailbox in STATUS; a store that does not count them is counted for."""

from __future__ import annotations

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IMailbox
from mailframe.model.mailbox import MAX_UID, Field, MailboxStatus, Rows

from ..commands.status import StatusItem
from ..registry import Context, Extension, State

_BATCH = 10_000


async def _size(context: Context, mailbox: IMailbox, status: MailboxStatus) -> bytes:
    if status.size or not status.messages:
        return b"%d" % status.size
    total, first = 0, 1
    while True:
        rows: Rows = await settled(mailbox.rows([(first, MAX_UID)], _BATCH, Field.SIZE))
        total += sum(rows.sizes)
        if len(rows) < _BATCH or rows.uids[-1] == MAX_UID:
            return b"%d" % total
        first = rows.uids[-1] + 1
        await context.breathe()


EXTENSION = Extension(
    capability=b"STATUS=SIZE", rfc="8438", announced=State.LOGGED_IN, status_items=(StatusItem(b"SIZE", _size),),
)
