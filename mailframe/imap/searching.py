"""SEARCH carried out: columns first, a page at a time; octets only of what is still open, in slices (I2)."""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator, Sequence
from itertools import compress

from mailframe.interfaces.store import IMailbox
from mailframe.mime.index import Part
from mailframe.mime.scan import scan
from mailframe.mime.text import header_text, part_text
from mailframe.model.mailbox import Field, Rows, UidRanges
from mailframe.model.query import And, InBody, InHeader, InText, Query, Sent, Uids, leaves
from mailframe.model.refusal import NoSuchMessage

from .items.message import SLICE, Message
from .matching import Columns, Octets, needed, truth
from .paging import Breath, Pager, overlap

VIEW_PAGE = 5_000           # messages judged by the view's columns alone between two pauses
PAGE = 1_000                # messages whose columns are looked at between two pauses
MAX_PIECE = SLICE           # octets of a text part that are decoded at once: some 3 ms
MAX_TEXT = 16 * 1_048_576   # octets of a message's text parts that are looked through: more is somebody's data
IN_OCTETS = (Sent, InHeader, InBody, InText)


class Searching:
    """One search over one mailbox."""

    def __init__(self, mailbox: IMailbox, keywords: Sequence[str], query: Query, breath: Breath) -> None:
        """`query` is resolved: it holds no `Numbers`."""
        self._mailbox, self._keywords, self._query, self._breath = mailbox, keywords, query, breath
        self.fields = needed(query)
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
            found += await self.page(rows)
            await self._breath.take()
        return found

    async def page(self, rows: Rows) -> list[int]:
        """Those of `rows` (with the columns `fields`) that match."""
        columns = Columns(rows, self._keywords)
        certain, doubtful = columns.judge(self._query)
        if any(doubtful):
            found = bytearray(certain)
            for place in compress(range(len(rows)), doubtful):
                found[place] = await self._read(rows, place, columns)
                await self._breath.take()
            certain = bytes(found)
        return list(compress(rows.uids, certain))

    async def _read(self, rows: Rows, place: int, columns: Columns) -> bool:
        """Decide one message by its header, and if need be by its text parts. A message that is gone does not match."""
        index = rows.indexes[place] if rows.indexes else b""
        message = Message(self._mailbox, rows.uids[place], self._breath, index=index)

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
        return bool(value)


def narrowed(ranges: UidRanges, query: Query) -> list[tuple[int, int]]:
    """`ranges` without what the query's own UID sets exclude."""
    left = list(ranges)
    for part in query.parts if isinstance(query, And) else (query,):
        if isinstance(part, Uids):
            left = overlap(left, part.ranges)
    return left


async def read_body(message: Message, breath: Breath) -> str:
    """The text parts, and headers of messages inside, decoded and casefolded."""
    octets = await message.start(SLICE)
    index = message.stored_index or (scan(octets) if message.is_whole else await message.index())
    found: list[str] = []
    room = MAX_TEXT
    for part in index.parts:
        if part.parent >= 0 and index.parts[part.parent].is_message:
            found.append(header_text(await message.read(part.start, min(part.body - part.start, SLICE))).casefold())
        if part.maintype == b"text" and room:
            size = min(part.end - part.body, room)
            room -= size
            found.append("".join([piece async for piece in _pieces(message, part, size, breath)]))
        await breath.take()
    return "\n".join(found)


async def _pieces(message: Message, part: Part, size: int, breath: Breath) -> AsyncIterator[str]:
    """The first `size` octets of a text part, decoded, a few milliseconds' work at a time and cut at line ends."""
    offset, end = part.body, part.body + size
    while offset < end:
        octets = await message.read(offset, min(end - offset, MAX_PIECE))
        if not octets:
            return
        if offset + len(octets) < end:
            octets = octets[:line_end(octets)]
        yield part_text(octets, part).casefold()
        offset += len(octets)
        await breath.take()


def line_end(octets: bytes) -> int:
    """Where a piece of an encoded text can be cut: after its last line end that no quoted-printable "=" takes away."""
    cut = octets.rfind(b"\n") + 1
    for _ in range(100):
        if not octets.endswith((b"=\r\n", b"=\n"), 0, cut):
            break
        cut = octets.rfind(b"\n", 0, cut - 1) + 1
    return cut or len(octets)
