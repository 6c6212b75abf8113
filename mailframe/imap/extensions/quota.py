"""QUOTA (RFC 9208): what the account holds and may hold. There is one quota root, "", for all its mailboxes."""

from __future__ import annotations

from collections.abc import Iterator

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IMailbox, IQuota
from mailframe.model.flags import DELETED
from mailframe.model.mailbox import MAX_UID, Field, MailboxStatus, Quota, Rows
from mailframe.model.refusal import Refusal

from .. import writer
from ..commands.select import parse_mailbox
from ..commands.status import StatusItem
from ..cursor import BadSyntax, Cursor
from ..registry import Command, Context, Extension, State

ROOT = b""
UNIT = 1_024            # octets of one unit of STORAGE (section 5.1)
_BATCH = 10_000


class NoSuchRoot(Refusal):
    public, imap_code = "No such quota root", b"NONEXISTENT"


def parse_root(args: Cursor) -> bytes:
    """``SP quota-root-name``"""
    args.space()
    root = args.astring()
    args.end()
    return root


async def get_quota(context: Context, root: bytes) -> None:
    if root != ROOT:
        raise NoSuchRoot
    context.out.untagged(await _told(context))


async def get_quota_root(context: Context, name: str) -> None:
    """Of a mailbox that is there; all have the same root."""
    info = await context.find(name)
    context.out.untagged(b'QUOTAROOT %b ""' % writer.mailbox(info.name, context.utf8))
    context.out.untagged(await _told(context))


async def _told(context: Context) -> bytes:
    if not IQuota.providedBy(context.account):
        raise BadSyntax("Quotas are not kept here")
    account: IQuota = context.account
    quota: Quota = await settled(account.quota())
    return b'QUOTA "" ' + writer.parenthesized(_resources(quota))


def _resources(quota: Quota) -> Iterator[bytes]:
    """Those that are limited (section 4.2.1)."""
    if quota.max_octets is not None:
        yield b"STORAGE %d %d" % (-(-quota.octets // UNIT), quota.max_octets // UNIT)
    if quota.max_messages is not None:
        yield b"MESSAGE %d %d" % (quota.messages, quota.max_messages)


async def _deleted_storage(context: Context, mailbox: IMailbox, status: MailboxStatus) -> bytes:
    """Octets of the messages that EXPUNGE would remove (section 4.1.4)."""
    total, first = 0, 1
    while status.deleted:
        rows: Rows = await settled(mailbox.rows([(first, MAX_UID)], _BATCH, Field.SIZE | Field.FLAGS))
        total += sum(size for size, flags in zip(rows.sizes, rows.flags) if flags & DELETED)
        if len(rows) < _BATCH or rows.uids[-1] == MAX_UID:
            break
        first = rows.uids[-1] + 1
        await context.breathe()
    return b"%d" % total


EXTENSION = Extension(
    capability=b"QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE", rfc="9208", needs=(IQuota,), announced=State.LOGGED_IN,
    commands=(
        Command(b"GETQUOTA", State.LOGGED_IN, parse_root, get_quota),
        Command(b"GETQUOTAROOT", State.LOGGED_IN, parse_mailbox, get_quota_root),
    ),
    status_items=(StatusItem(b"DELETED-STORAGE", _deleted_storage),),
)
