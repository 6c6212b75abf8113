"""WITHIN: the search keys YOUNGER and OLDER (RFC 5032)."""

from __future__ import annotations

from mailframe.model.query import Query, Received

from ..registry import Extension, State
from ..search.searchkeys import KeyReader, SearchKey


def _edge(reader: KeyReader) -> int:
    """``nz-number`` seconds before now."""
    reader.cursor.space()
    return int(reader.now()) - reader.cursor.nz_number()


def _younger(reader: KeyReader) -> Query:
    return Received(first=_edge(reader))


def _older(reader: KeyReader) -> Query:
    return Received(until=_edge(reader) + 1)


EXTENSION = Extension(
    capability=b"WITHIN", rfc="5032", announced=State.LOGGED_IN,
    search_keys=(SearchKey(b"YOUNGER", _younger), SearchKey(b"OLDER", _older)),
)
