"""SEARCH carried out: columns first, a page at a time; octets only of what is still open, in slices (I2)."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from itertools import compress
from typing import Any

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IFuzzySearch, IMailbox, ISearchable
from mailframe.mime.scan import scan
from mailframe.mime.searchtext import body_text
from mailframe.model.mailbox import Field, FuzzyMatches, Rows, TextMatches, UidRanges, uid_ranges
from mailframe.model.query import And, Fuzzy, InBody, InHeader, InText, Query, Sent, Uids, leaves
from mailframe.model.refusal import NoSuchMessage
from mailframe.pacing.breath import Breath

from ..items.message import SLICE, Message
from ..paging import Pager, overlap
from ..progress import Passed, untold
from .matching import Columns, Octets, needed, truth
from .sentdays import UNKNOWN, SentDays, day_in

VIEW_PAGE = 5_000           # messages judged by the view's columns alone between two pauses
PAGE = 1_000                # messages whose columns are looked at between two pauses
MAX_ASKED = 16              # texts of one search that the store is asked for: each is a scan of its own, reading is one for all
IN_TEXT = (InHeader, InBody, InText)
IN_OCTETS = (Sent, Fuzzy, *IN_TEXT)


class Searching:
    """One search over one mailbox."""

    def __init__(
        self, mailbox: IMailbox, keywords: Sequence[str], query: Query, breath: Breath, passed: Passed = untold,
        days: SentDays | None = None,
    ) -> None:
        """`query` is resolved: it holds no `Numbers`. `passed` is told how many messages are decided, where that takes long;
        `days` is what is known of this mailbox from earlier searches."""
        self._mailbox, self._keywords, self._query, self._breath = mailbox, keywords, query, breath
        self._passed, self._done = passed, 0
        self._texts: Any = mailbox if ISearchable.providedBy(mailbox) else None
        self._asked = asked_for(query) if self._texts else {}
        self._sent = [leaf for leaf in leaves(query) if isinstance(leaf, Sent)]
        self._fuzzy = [leaf for leaf in leaves(query) if isinstance(leaf, Fuzzy)][:MAX_ASKED]
        self.relevancies: dict[int, int] = {}       # of what was found fuzzily, by UID: all its strings' together
        self._days = SentDays() if days is None else days
        self.fields = needed(query)
        if self._asked:
            self.fields &= ~Field.INDEX         # is fetched of those messages that have to be read
        self.reads_octets = any(isinstance(leaf, IN_OCTETS) for leaf in leaves(query))

    @property
    def asks_store(self) -> bool:
        """Whether it takes more than the view's own columns."""
        return self.reads_octets or bool(self.fields & ~Field.FLAGS)

    async def within(self, rows: Rows) -> array[int]:
        """The UIDs among `rows` (uids and flags of the whole view) that match, when nothing else is needed."""
        found = array("I")
        for start in range(0, len(rows), VIEW_PAGE):
            stop = start + VIEW_PAGE
            found.extend(await self.page(Rows(rows.uids[start:stop], rows.flags[start:stop])))
            await self._breath.take()
        return found

    async def among(self, ranges: UidRanges) -> list[int]:
        """The UIDs within `ranges` that match, ascending, as the store knows them."""
        pager = Pager(self._mailbox, narrowed(ranges, self._query), PAGE, self.fields)
        found: list[int] = []
        while (rows := await pager.next()) is not None:
            if self._done:
                self._passed(self._done)
            found += await self.page(rows)
            self._done += len(rows)
            await self._breath.take()
        return found

    async def page(self, rows: Rows) -> list[int]:
        """Those of `rows` (with the columns `fields`) that match."""
        columns = Columns(rows, self._keywords)
        certain, doubtful = columns.judge(self._query)
        if self._sent and any(doubtful):
            columns.learn_days(self._sent, doubtful, await self._sent_days(array("I", compress(rows.uids, doubtful))))
            certain, doubtful = columns.judge(self._query)
            await self._breath.take()
        if any(doubtful) and self._fuzzy and IFuzzySearch.providedBy(self._mailbox):
            await self._ask_fuzzily(columns, uid_ranges(list(compress(rows.uids, doubtful))))
            certain, doubtful = columns.judge(self._query)
        for leaf, same in self._asked.items():
            if not any(doubtful):
                break
            matches = await settled(self._texts.search(leaf, uid_ranges(list(compress(rows.uids, doubtful)))))
            for each in same:
                columns.learn(each, matches)
            certain, doubtful = columns.judge(self._query)
            await self._breath.take()
        if any(doubtful):
            found = bytearray(certain)
            indexes = await self._indexes(rows, doubtful)
            for place in compress(range(len(rows)), doubtful):
                self._passed(self._done + place)
                found[place] = await self._read(rows.uids[place], indexes.get(rows.uids[place], b""), place, columns)
                await self._breath.take()
            certain = bytes(found)
        return list(compress(rows.uids, certain))

    async def _ask_fuzzily(self, columns: Columns, ranges: UidRanges) -> None:
        searchable: Any = self._mailbox
        for leaf in self._fuzzy:
            matches: FuzzyMatches = await settled(searchable.fuzzy(leaf.part, ranges))
            columns.learn(leaf, TextMatches(matches.found, matches.open))
            for uid, relevancy in zip(matches.found, matches.relevancies):
                self.relevancies[uid] = self.relevancies.get(uid, 0) + relevancy
            await self._breath.take()

    async def _sent_days(self, uids: array[int]) -> array[int]:
        """The days of these messages, as far as the store's ENVELOPEs tell."""
        found = self._days.of(uids)
        if UNKNOWN in found:
            asked = array("I", compress(uids, map(UNKNOWN.__eq__, found)))
            rows: Rows = await settled(self._mailbox.rows(uid_ranges(asked), len(asked), Field.ENVELOPE))
            days = list(map(day_in, rows.envelopes))
            known = bytes(day != UNKNOWN for day in days)
            if any(known):
                self._days.learn(array("I", compress(rows.uids, known)), array("i", compress(days, known)))
                found = self._days.of(uids)
        return found

    async def _indexes(self, rows: Rows, doubtful: bytes) -> Mapping[int, bytes]:
        """The stored MIME indexes of the messages that have to be read."""
        if self._asked and needed(self._query) & Field.INDEX:
            uids = list(compress(rows.uids, doubtful))
            rows = await settled(self._mailbox.rows(uid_ranges(uids), len(uids), Field.INDEX))
        return dict(zip(rows.uids, rows.indexes))

    async def _read(self, uid: int, index: bytes, place: int, columns: Columns) -> bool:
        """Decide one message by its header, and if need be by its text parts. A message that is gone does not match."""
        message = Message(self._mailbox, uid, self._breath, index=index)

        def leaf(query: Query) -> bool | None:
            known = columns.known(query, place)
            return octets.leaf(query) if known is None else known

        try:
            octets = Octets(await message.header())
            value = truth(self._query, leaf)
            if value is None:
                octets.body = await read_body(message, self._breath)
                value = truth(self._query, leaf)
        except NoSuchMessage:
            return False
        for fuzzy in self._fuzzy if value else ():
            if columns.known(fuzzy, place) is None:
                self.relevancies[uid] = self.relevancies.get(uid, 0) + (octets.relevancy(fuzzy) or 0)
        return bool(value)


