"""CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 3501 section 6.3.3 to 6.3.7)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from mailframe.interfaces.finding import found
from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IObjectIds
from mailframe.model.mailbox import INBOX, SEPARATOR, MailboxInfo, MailboxList, NewMailbox
from mailframe.model.refusal import Forbidden, MailboxExists, NoSuchMailbox

from .. import names
from ..annotations import take_along
from ..cursor import BadSyntax, Cursor
from ..extensions.imap4rev2 import list_line
from ..extensions.objectid import mailbox_id
from ..extensions.special_use import one_use
from ..moving import move_all
from ..permission import is_others, known, need
from ..registry import Command, Completion, Context, Done, Effect, Extension, State
from .select import parse_mailbox


@dataclass(frozen=True, slots=True)
class CreateRequest:
    name: str
    uses: tuple[bytes, ...] = ()


def parse_create(args: Cursor) -> CreateRequest:
    """``CREATE mailbox``, and ``SP "(USE (" [use-attr *(SP use-attr)] "))"`` (RFC 6154 section 6)."""
    args.space()
    name = args.mailbox()
    uses: list[bytes] = []
    if args.take(b" "):
        args.expect(b"(")
        if args.keyword() != b"USE":
            raise BadSyntax("Unknown CREATE parameter")
        args.space()
        uses = args.flag_list()
        args.expect(b")")
    args.end()
    return CreateRequest(name, tuple(uses))


async def create(context: Context, request: CreateRequest) -> Completion | None:
    """With its missing parents; a trailing separator only says that children will come (RFC 3501 section 6.3.3)."""
    name = request.name.removesuffix(SEPARATOR)
    check(context, name)
    use = one_use(list(request.uses))
    if await known(context.account, name) is not None:
        raise MailboxExists
    await make_parents(context, name)
    info: MailboxInfo = await settled(context.account.create(NewMailbox(name, use)))
    _did(context, Done(created=info))
    return Completion(b"CREATE completed", mailbox_id(info.id)) if context.provides(IObjectIds) else None


async def delete(context: Context, name: str) -> None:
    """Its children stay; the name is then \\Noselect, implied by them."""
    if name == INBOX:
        raise Forbidden("INBOX cannot be deleted")
    info = await known(context.account, name, "x")
    if info is None:
        if names.below(name, await listed(context)):
            raise Forbidden("It has sub-mailboxes and holds no messages of its own", imap_code=b"HASCHILDREN")
        raise NoSuchMailbox
    need(info, "x")
    selected = context.selected_or_none
    if selected is not None and selected.info.id == info.id:
        context.unselect()
        context.out.untagged(b"OK [CLOSED] The selected mailbox is being deleted")
    await settled(context.account.delete(info.id))
    _did(context, Done(deleted=frozenset((info.id,))))


@dataclass(frozen=True, slots=True)
class RenameRequest:
    old: str
    new: str


def parse_rename(args: Cursor) -> RenameRequest:
    args.space()
    old = args.mailbox()
    args.space()
    new = args.mailbox()
    args.end()
    return RenameRequest(old, new)


async def rename(context: Context, request: RenameRequest) -> None:
    """Sub-mailboxes go along. INBOX gives its messages away and stays (RFC 3501 section 6.3.5)."""
    old, new = request.old, request.new.removesuffix(SEPARATOR)
    check(context, new)
    every = await listed(context)
    by_name = {info.name: info for info in every}
    if old not in by_name and (hidden := await known(context.account, old, "x")) is not None:
        by_name[old] = hidden               # the right "x" is enough, also without "l"
    if new in by_name:
        raise MailboxExists
    if old == INBOX:
        if is_others(context.account, new):
            raise Forbidden("A mailbox stays with its owner")
        await make_parents(context, new)
        made = await settled(context.account.create(NewMailbox(new)))
        _did(context, Done(created=made))
        await take_along(context, by_name[INBOX], made)
        await move_all(context, by_name[INBOX], made)
        return
    moving = names.below(old, every) + ([by_name[old]] if old in by_name else [])
    moves = [(need(info, "x").id, new + info.name[len(old):]) for info in moving]
    if not moves:
        raise NoSuchMailbox
    _check_moves(context, old, moves, by_name)
    await make_parents(context, new)
    await settled(context.account.rename(moves))
    _did(context, Done(renamed=dict(moves)))
    if context.rev2:
        await list_line(context, new, old)          # RFC 9051 section 6.3.6


def _check_moves(context: Context, old: str, moves: list[tuple[str, str]], by_name: dict[str, MailboxInfo]) -> None:
    if all(target.startswith(old + SEPARATOR) for _, target in moves):
        raise Forbidden("A mailbox cannot become its own sub-mailbox")
    for _, target in moves:
        check(context, target)
        if target in by_name:
            raise MailboxExists


async def subscribe(context: Context, name: str) -> None:
    """Of a name that exists, also one that is only implied: a typing error is better told."""
    if await known(context.account, name) is None and not names.below(name, await listed(context)):
        raise NoSuchMailbox
    await settled(context.account.set_subscribed(name, True))
    _did(context, Done(subscribed=frozenset((name,))))


async def unsubscribe(context: Context, name: str) -> None:
    await settled(context.account.set_subscribed(name, False))
    _did(context, Done(unsubscribed=frozenset((name,))))


def _did(context: Context, done: Done) -> None:
    if context.watcher is not None:
        context.watcher.did(done)


async def listed(context: Context) -> tuple[MailboxInfo, ...]:
    known: MailboxList = await settled(context.account.mailboxes())
    return known.mailboxes


def check(context: Context, name: str) -> None:
    names.check_name(name, context.settings.max_mailbox_name_octets, context.settings.max_mailbox_depth)


async def make_parents(context: Context, name: str) -> None:
    """Not in others' accounts, which make them with what is below them, if that may be made."""
    if is_others(context.account, name):
        return
    for parent in names.parents(name):
        if await found(context.account, parent) is None:
            with suppress(MailboxExists):       # another session was faster
                await settled(context.account.create(NewMailbox(parent)))


EXTENSION = Extension(
    capability=None, rfc="3501, 6154",
    commands=(
        Command(b"CREATE", State.LOGGED_IN, parse_create, create),
        Command(b"DELETE", State.LOGGED_IN, parse_mailbox, delete),
        Command(b"RENAME", State.LOGGED_IN, parse_rename, rename, Effect.CHANGES | Effect.MAY_EXPUNGE),
        Command(b"SUBSCRIBE", State.LOGGED_IN, parse_mailbox, subscribe),
        Command(b"UNSUBSCRIBE", State.LOGGED_IN, parse_mailbox, unsubscribe),
    ),
)
