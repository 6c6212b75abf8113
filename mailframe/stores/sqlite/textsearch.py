"""SEARCH in the kept texts: for a page of messages one statement in the reader's thread, and one for their heads."""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from mailframe.interfaces.store import ISearchable
from mailframe.mime.searchtext import BORDER, VERSION
from mailframe.model.mailbox import TextMatches, UidRanges
from mailframe.model.query import InBody, InHeader, InText
from mailframe.model.refusal import Refusal

from . import fulltext
from .headsearch import Heads
from .mailbox import SqliteMailbox
from .parts import Parts
from .schema import uid_set
from .texts import encoded

Leaf = InHeader | InBody | InText

_PAGE = 1_000           # messages in one statement: 10 ms of the reader's thread where each has 10 KiB
_NARROW = 64            # UIDs: shorter ranges are asked for as a list
_NAME = frozenset(range(33, 127)) - {ord(":")}      # octets of a field's name (RFC 5322 section 2.2)

# What a message comes to: 0 no, 1 yes, 2 to be read, 3 its header is to be looked at line by line.
# ?1 mailbox, ?2 version, ?3 needle, ?4 "\nNAME: ", ?5 MATCH, ?6 and ?7 lowest and highest content, ?8 and ?9 UIDs.
# The subquery in CASE is only run for messages where it comes to that: bodies rest on pages of their own.
_IN_BODY = "coalesce((SELECT {} FROM text_body AS b WHERE b.content = m.content AND b.version = ?2), 2)"
_REST_OF_BODY = f"substr(b.octets, instr(b.octets, x'{BORDER.encode().hex()}') + {len(BORDER)})"
_BODY = _IN_BODY.format(f"CASE WHEN instr(b.octets, ?3) THEN instr({_REST_OF_BODY}, ?3) > 0 ELSE 0 END")
_TEXT = f"CASE WHEN t.header IS NULL THEN 2 WHEN instr(t.header, ?3) THEN 1 ELSE {_IN_BODY.format('instr(b.octets, ?3) > 0')} END"
_PRESENT = "CASE WHEN t.header IS NULL THEN 2 ELSE instr(t.header, ?4) > 0 END"
_REST = "substr(t.header, instr(t.header, ?4) + length(?4))"
_FIELD = f"""CASE WHEN t.header IS NULL THEN 2 WHEN NOT instr(t.header, ?3) OR NOT instr(t.header, ?4) THEN 0
    WHEN instr({_REST}, ?3) BETWEEN 1 AND instr({_REST}, x'0a') THEN 1 WHEN instr({_REST}, ?4) THEN 3 ELSE 0 END"""
_NARROWED = """CASE WHEN t.indexed = 1 AND m.content NOT IN (
    SELECT rowid FROM words WHERE words MATCH ?5 AND rowid BETWEEN ?6 AND ?7) THEN 0 ELSE {} END"""
_VERDICTS = """
    WITH judged AS MATERIALIZED (
        SELECT m.uid, {} AS verdict FROM message AS m LEFT JOIN text AS t ON t.content = m.content AND t.version = ?2
        WHERE m.mailbox = ?1 AND m.uid {})
    SELECT group_concat(CASE verdict WHEN 1 THEN uid END), group_concat(CASE verdict WHEN 2 THEN uid END),
        group_concat(CASE verdict WHEN 3 THEN uid END) FROM judged"""
_SPAN = """
    SELECT count(*), min(content), max(content), max(uid) FROM (
        SELECT uid, content FROM message WHERE mailbox = ?1 AND uid {} ORDER BY uid LIMIT ?2)"""
_LINES = """
    SELECT m.uid, t.header FROM message AS m JOIN text AS t ON t.content = m.content
    WHERE m.mailbox = ? AND t.version = ? AND m.uid IN carray(?)"""


@dataclass(frozen=True, slots=True)
class Page:
    """Some messages: the condition on their UIDs with its parameters, from ?8 on, and the span of their contents (zeros where
    there is no index, and nobody asks)."""

    where: str
    uids: tuple[Any, ...]
    contents: int
    lowest: int
    highest: int


