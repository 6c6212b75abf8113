"""What a FETCH asks, sorted by the work it makes, and in pages of which size that work is done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mailframe.model.mailbox import Field

from .items.item import Column, Section, is_column, is_section

FLAG_PAGE = 8_000           # messages whose answer needs nothing but the view: some 300 KiB, 2 ms
COLUMN_PAGE = 1_000         # with narrow columns from the store: dates, sizes
WIDE_PAGE = 500             # with ENVELOPE, BODYSTRUCTURE or BODY: some 1 KiB each, of a hostile sender's 200 KiB
OCTETS_PAGE = 64            # with octets: one durable \Seen for so many, and no more than so many unread by a slow client
IN_VIEW = Field.FLAGS | Field.MODSEQ
MADE = Field.ENVELOPE | Field.STRUCTURE | Field.INDEX | Field.PREVIEW

Spans = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a FETCH asks of each message."""

    columns: tuple[Column, ...]
    sections: tuple[Section, ...]
    fields: Field               # what the store is asked for: not what the view has
    made: Field                 # of these, what has to be made from the octets where the store has none
    sets_seen: bool
    tells_flags: bool
    asks_modseq: bool = False
    changed_since: int | None = None    # only messages with a greater mod-sequence (RFC 7162 section 3.1.4.1)
    vanished: bool = False              # and which are gone (section 3.2.6)
    partial: tuple[int, int] | None = None      # a window into them (RFC 9394 section 3.3)

    @classmethod
    def of(
        cls, items: Iterable[Column | Section], changed_since: int | None = None, vanished: bool = False,
        partial: tuple[int, int] | None = None,
    ) -> Plan:
        """Of items in the order asked for; a label that comes twice is told once."""
        columns: dict[bytes, Column] = {}
        sections: dict[bytes, Section] = {}
        fields = made = Field.NONE
        for item in items:
            if is_section(item):
                sections.setdefault(item.label, item)
            elif is_column(item):
                columns.setdefault(item.label, item)
                made |= item.fields & MADE
            fields |= item.fields & ~IN_VIEW
        seen = any(section.sets_seen for section in sections.values())
        return cls(
            tuple(columns.values()), tuple(sections.values()), fields, made, seen, b"FLAGS" in columns, b"MODSEQ" in columns,
            changed_since, vanished, partial)

    @property
    def page(self) -> int:
        """How many messages at once."""
        if self.sections:
            return OCTETS_PAGE
        return WIDE_PAGE if self.fields & MADE else COLUMN_PAGE if self.fields else FLAG_PAGE


def pages(spans: Spans, limit: int) -> Iterable[Spans]:
    """The same index spans in heaps of at most `limit` messages."""
    if len(spans) == 1 and spans[0][1] - spans[0][0] <= limit:
        return (spans,)
    return _pages(spans, limit)


def _pages(spans: Spans, limit: int) -> Iterator[Spans]:
    heap: Spans = []
    room = limit
    for start, stop in spans:
        while start < stop:
            end = min(stop, start + room)
            heap.append((start, end))
            room -= end - start
            start = end
            if not room:
                yield heap
                heap, room = [], limit
    if heap:
        yield heap