def asked_for(query: Query) -> dict[InHeader | InBody | InText, list[Query]]:
    """The texts that a store is asked for, what is quickly told first, each with its places in the tree."""
    found: dict[InHeader | InBody | InText, list[Query]] = {}
    for leaf in leaves(query):
        if isinstance(leaf, IN_TEXT):
            found.setdefault(leaf, []).append(leaf)
    return {leaf: found[leaf] for leaf in sorted(found, key=lambda leaf: IN_TEXT.index(type(leaf)))[:MAX_ASKED]}


def narrowed(ranges: UidRanges, query: Query) -> list[tuple[int, int]]:
    """`ranges` without what the query's own UID sets exclude."""
    left = list(ranges)
    for part in query.parts if isinstance(query, And) else (query,):
        if isinstance(part, Uids):
            left = overlap(left, part.ranges)
    return left


async def read_body(message: Message, breath: Breath) -> str:
    """`body_text`, of a message that is read as need be."""
    octets = await message.start(SLICE)
    index = message.stored_index or (scan(octets) if message.is_whole else await message.index())
    steps = body_text(index)
    try:
        wanted = next(steps)
        while True:
            octets = await message.read(*wanted)
            await breath.take()
            wanted = steps.send(octets)
    except StopIteration as done:
        text: str = done.value
        return text
