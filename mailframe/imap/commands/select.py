"""SELECT, EXAMINE, CHECK, CLOSE (RFC 3501 sections 6.3.1, 6.3.2, 6.4.1, 6.4.2)."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IModSequenced, IObjectIds
from mailframe.model.flags import SEEN
from mailframe.model.mailbox import MailboxStatus

from .. import conditional, permission
from ..cursor import BadSyntax, Cursor
from ..extensions import qresync
from ..extensions.imap4rev2 import list_line
from ..extensions.objectid import mailbox_id
from ..registry import Command, Completion, Context, Effect, Extension, Selected, State
from ..selecting import flag_lines
from ..view import UidRequired, View
from .anytime import no_arguments, noop

_LOW_OCTET = slice(0 if sys.byteorder == "little" else 7, None, 8)
_UNSEEN_IS_NUL = bytes(octet & SEEN for octet in range(256))


@dataclass(frozen=True, slots=True)
class SelectRequest:
    name: str
    condstore: bool = False
    known: qresync.Resync | None = None


def parse_select(args: Cursor) -> SelectRequest:
    """``mailbox [SP "(" ["CONDSTORE"] ["QRESYNC" SP "(" ... ")"] ")"]`` (RFC 7162 section 7)."""
    args.space()
    name = args.mailbox()
    known: dict[bytes, qresync.Resync | None] = {}

    def parameter() -> None:
        word = args.keyword()
        if word in known:
            raise BadSyntax("A parameter twice")
        if word == conditional.QRESYNC:
            args.space()
            known[word] = qresync.parse(args)
        elif word == conditional.CONDSTORE:
            known[word] = None
        else:
            raise BadSyntax("Unknown parameter")

    conditionally = args.take(b" ")
    if conditionally:
        args.list_of(parameter)
    args.end()
    return SelectRequest(name, conditionally, known.get(conditional.QRESYNC))


def parse_mailbox(args: Cursor) -> str:
    """``SP mailbox``, and no more."""
    args.space()
    name = args.mailbox()
    args.end()
    return name


async def select(context: Context, request: SelectRequest) -> Completion:
    return await _open(context, request, False)


async def examine(context: Context, request: SelectRequest) -> Completion:
    return await _open(context, request, True)


async def _open(context: Context, request: SelectRequest, read_only: bool) -> Completion:
    if request.known is not None and conditional.QRESYNC not in context.enabled:
        raise BadSyntax("ENABLE QRESYNC comes first")
    if request.known is not None and request.known.by_number and context.uid_only:
        raise UidRequired
    bounds = conditional.QRESYNC in context.enabled or context.rev2 or context.watcher is not None
    if context.selected_or_none is not None and bounds:
        context.out.untagged(b"OK [CLOSED] The other mailbox was left")      # RFC 7162 section 3.2.11, RFC 9051 section 7.1
    context.unselect()          # also when what follows fails (RFC 3501 section 6.3.1)
    if request.condstore:
        conditional.turn_on(context)
    status = await context.select(await context.find(request.name), read_only)
    _describe(context, context.selected, status)
    if context.rev2:
        await list_line(context, request.name)
    if request.known is not None:
        await qresync.resync(context, request.known, status)
    if read_only:
        return Completion(b"EXAMINE completed", b"READ-ONLY")
    rights = context.selected.rights
    writes = rights is None or not set(rights).isdisjoint(permission.WRITING)
    return Completion(b"SELECT completed", b"READ-WRITE" if writes else b"READ-ONLY")


def _describe(context: Context, selected: Selected, status: MailboxStatus) -> None:
    """What SELECT must say (RFC 3501 section 6.3.1): of the mailbox as listed, which may be newer than `status`."""
    view, out = selected.view, context.out
    for line in flag_lines(selected):
        out.untagged(line)
    out.untagged(b"%d EXISTS" % len(view))
    if not context.rev2:
        out.untagged(b"%d RECENT" % view.recent)
        unseen = 0 if context.uid_only else first_unseen(view)
        if unseen:
            out.untagged(b"OK [UNSEEN %d] First unseen message" % unseen)
    out.untagged(b"OK [UIDVALIDITY %d] UIDs are valid" % status.uidvalidity)
    next_uid = max(status.uidnext, view.uids[-1] + 1 if len(view) else 1)
    out.untagged(b"OK [UIDNEXT %d] Next UID, or more" % next_uid)
    if IObjectIds.providedBy(selected.mailbox):
        out.untagged(b"OK [%b] Its id" % mailbox_id(selected.info.id))      # RFC 8474 section 4.2
    for line in context.registry.select_lines(context, selected):
        out.untagged(line)
    if IModSequenced.providedBy(selected.mailbox):
        out.untagged(b"OK [HIGHESTMODSEQ %d] Mod-sequences are kept" % max(status.highest_modseq, 1))


def first_unseen(view: View) -> int:
    """The sequence number of the first message without \\Seen; 0 when there is none. At C speed: mailboxes are large."""
    start, size = 0, 256        # mostly it is found soon, and a copy of all flags costs as much as to list them
    while start < len(view):
        found = view.flags[start:start + size].tobytes()[_LOW_OCTET].translate(_UNSEEN_IS_NUL).find(b"\0")
        if found >= 0:
            return start + found + 1
        start, size = start + size, size * 4
    return 0


async def close(context: Context, _: None) -> None:
    """Expunges without a word, unless the mailbox is read-only or the right is missing (RFC 4314 section 4)."""
    selected = context.selected
    if not selected.read_only and await permission.may(selected.mailbox, "e"):
        await settled(selected.mailbox.expunge(None, True))
    context.unselect()


EXTENSION = Extension(
    capability=None, rfc="3501",
    commands=(
        Command(b"SELECT", State.LOGGED_IN, parse_select, select, Effect.NONE),
        Command(b"EXAMINE", State.LOGGED_IN, parse_select, examine, Effect.NONE),
        Command(b"CHECK", State.SELECTED, no_arguments, noop, Effect.POLLS | Effect.MAY_EXPUNGE),
        Command(b"CLOSE", State.SELECTED, no_arguments, close, Effect.NONE),
    ),
)
