"""QUOTA (RFC 9208): what the account holds and may hold. There is one quota root, "", for all its mailboxes.

The root of a mailbox that another account shares is that account's: it has its name.
"""

from __future__ import annotations

from collections.abc import Iterator

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.sharing import IAccountQuotas
from mailframe.interfaces.store import IMailbox, IQuota
from mailframe.model.flags import DELETED
from mailframe.model.mailbox import MAX_UID, Field, MailboxStatus, Quota, Rows
from mailframe.model.refusal import Refusal
from mailframe.model.rights import has

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
    """Others' roots, which are called as their accounts, are for administrators; nobody else learns which there are."""
    if root == ROOT:
        context.out.untagged(quota_line(root, await _own(context)))
        return
    quota = await _of(context, root_name(root)) if is_admin(context) else None
    if quota is None:
        raise NoSuchRoot
    context.out.untagged(quota_line(root, quota))


async def get_quota_root(context: Context, name: str) -> None:
    """Of a mailbox that may be read. What its owner holds concerns those whose messages would be too much for him."""
    info = await context.find(name)
    root = ROOT if info.owner is None else info.owner.encode("utf-8")
    context.out.untagged(b"QUOTAROOT %b %b" % (writer.mailbox(info.name, context.utf8), writer.string(root)))
    if info.owner is None:
        quota: Quota | None = await _own(context)
    else:
        quota = await _of(context, info.owner) if has(info.rights, "i") or is_admin(context) else None
    if quota is not None:
        context.out.untagged(quota_line(root, quota))


def is_admin(context: Context) -> bool:
    """Whether the user may see and set what others may hold."""
    return context.account_name in context.settings.admins


def root_name(root: bytes) -> str:
    """Of an account. Raises BadSyntax for what is no text."""
    try:
        return root.decode("utf-8")
    except UnicodeDecodeError:
        raise BadSyntax("The root's name is not UTF-8") from None


def quotas_of_others(context: Context) -> IAccountQuotas | None:
    """None where the store cannot tell which accounts there are."""
    if not IAccountQuotas.providedBy(context.account):
        return None
    others: IAccountQuotas = context.account
    return others


async def _of(context: Context, account: str) -> Quota | None:
    others = quotas_of_others(context)
    return None if others is None else await settled(others.account_quota(account))


async def _own(context: Context) -> Quota:
    if not IQuota.providedBy(context.account):
        raise BadSyntax("Quotas are not kept here")
    account: IQuota = context.account
    return await settled(account.quota())


def quota_line(root: bytes, quota: Quota) -> bytes:
    """``QUOTA root (...)``"""
    return b"QUOTA %b %b" % (writer.string(root), writer.parenthesized(_resources(quota)))


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
