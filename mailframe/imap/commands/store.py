"""STORE and UID STORE (RFC 3501 sections 6.4.6 and 6.4.8)."""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from mailframe.interfaces.maybe import settled
from mailframe.model.flags import FlagChange, flag_mask, system_bit
from mailframe.model.mailbox import FlagsStored, Rows
from mailframe.pacing.breath import Breath

from .. import conditional, limits, numset
from ..cursor import Cursor
from ..expunged import expunge_issued
from ..fetching import select
from ..items.columns import Flags, Uid
from ..items.item import Column, Scene, joined
from ..items.modseq import Modseq
from ..newcomers import heard_of
from ..numset import MessageSet
from ..permission import not_settable, rights_in, settable
from ..registry import Bad, Command, Completion, Context, Effect, Extension, Selected, State
from ..selecting import know_keywords
from ..view import View
from ..writable import writable

PAGE = 5_000            # messages changed in one durable step: a few milliseconds of the writer's time

_SHORT = 100            # octets behind the message set of a command that is remembered: all that clients send but in jest

_WHAT = re.compile(rb"([+-]?)FLAGS(\.SILENT)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class What:
    """What is to be done to messages. `sign` is b"+", b"-", or b"" for replacing."""

    sign: bytes
    silent: bool
    flags: tuple[bytes, ...]
    unchanged_since: int | None = None      # RFC 7162 section 3.1.3
    change: FlagChange | None = None        # to the masks, where `flags` are system flags that there are


class StoreRequest(NamedTuple):
    messages: MessageSet
    what: What


def parse(args: Cursor) -> StoreRequest:
    """``sequence-set SP ["(UNCHANGEDSINCE" SP mod-sequence-value ")" SP]``, then
    ``["+" / "-"] "FLAGS" [".SILENT"] SP (flag-list / (flag *(SP flag)))``."""
    args.space()
    messages = args.message_set()
    args.space()
    rest = args.data[args.position:]
    return StoreRequest(messages, _known(rest) if len(rest) <= _SHORT else _parsed(rest))


def _parsed(rest: bytes) -> What:
    """What follows the message set."""
    args = Cursor(rest)
    unchanged_since = None
    if args.peek() == b"(":
        unchanged_since = conditional.modifier(args, b"UNCHANGEDSINCE")
        args.space()
    what = args.match(_WHAT, "FLAGS")
    args.space()
    if args.peek() == b"(":
        flags = args.flag_list()
    else:
        flags = [args.flag()]
        while args.take(b" "):
            flags.append(args.flag())
    args.end()
    change = _signed(what[1], flag_mask(flags, ())) if all(map(system_bit, flags)) else None
    return What(what[1], what[2] is not None, tuple(flags), unchanged_since, change)


_known = lru_cache(500)(_parsed)        # clients say the same few things again and again


async def run(context: Context, request: StoreRequest) -> Completion | None:
    selected = writable(context)
    what = request.what
    silent = not await heard_of(context, request.messages) and what.silent      # what was just told is not what it is now
    change = await _change(context, what)
    uids = context.view.uids_in(limits.last_of(context, context.view.spans(request.messages)))
    breath = Breath(context.clock.seconds, context.breathe)
    missing, refused = 0, array("I")
    if what.unchanged_since is not None:
        conditional.turn_on(context)
    starts = range(0, len(uids), PAGE)
    for done, start in enumerate(reversed(starts) if context.limited else starts):
        page = uids[start:start + PAGE]
        if done:
            context.progress(done * PAGE, len(uids))
        outcome: FlagsStored = await settled(selected.mailbox.set_flags(page, change, what.unchanged_since))
        stored = outcome.rows
        missing += len(page) - len(stored) - len(outcome.refused)
        refused += outcome.refused
        await know_keywords(selected, context.out, stored.flags)
        _answer(context, selected, stored, change if silent else None)
        if done + 1 < len(starts):          # after the last the session sees to it that others have their turn
            await breath.take()
        if context.out.full:
            await context.drained()
    if refused:
        await context.sync(False)           # who is refused is told how things stand
        numbers = refused if context.by_uid else array("I", filter(None, context.view.numbers(refused)))
        return Completion(b"Some had changed", b"MODIFIED " + numset.render_numbers(numbers))
    return expunge_issued(missing, request.messages.by_uid)


async def _change(context: Context, what: What) -> FlagChange:
    """What is done to the masks; keywords that are new here are made, unless it is to take them away."""
    words = []
    flags = what.flags
    rights = await rights_in(context.selected.mailbox)
    if rights is not None:
        flags = settable(rights, what.flags)
        if what.flags and not flags:
            raise not_settable(rights, what.flags)          # of some that may be changed, these are (RFC 4314 section 4)
    elif what.change is not None:
        return what.change
    for name in flags:
        if not name.startswith(b"\\"):
            words.append(name.decode("ascii"))
        elif system_bit(name) is None:
            raise Bad("No such system flag, or not one that can be stored")
    if not words:
        return _signed(what.sign, flag_mask(flags, ()))
    if what.sign == b"-":
        known = {word.lower() for word in await context.refresh_keywords()}
        mask = flag_mask(
            (name for name in flags if system_bit(name) or name.decode("ascii").lower() in known),
            context.selected.keywords,
        )
        return _signed(what.sign, mask)
    return _signed(what.sign, flag_mask(flags, await context.refresh_keywords(words)))


def _signed(sign: bytes, mask: int) -> FlagChange:
    if sign == b"-":
        return FlagChange.remove(mask)
    return FlagChange.add(mask) if sign else FlagChange.replace(mask)


def _answer(context: Context, selected: Selected, stored: Rows, silent: FlagChange | None) -> None:
    """Tell the flags as they are now; of a .SILENT store only those which are not what the client must expect, because
    another session changed them meanwhile (RFC 3501 section 6.4.6)."""
    view = selected.view
    conditionally = conditional.is_on(context)
    surprising = _surprising(view, stored, silent)
    view.told(stored)
    if not conditionally and not any(surprising):
        return
    scene = Scene.of(selected.keywords, view.recent_ranges)
    names_uid = (context.by_uid or conditionally) and not view.uid_only        # RFC 7162 section 3.2.4
    columns: list[Column] = [Uid()] if names_uid else []
    modseq: list[Column] = [Modseq()] if conditionally else []      # also of a .SILENT store (RFC 7162 section 3.1.3)
    _write(context, [*columns, Flags(), *modseq], stored, surprising, scene)
    if modseq:
        _write(context, [*columns, *modseq], stored, bytes(not each for each in surprising), scene)


def _surprising(view: View, stored: Rows, silent: FlagChange | None) -> bytes:
    """1 for each of `stored` whose flags are not what the client must expect."""
    if silent is None:
        return b"\1" * len(stored)
    numbers = view.numbers(stored.uids) if len(stored) != 1 else (view.number(stored.uids[0]),)
    return bytes([number > 0 and silent.apply(view.flags[number - 1]) != flags for number, flags in zip(numbers, stored.flags)])


def _write(context: Context, columns: Sequence[Column], stored: Rows, wanted: bytes, scene: Scene) -> None:
    """FETCH responses with `columns` of those among `stored` where `wanted` is not 0."""
    if any(wanted):
        rows = select(stored, wanted)
        context.out.write(joined(columns, rows, context.view.heads_of(rows.uids), scene, bool(context.limited)))


EXTENSION = Extension(
    capability=None, rfc="3501",
    commands=(
        Command(b"STORE", State.SELECTED, parse, run, Effect.READS_SEQ),
        Command(b"UID STORE", State.SELECTED, parse, run, Effect.MAY_EXPUNGE),
    ),
)
