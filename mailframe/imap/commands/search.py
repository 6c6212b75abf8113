"""SEARCH and UID SEARCH (RFC 3501 section 6.4.4), with ESEARCH (RFC 4731) and SEARCHRES (RFC 5182)."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from mailframe.model.refusal import Refusal

from .. import limits, numset
from ..conditional import turn_on
from ..cursor import BadSyntax, Cursor
from ..registry import Command, Completion, Context, Effect, Extension, State
from ..search import returning
from ..search.criteria import EVERYTHING, Criteria, Outcome, matching, read_criteria
from ..search.returning import Options
from ..search.searching import narrowed
from ..search.searchkeys import SEARCH_KEYS


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """`rest` is read by `run`, which knows the session's registry and so all options and keys."""

    rest: Cursor


def parse(args: Cursor) -> SearchRequest:
    """``"SEARCH" [SP "RETURN" SP "(" ... ")"] [SP "CHARSET" SP astring] 1*(SP search-key)``."""
    args.space()
    return SearchRequest(args)


def read_returns(context: Context, args: Cursor) -> Options | None:
    """``["RETURN" SP "(" ... ")" SP]``; None without it."""
    if args.peek(7).upper() != b"RETURN ":
        return None
    args.position += 7
    options = returning.read(args, context.registry.search_returns)
    args.space()
    return options


def read_charset(context: Context, args: Cursor) -> bytes:
    if args.peek(8).upper() != b"CHARSET ":
        return b"UTF-8"
    if b"UTF8=ACCEPT" in context.enabled:
        raise BadSyntax("No CHARSET after ENABLE UTF8=ACCEPT")      # RFC 9755 section 3
    args.position += 8
    charset = args.astring().upper()
    args.space()
    return charset


async def run(context: Context, request: SearchRequest) -> Completion | None:
    asked = read_returns(context, request.rest)
    if asked is None and context.rev2:
        asked = {b"ALL": None}
    charset = read_charset(context, request.rest)
    outcome = await find_saving(context, charset, request.rest, asked)
    found = outcome.found
    by_modseq = b""
    if outcome.criteria.conditional and found:
        by_modseq = b"MODSEQ %d" % context.view.highest_modseq(_returned(context, found, asked))
    if asked is None:
        numbers = found if context.by_uid else filter(None, context.view.numbers(found))
        told = [b"SEARCH", *map(b"%d".__mod__, numbers)]
        context.out.untagged(b" ".join([*told, b"(" + by_modseq + b")"] if by_modseq else told))
        return None
    await begin(context, asked, outcome)
    if returning.says(asked, context.registry.search_returns):
        shown = found if context.by_uid else array("I", filter(None, context.view.numbers(found)))
        tell(context, shown, asked, by_modseq, outcome.relevancies_of(found) if b"RELEVANCY" in asked else ())
    return None


async def begin(context: Context, asked: Options, outcome: Outcome) -> None:
    """What RETURN options do besides telling."""
    for word in asked:
        option = context.registry.search_returns[word]
        if option.begin is not None:
            await option.begin(context, outcome)


async def find_saving(context: Context, charset: bytes, keys: Cursor, asked: Options | None, *, whole: bool = False) -> Outcome:
    """`find`, and what RETURN (SAVE) keeps of it; a NO empties the variable (RFC 5182 section 2.1)."""
    saves = asked is not None and b"SAVE" in asked
    try:
        outcome = await find(context, charset, keys, whole=whole)
        if asked is not None:
            check_relevancy(outcome.criteria, asked)
    except Refusal:
        if saves:
            context.view.saved = array("I")
        raise
    if saves:
        save(context, outcome.found, asked or {})
    return outcome


def save(context: Context, found: Sequence[int], asked: Options) -> None:
    """Keep as "$" what RETURN (SAVE) means of the UIDs `found`, which are in the order of the results."""
    context.view.saved = returning.worth_saving(found, asked, context.registry.search_returns)


def check_relevancy(criteria: Criteria, asked: Options) -> None:
    """Raises BadSyntax where results cannot have any (RFC 6203 section 4)."""
    if b"RELEVANCY" in asked and not criteria.fuzzy:
        raise BadSyntax("RELEVANCY is of FUZZY searches")


def tell(context: Context, shown: Sequence[int], asked: Options, by_modseq: bytes = b"", relevancies: Sequence[int] = ()) -> None:
    """The ESEARCH response about results in the client's numbers, in their order."""
    line = returning.response(
        shown, asked, context.registry.search_returns, context.tag, context.by_uid, relevancies=relevancies)
    context.out.untagged(line + b" " + by_modseq if by_modseq else line)


def _returned(context: Context, found: array[int], asked: Options | None) -> array[int]:
    """The messages whose mod-sequences are looked at (RFC 7162 section 3.1.10): with MIN or MAX alone only those."""
    if asked is None or not asked.keys() & {b"MIN", b"MAX"}:
        return found
    return returning.worth_saving(found, asked, context.registry.search_returns)


async def find(context: Context, charset: bytes, keys: Cursor, *, whole: bool = False) -> Outcome:
    """The messages that match, of those that the client knows. `whole`: a part of them, where their number is limited, is of
    no use."""
    criteria = await read_criteria(context, charset, keys)
    if criteria.conditional:
        turn_on(context)
    if context.selected.dirty:
        await context.sync(False)
    view = context.view
    query = criteria.resolved(view)
    spans = numset.spans(narrowed(view.uid_ranges(view.spans(EVERYTHING)), query), view.uids)
    if whole:
        limits.none_too_many(context, spans)
    kept = limits.last_of(context, spans)
    relevancies: dict[int, int] = {}
    found = await matching(context, query, kept, relevancies)
    if view.owes_expunge:
        found = array("I", (uid for uid in found if not view.is_gone(uid)))
    return Outcome(criteria, found, relevancies, part=kept is not spans)


EXTENSION = Extension(
    capability=b"ESEARCH SEARCHRES", rfc="3501, 4731, 5182", announced=State.LOGGED_IN, search_keys=SEARCH_KEYS,
    search_returns=returning.BUILT_IN,
    commands=(
        Command(b"SEARCH", State.SELECTED, parse, run, Effect.READS_SEQ),
        Command(b"UID SEARCH", State.SELECTED, parse, run, Effect.MAY_EXPUNGE | Effect.MAY_READ_SEQ),
    ),
)