@implementer(ISearchable)
class SearchableMailbox(SqliteMailbox):
    """A mailbox of a store that keeps texts."""

    def __init__(self, parts: Parts, account: int, number: int, *, words: bool = False, version: int = VERSION) -> None:
        super().__init__(parts, account, number)
        self._words, self._version = words, version

    async def search(self, leaf: Leaf, ranges: UidRanges) -> TextMatches:
        """See `ISearchable`."""
        found, doubtful = array("I"), array("I")
        if isinstance(leaf, InHeader) and not (leaf.name and _NAME.issuperset(leaf.name)):
            return TextMatches(found, doubtful)             # no field has such a name
        async for page in self.pages(windows(ranges)):
            matches = await self._judge(leaf, page)
            found.extend(matches.found)
            doubtful.extend(matches.open)
        return TextMatches(found, doubtful)

    async def pages(self, begun: Iterable[tuple[int, int] | array[int]]) -> AsyncIterator[Page]:
        """The messages in these windows, some at a time; nothing is kept open in between."""
        for begin in begun:
            window: tuple[int, int] | array[int] | None = begin
            while window is not None:
                page, window = await self._page(window)
                if page is not None:
                    yield page

    async def _page(self, window: tuple[int, int] | array[int]) -> tuple[Page | None, tuple[int, int] | None]:
        """The window's first messages, and what is left of it."""
        where = "IN carray({})" if isinstance(window, array) else "BETWEEN {} AND {}"
        uids: tuple[Any, ...] = (uid_set(window),) if isinstance(window, array) else window
        if not self._words and (isinstance(window, array) or window[1] - window[0] < _PAGE):
            return Page(where.format("?8", "?9"), uids, 0, 0, 0), None      # no more than a page, whatever there is
        rows = await self._engine.query(_SPAN.format(where.format("?3", "?4")), (self._number, _PAGE, *uids))
        count, lowest, highest, last = rows[0]
        if not count:
            return None, None
        if isinstance(window, array):
            return Page(where.format("?8"), uids, count, lowest, highest), None
        left = (last + 1, window[1]) if count == _PAGE and last < window[1] else None
        return Page(where.format("?8", "?9"), (window[0], last), count, lowest, highest), left

    async def _judge(self, leaf: Leaf, page: Page) -> TextMatches:
        key = b"\n" + leaf.name.upper() + b": " if isinstance(leaf, InHeader) else b""
        verdict, match = self._verdict(leaf, page)
        needle = encoded(leaf.text)
        heads = self._in_heads(leaf, page)          # asked first: they are looked through while the reader goes on to the texts
        try:
            rows = await self._engine.read_async(_VERDICTS.format(verdict, page.where), (
                self._number, self._version, needle, key, match, page.lowest, page.highest, *page.uids))
        except Refusal:
            heads.addErrback(lambda failure: None)
            raise
        sure, doubtful, unclear = (array("I", map(int, text.split(",")) if text else ()) for text in rows[0])
        if unclear:
            sure += await self._by_lines(unclear, key, needle)
        in_head = await heads
        doubtful += in_head.open
        found = {*sure, *in_head.found}
        return TextMatches(array("I", sorted(found)), array("I", sorted({*doubtful} - found)))

    def _in_heads(self, leaf: Leaf, page: Page) -> Deferred[TextMatches]:
        if isinstance(leaf, InBody):
            return succeed(TextMatches(array("I"), array("I")))
        heads = Heads(self._engine, self._parts.clock, leaf)
        return Deferred.fromCoroutine(heads.search(self._number, page.where, page.uids))

    def _verdict(self, leaf: Leaf, page: Page) -> tuple[str, str | None]:
        """The SQL for a leaf, and what it is to MATCH."""
        match leaf:
            case InHeader(_, ""):
                return _PRESENT, None
            case InHeader(_, text) | InText(text) if "\n" in text:
                return "2", None            # may lie across the border between head and content
            case InHeader():
                return _FIELD, None         # small rows: reading them is quicker than asking the index first
            case InBody():
                verdict = _BODY
            case _:
                verdict = _TEXT
        terms = fulltext.terms(leaf.text) if self._words else None
        if terms is None or not fulltext.worthwhile(page.contents, page.lowest, page.highest):
            return verdict, None
        return _NARROWED.format(verdict), terms

    async def _by_lines(self, uids: array[int], key: bytes, needle: bytes) -> array[int]:
        """Those with `needle` in one of several fields of a name."""
        rows = await self._engine.query(_LINES, (self._number, self._version, uid_set(uids)))
        return array("I", [uid for uid, header in rows if _in_a_field(header, key, needle)])


def _in_a_field(header: bytes, key: bytes, needle: bytes) -> bool:
    at = header.find(key)
    while at >= 0:
        end = header.find(b"\n", at + len(key))
        if header.find(needle, at + len(key), end) >= 0:
            return True
        at = header.find(key, end)
    return False


def windows(ranges: UidRanges) -> Iterator[tuple[int, int] | array[int]]:
    """Wide ranges as they are, narrow ones gathered as lists of UIDs."""
    gathered = array("I")
    for first, last in ranges:
        wide = last - first >= _NARROW
        if gathered and (wide or len(gathered) > _PAGE - _NARROW):
            yield gathered
            gathered = array("I")
        if wide:
            yield first, last
        else:
            gathered.extend(range(first, last + 1))
    if gathered:
        yield gathered
