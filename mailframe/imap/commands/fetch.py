"""FETCH and UID FETCH (RFC 3501 sections 6.4.5 and 6.4.8)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mailframe.interfaces.maybe import settled
from mailframe.model.mailbox import MailboxStatus

from .. import conditional, limits
from ..cursor import BadSyntax, Cursor
from ..expunged import expunge_issued
from ..extensions import qresync
from ..fetching import Fetching
from ..fetchplan import Plan
from ..items.columns import ITEMS as COLUMN_ITEMS
from ..items.columns import Uid
from ..items.item import Column, FetchItem, Section
from ..items.modseq import Modseq
from ..items.sections import ITEMS as SECTION_ITEMS
from ..newcomers import heard_of
from ..numset import MessageSet
from ..registry import Command, Completion, Context, Effect, Extension, Named, State
from ..search.returning import window_of

MAX_ITEMS = 500         # of one command: each may be a pass over the message
MAX_KEPT = 200          # plans, for all sessions of a factory
MAX_KEPT_TEXT = 1_000   # octets: a program's long list of fields is some 500

_ITEM = re.compile(rb"[A-Za-z0-9.]+")
_MACRO = re.compile(rb"(?:FAST|ALL|FULL)(?= |\Z)", re.IGNORECASE)
_MACROS = {
    b"FAST": b"(FLAGS INTERNALDATE RFC822.SIZE)",
    b"ALL": b"(FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)",
    b"FULL": b"(FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY)",
}


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """Which messages; what of them is read by `run`, which knows the session's registry and so all items."""

    messages: MessageSet
    rest: Cursor


def parse(args: Cursor) -> FetchRequest:
    """``fetch = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")")``."""
    args.space()
    messages = args.message_set()
    args.space()
    return FetchRequest(messages, args)


async def run(context: Context, request: FetchRequest) -> Completion | None:
    plan = _plan(context, request.rest)
    if plan.asks_modseq:
        conditional.turn_on(context)
    if context.selected.dirty and (plan.tells_flags or plan.asks_modseq):
        await context.sync(False, flags=not plan.tells_flags)
    elif not await heard_of(context, request.messages) and context.selected.dirty and plan.sets_seen:
        await context.poll()                # another session may have taken away what would not be set again
    limits.check_window(context.settings, plan.partial)
    fetching = Fetching(context, plan)
    spans = context.view.spans(request.messages)
    if plan.changed_since is not None:
        if plan.vanished:
            await _tell_vanished(context, request.messages, plan.changed_since)
        spans = context.view.changed_since(spans, plan.changed_since)
    if plan.partial is not None:
        spans = window_of(spans, plan.partial)
    spans = limits.last_of(context, spans)
    await fetching.run(spans, backwards=bool(context.limited))
    return expunge_issued(fetching.missing, request.messages.by_uid)


async def _tell_vanished(context: Context, messages: MessageSet, since: int) -> None:
    """RFC 7162 section 3.2.6. Who knows the latest mod-sequence knows of everything that is gone: most who ask do."""
    if not messages.by_uid or conditional.QRESYNC not in context.enabled:
        raise BadSyntax("VANISHED is for UID FETCH, after ENABLE QRESYNC")
    status: MailboxStatus = await settled(context.selected.mailbox.status())
    if since >= status.highest_modseq:
        return
    uids = context.view.uids
    below = max(context.selected.uidnext, uids[-1] + 1 if uids else 1)     # "*" may have vanished too
    qresync.tell_vanished(context, messages.numbers.resolve(below - 1), below)


def _plan(context: Context, args: Cursor) -> Plan:
    """`read_plan`, which most programs ask for with the same few texts again and again."""
    modseq = conditional.is_on(context)
    text = args.data[args.position:]
    key = (text, args.by_uid, modseq, context.uid_only)
    plans: dict[tuple[bytes, bool, bool, bool], Plan] = context.caches.setdefault("imap FETCH plans", {})
    plan = plans.get(key)
    if plan is None:
        known = context.registry.usable(context.registry.items, context)
        plan = read_plan(args, known, _with_flags(modseq, context.uid_only), context.uid_only)
        if len(text) <= MAX_KEPT_TEXT:
            if len(plans) >= MAX_KEPT:
                plans.clear()
            plans[key] = plan
    return plan


def _with_flags(modseq: bool, uid_only: bool) -> tuple[Column, ...]:
    """What goes with flags that a FETCH changes (RFC 7162 section 3.2.4)."""
    if not modseq:
        return ()
    return (Modseq(),) if uid_only else (Uid(), Modseq())


def read_plan(
    args: Cursor, known: Mapping[bytes, Named], with_flags: Sequence[Column] = (), uid_only: bool = False,
) -> Plan:
    """The items of a FETCH, to the command's end. A UID FETCH gives the UID whether asked for or not, but where responses
    begin with it; `with_flags` is what the session is told besides wherever flags may change."""
    macro = _MACRO.match(args.data, args.position)
    if macro is not None:
        args.position = macro.end()
        items = read_items(Cursor(_MACROS[macro[0].upper()]), known)
    else:
        items = read_items(args, known)
    only = conditional.FetchModifiers()
    if args.take(b" "):
        only = conditional.fetch_modifiers(args)
    if only.changed_since is not None:
        items.append(Modseq())              # RFC 7162 section 3.1.4.1
    args.end()
    if len(items) > MAX_ITEMS:
        raise BadSyntax("Too many items")
    if args.by_uid and not uid_only:
        items.insert(0, Uid())
    narrowed = (only.changed_since, only.vanished, only.partial)
    plan = Plan.of(items, *narrowed)
    return Plan.of([*items, *with_flags], *narrowed) if plan.sets_seen and with_flags else plan


def read_items(args: Cursor, known: Mapping[bytes, Named]) -> list[Column | Section]:
    """One item, or several in parentheses."""
    return args.list_of(lambda: _item(args, known)) if args.peek() == b"(" else [_item(args, known)]


def _item(args: Cursor, known: Mapping[bytes, Named]) -> Column | Section:
    item = known.get(args.match(_ITEM, "Item").group().upper())
    if not isinstance(item, FetchItem):
        raise BadSyntax("Unknown item")
    return item.parse(args)


EXTENSION = Extension(
    capability=None, rfc="3501",
    items=(*COLUMN_ITEMS, *SECTION_ITEMS),
    commands=(
        Command(b"FETCH", State.SELECTED, parse, run, Effect.READS_SEQ),
        Command(b"UID FETCH", State.SELECTED, parse, run, Effect.MAY_EXPUNGE),
    ),
)
