"""A search program as a session asks it: read once, asked of the messages that the session knows, also again."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mailframe.interfaces.store import IMailbox
from mailframe.model.mailbox import UidRanges
from mailframe.model.query import Fuzzy, Numbers, Query, leaves, resolve
from mailframe.model.refusal import Refusal
from mailframe.pacing.breath import Breath

from ..conditional import Since
from ..cursor import BadSyntax, Cursor
from ..numset import STAR, MessageSet, NumSet
from ..progress import Passed, untold
from ..registry import Context
from ..view import View
from . import charsets
from .searching import Searching
from .searchkeys import KeyReader, Ranged, Recent, SearchKey, program
from .sentdays import KeptDays

EVERYTHING = MessageSet(NumSet(((1, STAR),)), True)


class BadCharset(Refusal):
    public, imap_code = "Charset is not known here", b"BADCHARSET (" + charsets.SHOWN + b")"


@dataclass(frozen=True, slots=True)
class Criteria:
    """What is looked for."""

    query: Query                        # sets are still in the client's words
    read: Callable[[], Query]           # once more, for keys that look at the clock
    timely: bool                        # whether there are such keys

    @property
    def given(self) -> Iterator[object]:
        """The sets in it."""
        return (leaf.given for leaf in leaves(self.query) if isinstance(leaf, Numbers))

    def resolved(self, view: View) -> Query:
        """With the UIDs that its sets mean now."""
        return resolve(self.query, lambda given: _ranges(view, given))

    @property
    def fuzzy(self) -> bool:
        """Whether FUZZY is, with a string."""
        return any(isinstance(leaf, Fuzzy) for leaf in leaves(self.query))

    @property
    def conditional(self) -> bool:
        """Whether MODSEQ is among the keys."""
        return any(isinstance(given, Since) for given in self.given)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was looked for, and the UIDs that match, ascending, of the messages that the client knows; for SORT also in the
    order of `keys` (name, whether reversed)."""

    criteria: Criteria
    found: array[int]
    relevancies: Mapping[int, int] = field(default_factory=dict)        # from 1 to 100, where some key is FUZZY
    part: bool = False                  # of the messages alone: their number is limited (RFC 9738)
    keys: tuple[tuple[bytes, bool], ...] = ()
    ordered: Sequence[int] = ()

    def relevancies_of(self, uids: Iterable[int]) -> list[int]:
        return [self.relevancies.get(uid, 1) for uid in uids]


def known_keys(context: Context) -> dict[bytes, SearchKey]:
    """Those that the session may use."""
    usable = context.registry.usable(context.registry.search_keys, context)
    return {name: word for name, word in usable.items() if isinstance(word, SearchKey)}


async def read_criteria(context: Context, charset: bytes, keys: Cursor) -> Criteria:
    """``search-key *(SP search-key)`` up to the end. Raises BadCharset."""
    if b"UTF8=ACCEPT" in context.enabled and charset != b"UTF-8":
        raise BadSyntax("No CHARSET but UTF-8 after ENABLE UTF8=ACCEPT")        # RFC 9755 section 3
    if not charsets.is_known(charset):
        raise BadCharset
    known = known_keys(context)
    prepared = {name: await word.prepare(context, keys, charset) for name, word in known.items() if word.prepare is not None}
    start = keys.position

    def reader() -> KeyReader:
        return KeyReader(keys, known, context.clock.seconds, charset=charsets.meant(charset), prepared=prepared)

    def again() -> Query:
        keys.position = start
        return program(reader())

    first = reader()
    query = program(first)
    keys.end()
    return Criteria(query, again, first.timely)


async def matching(
    context: Context, query: Query, spans: Sequence[tuple[int, int]], relevancies: dict[int, int] | None = None,
) -> array[int]:
    """Of the selected mailbox's messages in these index spans of the view those that match, ascending UIDs.

    `relevancies` is filled with theirs, from 1 to 100, where there are some."""
    selected = context.selected
    return await matching_in(context, selected.mailbox, selected.keywords, selected.view, query, spans, relevancies)


async def matching_in(
    context: Context, mailbox: IMailbox, keywords: Sequence[str], view: View, query: Query, spans: Sequence[tuple[int, int]],
    relevancies: dict[int, int] | None = None,
) -> array[int]:
    """The same in any mailbox, of which there is a view."""
    query = resolve(query, lambda given: _ranges(view, given))
    count = sum(stop - start for start, stop in spans)
    searching = searching_in(context, mailbox, keywords, query, lambda done: context.progress(done, count))
    if searching.asks_store:
        found = array("I", await searching.among(view.uid_ranges(spans)))
        if relevancies is not None:
            relevancies.update(scaled(searching.relevancies, found))
        return found
    return await searching.within(view.rows(spans))


def scaled(relevancies: Mapping[int, int], found: Sequence[int]) -> dict[int, int]:
    """Of what was found: from 1 to 100, where 100 is the best (RFC 6203 section 4)."""
    best = max((relevancies.get(uid, 0) for uid in found), default=0)
    return {uid: max(1, relevancies.get(uid, 0) * 100 // best) for uid in found} if best else {}


def searching_in(context: Context, mailbox: IMailbox, keywords: Sequence[str], query: Query, passed: Passed = untold) -> Searching:
    """One search in one mailbox of the account, which learns from those before."""
    kept: KeptDays = context.caches.setdefault("imap days of sending", KeptDays())
    days = kept.of(context.account_name, mailbox.id)
    return Searching(mailbox, keywords, query, Breath(context.clock.seconds, context.breathe), passed, days)


def _ranges(view: View, given: object) -> UidRanges:
    """What a set in the client's words names now. A number that is not there matches nothing: a search is a question, and
    "1:*" is what programs ask of an empty mailbox, too."""
    if isinstance(given, MessageSet):
        return view.uid_ranges(view.spans(given, strictly=False))
    if isinstance(given, Recent):
        return view.recent_ranges
    assert isinstance(given, Ranged)
    return given.ranges(view)
