"""SORT and UID SORT (RFC 5256), also by the names that are shown (RFC 5957)."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mailframe.interfaces.store import IMailbox
from mailframe.model.mailbox import Field, uid_ranges
from mailframe.model.refusal import NoSuchMessage
from mailframe.pacing.breath import Breath

from ..commands.search import find
from ..cursor import BadSyntax, Cursor
from ..headings import HEADER_KEYS, SORT_KEYS, Value, first_fields, ordered
from ..items.message import Message
from ..paging import Pager
from ..registry import Command, Completion, Context, Effect, Extension, State

PAGE = 500          # messages whose dates and sizes are asked for at once
MAX_KEYS = 20       # of one command; there are nine different ones


@dataclass(frozen=True, slots=True)
class SortRequest:
    """`keys`: (name, whether reversed). The search keys are read by `run`, as SEARCH does."""

    keys: tuple[tuple[bytes, bool], ...]
    charset: bytes
    rest: Cursor


def parse(args: Cursor) -> SortRequest:
    """``"SORT" SP "(" sort-key *(SP sort-key) ")" SP charset SP search-key *(SP search-key)``."""
    args.space()
    keys = args.list_of(lambda: _key(args))
    if len(keys) > MAX_KEYS:
        raise BadSyntax("Too many sort keys")
    args.space()
    charset = args.astring().upper()
    args.space()
    return SortRequest(tuple(keys), charset, args)


def _key(args: Cursor) -> tuple[bytes, bool]:
    word = args.keyword()
    reverse = word == b"REVERSE"
    if reverse:
        args.space()
        word = args.keyword()
    if word not in SORT_KEYS:
        raise BadSyntax("Unknown sort key")
    return word, reverse


async def run(context: Context, request: SortRequest) -> Completion | None:
    found, _ = await find(context, request.charset, request.rest)
    breath = Breath(context.clock.seconds, context.breathe)
    table = await read_table(context.selected.mailbox, found, {name for name, _ in request.keys}, breath)
    places = await ordered([(table.columns[name], reverse) for name, reverse in request.keys], len(table.uids), breath)
    uids = map(table.uids.__getitem__, places)
    numbers = uids if context.by_uid else filter(None, map(context.view.number, uids))
    context.out.untagged(b" ".join([b"SORT", *map(b"%d".__mod__, numbers)]))
    return None


@dataclass(frozen=True, slots=True)
class Table:
    """Messages and, by key, what they are sorted by. Columns, for the garbage collector stops for objects, not for these."""

    uids: array[int]
    columns: dict[bytes, list[Value]]


async def read_table(mailbox: IMailbox, uids: Sequence[int], names: Iterable[bytes], breath: Breath) -> Table:
    """Of these messages, without those that are gone; headers are read only if one of the keys is in them."""
    table = Table(array("I"), {name: [] for name in names})
    from_header = [(table.columns[name], HEADER_KEYS[name]) for name in table.columns if name in HEADER_KEYS]
    pager = Pager(mailbox, uid_ranges(uids), PAGE, Field.DATE | Field.SIZE)
    while (rows := await pager.next()) is not None:
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


EXTENSION = Extension(
    capability=b"SORT SORT=DISPLAY", rfc="5256, 5957", announced=State.LOGGED_IN,
    commands=(
        Command(b"SORT", State.SELECTED, parse, run, Effect.READS_SEQ),
        Command(b"UID SORT", State.SELECTED, parse, run, Effect.MAY_EXPUNGE),
    ),
)
