"""FUZZY searches in an indexed store: the index names the few texts that have all the words, those are looked at."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from itertools import islice

from twisted.internet.task import deferLater
from zope.interface import implementer

from mailframe.interfaces.store import IFuzzySearch
from mailframe.mime.fuzzy import Meant
from mailframe.model.mailbox import FuzzyMatches, UidRanges
from mailframe.model.query import InBody, InHeader
from mailframe.pacing.breath import Breath

from . import fulltext
from .schema import uid_set
from .textsearch import Leaf, Page, SearchableMailbox, windows

_TOGETHER = 16          # texts read in one query
_TEXTS = """
    SELECT t.content, t.header, b.octets FROM text AS t LEFT JOIN text_body AS b ON b.content = t.content AND b.version = t.version
    WHERE t.version = ? AND t.content IN carray(?)"""
# What may match: UID, content, whether there is a text of it. ?1 mailbox, ?2 version, ?3 MATCH or NULL, ?4 and ?5 the span.
_MAYBE = """
    SELECT m.uid, m.content, t.header IS NOT NULL FROM message AS m
    LEFT JOIN text AS t ON t.content = m.content AND t.version = ?2
    WHERE m.mailbox = ?1 AND m.uid {} AND (?3 IS NULL OR t.indexed IS NOT 1 OR m.content IN (
        SELECT rowid FROM words WHERE words MATCH ?3 AND rowid BETWEEN ?4 AND ?5))"""


@implementer(IFuzzySearch)
class FuzzyMailbox(SearchableMailbox):
    """A mailbox of a store that keeps texts and an index of them. What stands in front of a content is not looked at."""

    async def fuzzy(self, leaf: Leaf, ranges: UidRanges) -> FuzzyMatches:
        """See `IFuzzySearch`."""
        meant = Meant.of(leaf.text)
        found: dict[int, int] = {}
        doubtful = array("I")
        breath = Breath(self._parts.clock.seconds, self._turn)
        async for page in self.pages(windows(ranges)):
            await self._judge_fuzzily(leaf, meant, page, found, doubtful, breath)
        uids = array("I", sorted(found))
        return FuzzyMatches(uids, array("B", map(found.__getitem__, uids)), array("I", sorted(doubtful)))

    async def _judge_fuzzily(
        self, leaf: Leaf, meant: Meant, page: Page, found: dict[int, int], doubtful: array[int], breath: Breath,
    ) -> None:
        match = None
        if fulltext.worthwhile(page.contents, page.lowest, page.highest):
            match = " AND ".join(filter(None, map(fulltext.terms, meant.words))) or None
        where = page.where.replace("?8", "?6").replace("?9", "?7")
        rows = await self._engine.read_async(_MAYBE.format(where), (
            self._number, self._version, match, page.lowest, page.highest, *page.uids))
        by_content: dict[int, list[int]] = {}
        for uid, content, has_text in rows:
            if has_text:
                by_content.setdefault(content, []).append(uid)
            else:
                doubtful.append(uid)
        contents = iter(by_content)
        while some := array("q", islice(contents, _TOGETHER)):
            for content, header, body in await self._engine.read_async(_TEXTS, (self._version, uid_set(some))):
                text = _text(leaf, header, body)
                relevancy = 0 if text is None else meant.relevancy(text)
                if text is None:
                    doubtful.extend(by_content[content])
                elif relevancy:
                    found.update(dict.fromkeys(by_content[content], relevancy))
                await breath.take()

    async def _turn(self) -> None:
        await deferLater(self._parts.clock, 0)


def _text(leaf: Leaf, header: bytes, body: bytes | None) -> str | None:
    """What of a kept text a leaf is about; None where that is not kept."""
    if isinstance(leaf, InHeader):
        return _decoded(_values(header, leaf.name.upper() + b": "))
    if body is None:
        return None
    return _decoded([body] if isinstance(leaf, InBody) else [header, body])


def _values(header: bytes, key: bytes) -> Iterable[bytes]:
    return [line[len(key):] for line in header.split(b"\n") if line.startswith(key)]


def _decoded(pieces: Iterable[bytes]) -> str:
    return b"\n".join(pieces).decode("utf-8", "surrogatepass")
