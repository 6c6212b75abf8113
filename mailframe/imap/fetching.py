"""The work of FETCH: page after page of messages, columns joined at once, octets one message at a time (I3, I6)."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import compress
from typing import NamedTuple

from twisted.logger import Logger

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IAttributeCache
from mailframe.model.flags import SEEN, FlagChange
from mailframe.model.mailbox import Attributes, Field, FlagsStored, Rows, uid_ranges
from mailframe.model.refusal import Corrupted, NoSuchMessage
from mailframe.pacing.breath import Breath

from . import permission
from .connection import Gone
from .fetchplan import Plan, Spans, pages
from .items.item import Made, Ready, Scene, Span, joined, pieces
from .items.message import SLICE, Message
from .registry import Context
from .selecting import know_keywords

READ_AHEAD = SLICE          # of one message's sections, before the first of them is announced: all there is for who does not read
NUL_SHOWN = b"\x80"         # no literal may hold a NUL (RFC 3501 section 9, CHAR8); the size stays what it was told to be
_log = Logger()


class Unfulfilled(Gone):
    """A literal was announced and its octets could not be read to the end: only closing the connection is honest."""


class Begun(NamedTuple):
    """A section too large to be read before it is announced, and its first octets, which have been read."""

    span: Span
    octets: bytes


class Fetching:
    """One FETCH on its way; `missing` counts messages that were gone when their turn came."""

    def __init__(self, context: Context, plan: Plan) -> None:
        self._context, self._plan = context, plan
        selected = context.selected
        self._mailbox, self._view = selected.mailbox, selected.view
        self._scene = Scene.of(selected.keywords, selected.view.recent_ranges)
        self._breath = Breath(context.clock.seconds, context.breathe)
        self._sets_seen = plan.sets_seen and not selected.read_only
        self._made: list[tuple[int, Attributes]] = []
        self._backwards = False
        self.missing = 0

    async def run(self, spans: Spans, backwards: bool = False) -> None:
        """`backwards`: the last message first."""
        self._backwards = backwards
        heaps = pages(spans, self._plan.page)
        for heap in reversed(list(heaps)) if backwards else heaps:
            await self._page(heap)
            await self._breath.take()
            if self._context.out.full:
                await self._context.drained()

    async def _page(self, spans: Spans) -> None:
        rows, heads = await self._rows(spans)
        newly_seen = await self._see(rows) if self._sets_seen else frozenset()
        if self._plan.tells_flags and self._view.has_news and (self._plan.asks_modseq or not self._view.watch_modseq):
            self._view.told(rows)
        if self._plan.sections:
            await self._one_by_one(rows, heads, newly_seen)
        else:
            self._context.out.write(joined(self._plan.columns, rows, heads, self._scene, self._backwards))
        await self._remember()

    # -- columns

    async def _rows(self, spans: Spans) -> tuple[Rows, list[bytes]]:
        """The page's columns, and how each message's response begins."""
        view = self._view
        flags, modseqs = array("Q"), array("Q")
        heads: list[bytes] = []
        for start, stop in spans:
            flags += view.flags[start:stop]
            if self._plan.asks_modseq:
                modseqs += view.modseqs[start:stop]
            heads += view.heads(start, stop)
        uids = view.uids_in(spans)
        if not self._plan.fields:
            return Rows(uids, flags, modseqs), heads
        rows: Rows = await settled(self._mailbox.rows(view.uid_ranges(spans), len(uids), self._plan.fields))
        if rows.uids == uids:
            rows.flags, rows.modseqs = flags, modseqs
        else:
            rows, heads = self._align(rows, len(uids))
        return await self._complete(rows, heads) if self._plan.made else (rows, heads)

    def _align(self, rows: Rows, wanted: int) -> tuple[Rows, list[bytes]]:
        """Some were expunged meanwhile, by a session that we have not heard of yet."""
        numbers = self._view.numbers(rows.uids)
        rows = select(rows, numbers)
        numbers = array("I", filter(None, numbers))
        rows.flags = array("Q", (self._view.flags[number - 1] for number in numbers))
        if self._plan.asks_modseq:
            rows.modseqs = array("Q", (self._view.modseqs[number - 1] for number in numbers))
        self.missing += wanted - len(numbers)
        return rows, self._view.heads_of(rows.uids)

    async def _complete(self, rows: Rows, heads: list[bytes]) -> tuple[Rows, list[bytes]]:
        """Make what the store does not keep (b"") from the octets."""
        there = bytearray(b"\1" * len(rows))
        for place in sorted(_lacking(rows, self._plan.made & ~Field.PREVIEW)):
            message = Message(self._mailbox, rows.uids[place], self._breath)
            try:
                made = await message.make_attributes()
            except NoSuchMessage:
                there[place] = 0
                continue
            self._made.append((message.uid, made))
            for column, value in ((rows.envelopes, made.envelope), (rows.structures, made.structure), (rows.indexes, made.index),
                                  (rows.previews, made.preview)):
                if column:
                    column[place] = value
        if Field.PREVIEW in self._plan.made:
            await self._preview(rows, there)
        if all(there):
            return rows, heads
        self.missing += there.count(0)
        return select(rows, there), list(compress(heads, there))

    async def _preview(self, rows: Rows, there: bytearray) -> None:
        """Of large messages only the beginning of a part is read; a store that keeps their index makes that quick."""
        places = [place for place, value in enumerate(rows.previews) if not value and there[place]]
        if not places:
            return
        known: Rows = await settled(self._mailbox.rows(
            uid_ranges([rows.uids[place] for place in places]), len(places), Field.INDEX))
        indexes = dict(zip(known.uids, known.indexes))
        for place in places:
            uid = rows.uids[place]
            message = Message(self._mailbox, uid, self._breath, index=indexes.get(uid, b""))
            try:
                rows.previews[place] = await message.preview()
            except NoSuchMessage:
                there[place] = 0
                continue
            if message.attributes is not None:
                self._made.append((uid, message.attributes))
            await message.breathe()

    # -- octets

    async def _see(self, rows: Rows) -> frozenset[int]:
        """The implicit \\Seen (RFC 3501 section 6.4.5), durable before it is told; returns who was changed."""
        if not await permission.may(self._mailbox, "s"):
            return frozenset()              # RFC 4314 section 4
        unseen = array("I", (uid for uid, flags in zip(rows.uids, rows.flags) if not flags & SEEN))
        if not unseen:
            return frozenset()
        outcome: FlagsStored = await settled(self._mailbox.set_flags(unseen, FlagChange.add(SEEN), None))
        stored = outcome.rows
        selected = self._context.selected
        if await know_keywords(selected, self._context.out, stored.flags):
            self._scene = Scene.of(selected.keywords, self._view.recent_ranges)
        self._view.told(stored)
        changed = dict(zip(stored.uids, stored.flags))
        rows.flags = array("Q", (changed.get(uid, flags) for uid, flags in zip(rows.uids, rows.flags)))
        if rows.modseqs and stored.modseqs:
            newer = dict(zip(stored.uids, stored.modseqs))
            rows.modseqs = array("Q", (newer.get(uid, modseq) for uid, modseq in zip(rows.uids, rows.modseqs)))
        return frozenset(changed)

    async def _one_by_one(self, rows: Rows, heads: list[bytes], newly_seen: frozenset[int]) -> None:
        heads = list(map(b"".join, zip(*pieces(self._plan.columns, rows, heads, self._scene))))
        told_already = self._plan.tells_flags
        for place, head in reversed(list(enumerate(heads))) if self._backwards else enumerate(heads):
            uid = rows.uids[place]
            if self._plan.columns:
                head += b" "
            if uid in newly_seen and not told_already:
                head += b"FLAGS " + self._scene.table(uid)[rows.flags[place]] + b" "
            message = Message(
                self._mailbox, uid, self._breath,
                size=rows.sizes[place] if rows.sizes else None, index=rows.indexes[place] if rows.indexes else b"",
            )
            await self._message(head, message)
            if message.attributes is not None:
                self._made.append((uid, message.attributes))

    async def _message(self, head: bytes, message: Message) -> None:
        """One message with its sections. What is small is read before anything is announced, so that a message which
        goes away meanwhile costs an item, not the connection; what is large the store has promised to keep readable, and
        shows by its beginning that it can."""
        try:
            found = await self._find(message)
        except NoSuchMessage:
            self.missing += 1
            return
        out = self._context.out
        for section, where in zip(self._plan.sections, found):
            label = head + section.label
            head = b" "
            if isinstance(where, bytes):
                out.write(b"%b {%d}\r\n" % (label, len(where)))
                out.write(where)            # by itself: it is copied once, when all goes out
                if out.full:
                    await self._context.drained()
            elif where is None:
                out.write(label + b" NIL")
            elif isinstance(where, Begun):
                out.write(b"%b {%d}\r\n" % (label, where.span.size))
                await self._stream(message, where)
            elif isinstance(where, Made):
                out.write(b"%b ~{%d}\r\n" % (label, where.size))
                await self._make(message, where)
            else:
                out.write(label + b" " + where.octets)
        out.write(b")\r\n")
        if out.full:
            await self._context.drained()
        if self._breath.due:
            await self._breath.take()

    async def _find(self, message: Message) -> list[Begun | bytes | Ready | Made | None]:
        found: list[Begun | bytes | Ready | Made | None] = []
        room = READ_AHEAD
        for section in self._plan.sections:
            where = await section.find(message)
            if isinstance(where, Span) and where.size <= min(room, SLICE):
                where = await message.read(where.offset, where.size)
            if isinstance(where, Span):
                begun = await self._begin(message, where, min(room, SLICE))
                room -= len(begun.octets)
                found.append(begun)
                continue
            if isinstance(where, bytes):
                room -= len(where)
                where = where.replace(b"\0", NUL_SHOWN)
            elif isinstance(where, Ready):
                room -= len(where.octets)
            found.append(where)
        return found

    async def _begin(self, message: Message, span: Span, size: int) -> Begun:
        octets = await message.read(span.offset, size) if size > 0 else b""
        if len(octets) < size:
            raise Corrupted(detail=f"message {message.uid} ends before the size that was told")
        return Begun(span, octets.replace(b"\0", NUL_SHOWN))

    async def _stream(self, message: Message, begun: Begun) -> None:
        """A large literal in slices, each when the client has taken the last (I3)."""
        out, (span, octets) = self._context.out, begun
        out.write(octets)
        offset, left = span.offset + len(octets), span.size - len(octets)
        while left:
            await self._context.drained()
            octets = await self._read(message, offset, min(left, SLICE))
            out.write(octets)
            offset, left = offset + len(octets), left - len(octets)
        await self._context.drained()

    async def _make(self, message: Message, made: Made) -> None:
        """As `_stream`, of octets that are made on the way."""
        left = made.size
        try:
            async for octets in made.pieces:
                self._context.out.write(octets)
                left -= len(octets)
                await self._context.drained()
        except Gone:
            raise
        except Exception:
            _log.failure("message {uid} could not be decoded to its end", uid=message.uid)
        if left:
            raise Unfulfilled

    async def _read(self, message: Message, offset: int, size: int) -> bytes:
        """Octets of a literal that was announced. Whatever the store's fault (I7), no tagged answer can be given within it."""
        try:
            octets = await message.read(offset, size)
        except Exception:
            _log.failure("message {uid} could not be read to its end", uid=message.uid)
            raise Unfulfilled from None
        if not octets:
            _log.error("message {uid} ends at {offset}, before the size that was told", uid=message.uid, offset=offset)
            raise Unfulfilled
        return octets.replace(b"\0", NUL_SHOWN)

    async def _remember(self) -> None:
        """Give the store what was made here, if it keeps such things."""
        made, self._made = self._made, []
        if made and IAttributeCache.providedBy(self._mailbox):
            await settled(self._mailbox.remember([uid for uid, _ in made], [attributes for _, attributes in made]))


def select(rows: Rows, wanted: Sequence[int]) -> Rows:
    """The rows where `wanted` is not 0."""
    kept = Rows()
    for name in Rows.__dataclass_fields__:
        column = getattr(rows, name)
        setattr(kept, name, type(column)(compress(column, wanted)) if isinstance(column, list) else
                array(column.typecode, compress(column, wanted)))
    return kept


def _lacking(rows: Rows, made: Field) -> set[int]:
    """Places where one of the columns `made` holds nothing."""
    columns = (rows.envelopes, Field.ENVELOPE), (rows.structures, Field.STRUCTURE), (rows.indexes, Field.INDEX)
    return {
        place for column, field in columns if field & made and b"" in column
        for place, value in enumerate(column) if not value
    }
