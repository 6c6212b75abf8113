"""SEARCH and UID SEARCH (RFC 3501 section 6.4.4), with ESEARCH (RFC 4731) and SEARCHRES (RFC 5182)."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

from mailframe.model.mailbox import UidRanges
from mailframe.model.query import Numbers, leaves, resolve
from mailframe.model.refusal import Refusal
from mailframe.pacing.breath import Breath

from .. import writer
from ..conditional import Since, turn_on
from ..cursor import BadSyntax, Cursor
from ..numset import STAR, MessageSet, NumSet, render_numbers
from ..registry import Command, Completion, Context, Effect, Extension, State
from ..searching import Searching
from ..searchkeys import SEARCH_KEYS, KeyReader, Recent, SearchKey, program
from ..view import View

CHARSETS = frozenset((b"US-ASCII", b"ASCII", b"UTF-8"))     # all read as UTF-8: some clients say less than they send
RETURN_OPTIONS = frozenset((b"MIN", b"MAX", b"ALL", b"COUNT", b"SAVE"))
EVERYTHING = MessageSet(NumSet(((1, STAR),)), True)


class BadCharset(Refusal):
    public, imap_code = "Charset is not known here", b"BADCHARSET (US-ASCII UTF-8)"


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """`options` is None without RETURN. The keys are read by `run`, which knows the session's registry and so all keys."""

    options: frozenset[bytes] | None
    charset: bytes
    rest: Cursor


def parse(args: Cursor) -> SearchRequest:
    """``"SEARCH" [SP "RETURN" SP "(" ... ")"] [SP "CHARSET" SP astring] 1*(SP search-key)``."""
    args.space()
    options, charset = None, b"UTF-8"
    if args.peek(7).upper() == b"RETURN ":
        args.position += 7
        options = frozenset(args.list_of(lambda: _option(args), empty=True) or [b"ALL"])
        args.space()
    if args.peek(8).upper() == b"CHARSET ":
        args.position += 8
        if args.utf8:
            raise BadSyntax("No CHARSET after ENABLE UTF8=ACCEPT")      # RFC 6855 section 3
        charset = args.astring().upper()
        args.space()
    return SearchRequest(options, charset, args)


def _option(cursor: Cursor) -> bytes:
    word = cursor.keyword()
    if word not in RETURN_OPTIONS:
        raise BadSyntax("Unknown RETURN option")
    return word


async def run(context: Context, request: SearchRequest) -> Completion | None:
    options = request.options or frozenset()
    try:
        found, conditionally = await find(context, request.charset, request.rest)
    except Refusal:
        if b"SAVE" in options:              # RFC 5182 section 2.1: a NO empties the variable
            context.view.saved = array("I")
        raise
    if b"SAVE" in options:
        context.view.saved = worth_saving(found, options)
    by_modseq = b"MODSEQ %d" % context.view.highest_modseq(_returned(found, options)) if conditionally and found else b""
    if request.options is None:
        numbers = found if context.by_uid else filter(None, context.view.numbers(found))
        told = [b"SEARCH", *map(b"%d".__mod__, numbers)]
        context.out.untagged(b" ".join([*told, b"(" + by_modseq + b")"] if by_modseq else told))
    elif options != {b"SAVE"}:
        shown = found if context.by_uid else array("I", filter(None, context.view.numbers(found)))
        told_extended = extended(shown, options, context.tag, context.by_uid)
        context.out.untagged(told_extended + b" " + by_modseq if by_modseq else told_extended)
    return None


def _returned(found: array[int], options: frozenset[bytes]) -> array[int]:
    """The messages whose mod-sequences are looked at (RFC 7162 section 3.1.10): with MIN or MAX alone only those."""
    return worth_saving(found, options) if options & {b"MIN", b"MAX"} else found


async def find(context: Context, charset: bytes, keys: Cursor) -> tuple[array[int], bool]:
    """The UIDs that match, ascending, of the messages that the client knows; whether MODSEQ was among the keys."""
    if charset not in CHARSETS:
        raise BadCharset
    known = {name: word for name, word in context.registry.search_keys.items() if isinstance(word, SearchKey)}
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
    searching = Searching(selected.mailbox, selected.keywords, query, Breath(context.clock.seconds, context.breathe))
    spans = view.spans(EVERYTHING)
    if searching.asks_store:
        return array("I", await searching.among(view.uid_ranges(spans))), conditionally
    return await searching.within(view.rows(spans)), conditionally


def _ranges(view: View, given: object) -> UidRanges:
    """What a set in the client's words names now."""
    if isinstance(given, MessageSet):
        if not len(view):           # "1:*" is what programs ask of an empty mailbox, too: nothing matches
            return ()
        return view.uid_ranges(view.spans(given))
    if isinstance(given, Since):
        return given.ranges(view)
    assert isinstance(given, Recent)
    return view.recent_ranges


def worth_saving(found: array[int], options: frozenset[bytes]) -> array[int]:
    """What "$" stands for afterwards (RFC 5182 section 2.4): with MIN or MAX alone only that message."""
    if options & {b"ALL", b"COUNT"} or not options & {b"MIN", b"MAX"} or not found:
        return found
    ends = {found[0]} if b"MIN" in options else set()
    return array("I", sorted(ends | {found[-1]} if b"MAX" in options else ends))


def extended(found: array[int], options: frozenset[bytes], tag: bytes, by_uid: bool) -> bytes:
    """An ESEARCH response without ``* `` (RFC 4731 section 3.1)."""
    parts = [b"ESEARCH (TAG %b)" % writer.quoted(tag)]
    if by_uid:
        parts.append(b"UID")
    if found and b"MIN" in options:
        parts.append(b"MIN %d" % found[0])
    if found and b"MAX" in options:
        parts.append(b"MAX %d" % found[-1])
    if found and b"ALL" in options:
        parts.append(b"ALL " + render_numbers(found))
    if b"COUNT" in options:
        parts.append(b"COUNT %d" % len(found))
    return b" ".join(parts)


EXTENSION = Extension(
    capability=b"ESEARCH SEARCHRES", rfc="3501, 4731, 5182", announced=State.LOGGED_IN, search_keys=SEARCH_KEYS,
    commands=(
        Command(b"SEARCH", State.SELECTED, parse, run, Effect.READS_SEQ),
        Command(b"UID SEARCH", State.SELECTED, parse, run, Effect.MAY_EXPUNGE),
    ),
)
