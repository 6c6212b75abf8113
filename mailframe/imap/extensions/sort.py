"""SORT and UID SORT (RFC 5256), also by the names that are shown (RFC 5957), with RETURN (ESORT, RFC 5267)."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mailframe.interfaces.store import IMailbox
from mailframe.model.mailbox import Field, uid_ranges
from mailframe.model.refusal import NoSuchMessage
from mailframe.pacing.breath import Breath

from ..commands.search import begin, find_saving, read_returns, save, tell
from ..cursor import BadSyntax, Cursor
from ..headings import HEADER_KEYS, SORT_KEYS, Descending, Value, first_fields, ordered
from ..items.message import Message
from ..paging import Pager
from ..progress import Passed, untold
from ..registry import Command, Completion, Context, Effect, Extension, State
from ..search import returning

RELEVANCY = b"RELEVANCY"        # only with FUZZY search keys (RFC 6203 section 6)
PAGE = 500          # messages whose dates and sizes are asked for at once
MAX_KEYS = 20       # of one command; there are nine different ones


@dataclass(frozen=True, slots=True)
class SortRequest:
    """`rest` is read by `run`, which knows the session's registry and so all options and keys."""

    rest: Cursor


def parse(args: Cursor) -> SortRequest:
    """``"SORT" [SP "RETURN" SP "(" ... ")"] SP "(" sort-key *(SP sort-key) ")" SP charset SP search-key *(SP search-key)``."""
    args.space()
    return SortRequest(args)


def _criteria(args: Cursor) -> tuple[list[tuple[bytes, bool]], bytes]:
    """((name, whether reversed) of each sort key, charset)."""
    keys = args.list_of(lambda: _key(args))
    if len(keys) > MAX_KEYS:
        raise BadSyntax("Too many sort keys")
    args.space()
    charset = args.astring().upper()
    args.space()
    return keys, charset


def _key(args: Cursor) -> tuple[bytes, bool]:
    word = args.keyword()
    reverse = word == b"REVERSE"
    if reverse:
        args.space()
        word = args.keyword()
    if word not in SORT_KEYS and word != RELEVANCY:
        raise BadSyntax("Unknown sort key")
    return word, reverse


async def run(context: Context, request: SortRequest) -> Completion | None:
    asked = read_returns(context, request.rest)
    keys, charset = _criteria(request.rest)
    outcome = await find_saving(context, charset, request.rest, asked, whole=True)
    found = outcome.found
    if any(name == RELEVANCY for name, _ in keys) and not outcome.criteria.fuzzy:
        raise BadSyntax("RELEVANCY is of FUZZY searches")
    breath = Breath(context.clock.seconds, context.breathe)
    table = await read_table(
        context.selected.mailbox, found, {name for name, _ in keys}, breath, lambda done: context.progress(done, len(found)))
    if RELEVANCY in table.columns:          # the best first
        table.columns[RELEVANCY] = [-relevancy for relevancy in outcome.relevancies_of(table.uids)]
    places = await ordered([(table.columns[name], reverse) for name, reverse in keys], len(table.uids), breath)
    uids = array("I", map(table.uids.__getitem__, places))
    numbers = list(uids if context.by_uid else filter(None, map(context.view.number, uids)))
    if asked is None:
        context.out.untagged(b" ".join([b"SORT", *map(b"%d".__mod__, numbers)]))
        return None
    if b"SAVE" in asked:                    # again: the order says which are the first and the last
        save(context, uids, asked)
    await begin(context, asked, replace(outcome, keys=tuple(keys), ordered=uids))
    if returning.says(asked, context.registry.search_returns):
        by_modseq = b"MODSEQ %d" % context.view.highest_modseq(found) if outcome.criteria.conditional and found else b""
        tell(context, numbers, asked, by_modseq, outcome.relevancies_of(uids) if RELEVANCY in asked else ())
    return None


@dataclass(frozen=True, slots=True)
class Table:
    """Messages and, by key, what they are sorted by. Columns, for the garbage collector stops for objects, not for these."""

    uids: array[int]
    columns: dict[bytes, list[Value]]


async def read_table(
    mailbox: IMailbox, uids: Sequence[int], names: Iterable[bytes], breath: Breath, passed: Passed = untold,
) -> Table:
    """Of these messages, without those that are gone; headers are read only if one of the keys is in them."""
    table = Table(array("I"), {name: [] for name in names})
    from_header = [(table.columns[name], HEADER_KEYS[name]) for name in table.columns if name in HEADER_KEYS]
    pager = Pager(mailbox, uid_ranges(uids), PAGE, Field.DATE | Field.SIZE)
    while (rows := await pager.next()) is not None:
        if table.uids:
            passed(len(table.uids))
        for uid, date, size in zip(rows.uids, rows.dates, rows.sizes):
            try:
                header = first_fields(await Message(mailbox, uid, breath).header()) if from_header else {}
            except NoSuchMessage:
                continue
            table.uids.append(uid)
            for column, read in from_header:
                column.append(read(header, date))
            for name, value in ((b"ARRIVAL", date), (b"SIZE", size)):
                if name in table.columns:
                    table.columns[name].append(value)
            await breath.take()
    return table


async def keys_of(
    mailbox: IMailbox, uids: Sequence[int], keys: Sequence[tuple[bytes, bool]], breath: Breath,
) -> dict[int, tuple[Any, ...]]:
    """What these messages (ascending) are sorted by, of those that still exist; values that compare, ties by UID."""
    table = await read_table(mailbox, uids, {name for name, _ in keys}, breath)
    columns = [map(Descending, table.columns[name]) if reverse else table.columns[name] for name, reverse in keys]
    return dict(zip(table.uids, zip(*columns, table.uids)))


EXTENSION = Extension(
    capability=b"SORT SORT=DISPLAY ESORT", rfc="5256, 5957, 5267", announced=State.LOGGED_IN,
    commands=(
        Command(b"SORT", State.SELECTED, parse, run, Effect.READS_SEQ),
        Command(b"UID SORT", State.SELECTED, parse, run, Effect.MAY_EXPUNGE | Effect.MAY_READ_SEQ),
    ),
)
