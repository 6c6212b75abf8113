"""SAVEDATE (RFC 8514): when a message came into its mailbox, told by FETCH and looked for by SEARCH."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mailframe.interfaces.store import ISaveDates
from mailframe.model.mailbox import Field, Rows
from mailframe.model.query import Everything, Query, Saved, midnight

from .. import writer
from ..items.item import FetchItem, Scene
from ..registry import Extension, State
from ..search.searchkeys import KeyReader, SearchKey, day_of


@dataclass(frozen=True, slots=True)
class SaveDate:
    label: bytes = b"SAVEDATE"
    fields: Field = Field.SAVED

    def values(self, rows: Rows, scene: Scene) -> Iterable[bytes]:
        return map(writer.date_time, rows.saved)


def _on(reader: KeyReader) -> Query:
    day = day_of(reader)
    return Saved(midnight(day), midnight(day + 1))


EXTENSION = Extension(
    capability=b"SAVEDATE", rfc="8514", needs=(ISaveDates,), announced=State.LOGGED_IN,
    items=(FetchItem(b"SAVEDATE", lambda cursor: SaveDate()),),
    search_keys=(
        SearchKey(b"SAVEDBEFORE", lambda reader: Saved(until=midnight(day_of(reader)))),
        SearchKey(b"SAVEDON", _on),
        SearchKey(b"SAVEDSINCE", lambda reader: Saved(first=midnight(day_of(reader)))),
        SearchKey(b"SAVEDATESUPPORTED", lambda reader: Everything()),
    ),
)
