"""STATUS (RFC 3501 section 6.3.10) with an open table of items; DELETED is RFC 9051's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IMailbox, IRecent
from mailframe.model.mailbox import MAX_UID, Field, MailboxInfo, MailboxStatus, Rows

from .. import writer
from ..cursor import BadSyntax, Cursor
from ..registry import Command, Context, Extension, Named, State

_BATCH = 10_000     # messages counted at once


@dataclass(frozen=True, slots=True)
class StatusItem:
    """One word of STATUS; `value` gives its number (or other octets) from the status just taken, or asks the mailbox."""

    name: bytes
    value: Callable[[Context, IMailbox, MailboxStatus], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class StatusRequest:
    name: str
    items: tuple[bytes, ...]


def parse(args: Cursor) -> StatusRequest:
    """``"STATUS" SP mailbox SP "(" status-att *(SP status-att) ")"``"""
    args.space()
    name = args.mailbox()
    args.space()
    items = args.list_of(args.keyword)
    args.end()
    return StatusRequest(name, tuple(items))


async def run(context: Context, request: StatusRequest) -> None:
    items = known_items(context, request.items)
    info = await context.find(request.name)
    context.out.untagged(await status_line(context, info, items))


def known_items(context: Context, words: Sequence[bytes]) -> list[StatusItem]:
    """The items of that name, without doubles; raises BadSyntax for an unknown one."""
    found: dict[bytes, StatusItem] = {}
    usable = context.registry.usable(context.registry.status_items, context) if words else {}
    for word in words:
        item = usable.get(word)
        if not isinstance(item, StatusItem):
            raise BadSyntax("Unknown STATUS item")
        found[word] = item
    return list(found.values())


async def status_line(context: Context, info: MailboxInfo, items: Sequence[StatusItem]) -> bytes:
    """``STATUS mailbox (...)``. Raises NoSuchMailbox when it has gone meanwhile."""
    mailbox = await context.open(info)
    status: MailboxStatus = await settled(mailbox.status())
    selected = context.selected_or_none
    if selected is not None and selected.info.id == info.id:
        selected.dirty = True       # what is counted here is told with the same answer: no promise runs ahead (I6)
    elif context.watcher is not None:
        context.watcher.counted(info.id, status)
    parts = [item.name + b" " + await item.value(context, mailbox, status) for item in items]
    return b"STATUS %b (%b)" % (writer.mailbox(info.name, context.utf8), b" ".join(parts))


async def _messages(_: Context, _m: IMailbox, status: MailboxStatus) -> bytes:
    return b"%d" % status.messages


async def _uidnext(_: Context, _m: IMailbox, status: MailboxStatus) -> bytes:
    return b"%d" % status.uidnext


async def _uidvalidity(_: Context, _m: IMailbox, status: MailboxStatus) -> bytes:
    return b"%d" % status.uidvalidity


async def _unseen(_: Context, _m: IMailbox, status: MailboxStatus) -> bytes:
    return b"%d" % status.unseen


async def _deleted(_: Context, _m: IMailbox, status: MailboxStatus) -> bytes:
    return b"%d" % status.deleted


async def _recent(context: Context, mailbox: IMailbox, _: MailboxStatus) -> bytes:
    """Those that nobody was told of, and those that were this session's when it selected the mailbox; asking claims none."""
    selected = context.selected_or_none
    count = selected.view.recent if selected is not None and selected.info.id == mailbox.id else 0
    if not IRecent.providedBy(mailbox):
        return b"%d" % count
    recent: IRecent = mailbox
    first: int = await settled(recent.recent_from())
    while first <= MAX_UID:
        rows: Rows = await settled(mailbox.rows([(first, MAX_UID)], _BATCH, Field.NONE))
        count += len(rows)
        if len(rows) < _BATCH:
            break
        first = rows.uids[-1] + 1
        await context.breathe()
    return b"%d" % count


ITEMS: tuple[Named, ...] = (
    StatusItem(b"MESSAGES", _messages), StatusItem(b"RECENT", _recent), StatusItem(b"UIDNEXT", _uidnext),
    StatusItem(b"UIDVALIDITY", _uidvalidity), StatusItem(b"UNSEEN", _unseen), StatusItem(b"DELETED", _deleted),
)

EXTENSION = Extension(
    capability=None, rfc="3501", status_items=ITEMS,
    commands=(Command(b"STATUS", State.LOGGED_IN, parse, run),),
)
