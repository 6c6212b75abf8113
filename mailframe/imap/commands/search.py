"""SEARCH and UID SEARCH (RFC 3501 section 6.4.4), with ESEARCH (RFC 4731) and SEARCHRES (RFC 5182)."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from mailframe.model.mailbox import UidRanges
from mailframe.model.query import Numbers, leaves, resolve
from mailframe.model.refusal import Refusal
from mailframe.pacing.breath import Breath

from .. import limits, numset, returning
from ..conditional import Since, turn_on
from ..cursor import BadSyntax, Cursor
from ..numset import STAR, MessageSet, NumSet
from ..registry import Command, Completion, Context, Effect, Extension, State
from ..returning import Options
from ..searching import Searching, narrowed
from ..searchkeys import SEARCH_KEYS, KeyReader, Ranged, Recent, SearchKey, program
from ..view import View

CHARSETS = frozenset((b"US-ASCII", b"ASCII", b"UTF-8"))     # all read as UTF-8: some clients say less than they send
EVERYTHING = MessageSet(NumSet(((1, STAR),)), True)


class BadCharset(Refusal):
    public, imap_code = "Charset is not known here", b"BADCHARSET (US-ASCII UTF-8)"


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


def _read_charset(context: Context, args: Cursor) -> bytes:
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
    charset = _read_charset(context, request.rest)
    found, conditionally = await find_saving(context, charset, request.rest, asked)
    by_modseq = b"MODSEQ %d" % context.view.highest_modseq(_returned(context, found, asked)) if conditionally and found else b""
    if asked is None:
        numbers = found if context.by_uid else filter(None, context.view.numbers(found))
        told = [b"SEARCH", *map(b"%d".__mod__, numbers)]
        context.out.untagged(b" ".join([*told, b"(" + by_modseq + b")"] if by_modseq else told))
    elif asked.keys() != {b"SAVE"}:
        shown = found if context.by_uid else array("I", filter(None, context.view.numbers(found)))
        tell(context, shown, asked, by_modseq)
    return None


async def find_saving(
    context: Context, charset: bytes, keys: Cursor, asked: Options | None, *, whole: bool = False,
) -> tuple[array[int], bool]:
    """`find`, and what RETURN (SAVE) keeps of it; a NO empties the variable (RFC 5182 section 2.1)."""
    saves = asked is not None and b"SAVE" in asked
    try:
        found, conditionally = await find(context, charset, keys, whole=whole)
    except Refusal:
        if saves:
            context.view.saved = array("I")
        raise
    if saves:
        context.view.saved = returning.worth_saving(found, asked or {}, context.registry.search_returns)
    return found, conditionally


def tell(context: Context, shown: Sequence[int], asked: Options, by_modseq: bytes = b"") -> None:
    """The ESEARCH response about results in the client's numbers, in their order."""
    line = returning.response(shown, asked, context.registry.search_returns, context.tag, context.by_uid)
    context.out.untagged(line + b" " + by_modseq if by_modseq else line)


def _returned(context: Context, found: array[int], asked: Options | None) -> array[int]:
    """The messages whose mod-sequences are looked at (RFC 7162 section 3.1.10): with MIN or MAX alone only those."""
    if asked is None or not asked.keys() & {b"MIN", b"MAX"}:
        return found
    return returning.worth_saving(found, asked, context.registry.search_returns)


async def find(context: Context, charset: bytes, keys: Cursor, *, whole: bool = False) -> tuple[array[int], bool]:
    """The UIDs that match, ascending, of the messages that the client knows; whether MODSEQ was among the keys.
    `whole`: a part of them, where their number is limited, is of no use."""
    if b"UTF8=ACCEPT" in context.enabled and charset != b"UTF-8":
        raise BadSyntax("No CHARSET but UTF-8 after ENABLE UTF8=ACCEPT")        # RFC 9755 section 3
    if charset not in CHARSETS:
        raise BadCharset
    usable = context.registry.usable(context.registry.search_keys, context)
    known = {name: word for name, word in usable.items() if isinstance(word, SearchKey)}
    reader = KeyReader(keys, known, context.clock.seconds())
    query = program(reader)
    keys.end()
    conditionally = any(isinstance(leaf, Numbers) and isinstance(leaf.given, Since) for leaf in leaves(query))
    if conditionally:
        turn_on(context)
    if context.selected.dirty:
        await context.sync(False)
    view, selected = context.view, context.selected
    query = resolve(query, lambda given: _ranges(view, given))
    spans = numset.spans(narrowed(view.uid_ranges(view.spans(EVERYTHING)), query), view.uids)
    if whole:
        limits.none_too_many(context, spans)
    spans = limits.last_of(context, spans)
    count = sum(stop - start for start, stop in spans)
    searching = Searching(
        selected.mailbox, selected.keywords, query, Breath(context.clock.seconds, context.breathe),
        lambda done: context.progress(done, count))
    if searching.asks_store:
        found = array("I", await searching.among(view.uid_ranges(spans)))
    else:
        found = await searching.within(view.rows(spans))
    return array("I", (uid for uid in found if not view.is_gone(uid))) if view.owes_expunge else found, conditionally


def _ranges(view: View, given: object) -> UidRanges:
    """What a set in the client's words names now."""
    if isinstance(given, MessageSet):
        if not len(view) and not view.uid_only:     # "1:*" is what programs ask of an empty mailbox, too: nothing matches
            return ()
        return view.uid_ranges(view.spans(given))
    if isinstance(given, Recent):
        return view.recent_ranges
    assert isinstance(given, Ranged)
    return given.ranges(view)


EXTENSION = Extension(
    capability=b"ESEARCH SEARCHRES", rfc="3501, 4731, 5182", announced=State.LOGGED_IN, search_keys=SEARCH_KEYS,
    search_returns=returning.BUILT_IN,
    commands=(
        Command(b"SEARCH", State.SELECTED, parse, run, Effect.READS_SEQ),
        Command(b"UID SEARCH", State.SELECTED, parse, run, Effect.MAY_EXPUNGE | Effect.MAY_READ_SEQ),
    ),
)
