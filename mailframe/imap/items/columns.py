"""UID, FLAGS, INTERNALDATE, RFC822.SIZE, ENVELOPE and BODYSTRUCTURE: items that are columns (RFC 3501 section 7.4.2)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mailframe.mime.index import Index
from mailframe.mime.structure import render_body
from mailframe.model.mailbox import Field, Rows

from .. import writer
from .item import FetchItem, Scene

_NUMBER: Callable[[int], bytes] = b"%d".__mod__


@dataclass(frozen=True, slots=True)
class Uid:
    label: bytes = b"UID"
    fields: Field = Field.NONE

    def values(self, rows: Rows, scene: Scene) -> Iterable[bytes]:
        return map(_NUMBER, rows.uids)


@dataclass(frozen=True, slots=True)
class Flags:
    label: bytes = b"FLAGS"
    fields: Field = Field.FLAGS

    def values(self, rows: Rows, scene: Scene) -> Iterable[bytes]:
        rendered = map(scene.flags.__getitem__, rows.flags)
        if not scene.recent:
            return rendered
        values = list(rendered)
        for low, high in scene.recent:
            for place in range(bisect_left(rows.uids, low), bisect_right(rows.uids, high)):
                values[place] = scene.recent_flags[rows.flags[place]]
        return values


@dataclass(frozen=True, slots=True)
class InternalDate:
    label: bytes = b"INTERNALDATE"
    fields: Field = Field.DATE

    def values(self, rows: Rows, scene: Scene) -> Iterable[bytes]:
        return map(writer.date_time, rows.dates)


@dataclass(frozen=True, slots=True)
class Size:
    label: bytes = b"RFC822.SIZE"
    fields: Field = Field.SIZE

    def values(self, rows: Rows, scene: Scene) -> Iterable[bytes]:
        return map(_NUMBER, rows.sizes)


@dataclass(frozen=True, slots=True)
class Envelope:
    label: bytes = b"ENVELOPE"
    fields: Field = Field.ENVELOPE

    def values(self, rows: Rows, scene: Scene) -> Iterable[bytes]:
        return rows.envelopes


@dataclass(frozen=True, slots=True)
class BodyStructure:
    label: bytes = b"BODYSTRUCTURE"
    fields: Field = Field.STRUCTURE

    def values(self, rows: Rows, scene: Scene) -> Iterable[bytes]:
        return rows.structures


@dataclass(frozen=True, slots=True)
class Body:
    """BODY without a section: BODYSTRUCTURE without extension data, made from the MIME index."""

    label: bytes = b"BODY"
    fields: Field = Field.INDEX

    def values(self, rows: Rows, scene: Scene) -> Iterable[bytes]:
        return [render_body(Index.unpack(index)) for index in rows.indexes]


ITEMS: tuple[FetchItem, ...] = tuple(
    FetchItem(item.label, lambda cursor, item=item: item)       # type: ignore[misc]
    for item in (Uid(), Flags(), InternalDate(), Size(), Envelope(), BodyStructure())
)
