"""NOTIFY (RFC 5465): a client says of which mailboxes it wants to hear what, and hears of it without asking.

What happens to messages elsewhere is told by STATUS, to names and subscriptions by LIST, in the selected mailbox as IDLE tells
it; in no case while a command comes in or runs. See docs/decisions/notify.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mailframe.model.refusal import Refusal

from .. import conditional
from ..commands.fetch import MAX_ITEMS, read_items
from ..cursor import BadSyntax, Cursor
from ..fetchplan import Plan
from ..items.item import Column, Section
from ..news.watching import Watch
from ..news.wishes import BUILT_IN, FLAG_CHANGE, MESSAGE_EXPUNGE, MESSAGE_NEW, NOTHING, Event, Group, Wishes
from ..permission import foreign
from ..registry import Command, Completion, Context, Effect, Extension, Named, State, Wish
from ..search.scopes import read_scope

MAX_GROUPS = 100                # of one command; programs send three or so
_SELECTED = (b"SELECTED", b"SELECTED-DELAYED")
_SCOPES = (b"PERSONAL", b"INBOXES", b"SUBSCRIBED", *_SELECTED)      # besides those with names
_UNSUPPORTED = b"ANNOTATIONCHANGE"      # of RFC 5257, whose annotations nobody keeps


class BadEvent(Refusal):
    """Names the events that are supported (section 3.1)."""

    public = "Not all of these events are supported"


@dataclass(slots=True)
class Reading:
    """What has been read of a NOTIFY SET so far."""

    known: Mapping[bytes, Named]            # the FETCH items there are
    groups: list[Group] = field(default_factory=list)
    selected: Wish | None = None
    items: list[Column | Section] = field(default_factory=list)
    events: set[bytes] = field(default_factory=set)


def parse(args: Cursor) -> Cursor | None:
    """``notify = "NOTIFY" SP (notify-set / notify-none)`` (section 8). The groups are read by `run`, which knows the items
    and events that there are; None for NOTIFY NONE."""
    args.space()
    word = args.keyword()
    if word == b"SET":
        args.space()
        return args
    if word != b"NONE":
        raise BadSyntax("SET or NONE expected")
    args.end()
    return None


async def run(context: Context, args: Cursor | None) -> Completion:
    """The news so far are told with the answer, as to a NOOP (section 3.1). A NO leaves everything as it was."""
    status, reading = False, Reading({})
    if args is not None:
        reading.known = context.registry.usable(context.registry.items, context)
        status = _read(args, reading)
        _check_events(context, reading.events)
    if Plan.of(reading.items).asks_modseq:
        conditional.turn_on(context)
    before = context.watcher
    if before is not None:
        await before.tell(context, now=True)        # what it had still to say
    wishes = Wishes(tuple(reading.groups), reading.selected or NOTHING, foreign(context.account))
    watch = Watch(context, wishes, reading.items)
    context.listen()
    context.watcher = watch                 # from now on it hears of what happens
    try:
        await watch.begin(context, before if isinstance(before, Watch) else None, tell=status)
    except BaseException:
        watch.stop()
        context.watcher = before
        if isinstance(before, Watch):
            before.look_again()
        raise
    if before is not None:
        before.stop()
    return Completion(b"NOTIFY completed")


def _read(args: Cursor, reading: Reading) -> bool:
    """``["STATUS" SP] event-group *(SP event-group)``; whether STATUS was there."""
    status = args.peek() != b"("
    if status:
        if args.keyword() != b"STATUS":
            raise BadSyntax("STATUS or event group expected")
        args.space()
    _group(args, reading)
    while not args.at_end:
        args.space()
        _group(args, reading)
        if len(reading.groups) > MAX_GROUPS:
            raise BadSyntax("Too many event groups")
    return status


def _group(args: Cursor, reading: Reading) -> None:
    """``"(" filter-mailboxes SP events ")"``"""
    args.expect(b"(")
    scope = read_scope(args, _SCOPES)
    args.space()
    described = len(reading.items)
    events = _events(args, reading)
    args.expect(b")")
    if scope.word not in _SELECTED:
        if len(reading.items) > described:
            raise BadSyntax("FETCH items are for the selected mailbox")
        reading.groups.append(Group(scope, events))
        return
    if reading.selected is not None:
        raise BadSyntax("The selected mailbox has one group only")         # section 6.1
    if events - {MESSAGE_NEW, MESSAGE_EXPUNGE, FLAG_CHANGE, _UNSUPPORTED}:
        raise BadSyntax("Only message events are for the selected mailbox")
    reading.selected = Wish(True, FLAG_CHANGE in events, True, scope.word == b"SELECTED") if events else NOTHING


def _events(args: Cursor, reading: Reading) -> frozenset[bytes]:
    """``("(" event *(SP event) ")") / "NONE"``; which events go with which is section 5's."""
    if args.peek() != b"(":
        if args.keyword() != b"NONE":
            raise BadSyntax("Events or NONE expected")
        return frozenset()
    events = frozenset(args.list_of(lambda: _event(args, reading)))
    reading.events |= events
    if (MESSAGE_NEW in events) != (MESSAGE_EXPUNGE in events):
        raise BadSyntax("MessageNew and MessageExpunge go together")
    if events & {FLAG_CHANGE, _UNSUPPORTED} and MESSAGE_NEW not in events:
        raise BadSyntax("Changes go with MessageNew and MessageExpunge")
    return events


def _event(args: Cursor, reading: Reading) -> bytes:
    """``"MessageNew" [SP "(" fetch-att *(SP fetch-att) ")"]``, or another event's name."""
    name = args.keyword()
    if name == MESSAGE_NEW and args.peek(2) == b" (":
        args.space()
        reading.items += read_items(args, reading.known)
        if len(reading.items) > MAX_ITEMS:
            raise BadSyntax("Too many items")
    return name


def _check_events(context: Context, events: set[bytes]) -> None:
    usable = context.registry.usable(context.registry.events, context)
    labels = [event.label for event in usable.values() if isinstance(event, Event)]
    if events - usable.keys():
        raise BadEvent(imap_code=b"BADEVENT (%b)" % b" ".join(labels))


EXTENSION = Extension(
    capability=b"NOTIFY", rfc="5465", announced=State.LOGGED_IN, events=BUILT_IN,
    commands=(Command(b"NOTIFY", State.LOGGED_IN, parse, run, Effect.POLLS | Effect.MAY_EXPUNGE | Effect.TELLS_ALL),),
)
