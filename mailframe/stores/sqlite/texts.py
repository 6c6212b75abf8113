"""The tables of decoded text for search, by content: copies and recipients share it, and it goes when the content goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import apsw

from mailframe.mime.searchtext import VERSION
from mailframe.sqlite.rows import Row

COMPONENT = "text"

#: Apart from each other, so that a search of headers does not read the bodies. header: `kept_header`, NULL where all
#: has to be read. No row in text_body: the body has to be read. indexed: 1 when the words of both are in the full-text index.
MIGRATIONS = (
    """
    CREATE TABLE text (content INTEGER PRIMARY KEY, version INTEGER NOT NULL, indexed INTEGER NOT NULL, header BLOB);
    CREATE TABLE text_body (content INTEGER PRIMARY KEY, version INTEGER NOT NULL, octets BLOB NOT NULL);
    CREATE TRIGGER text_gone AFTER DELETE ON content BEGIN
        DELETE FROM text_body WHERE content = OLD.id;
        DELETE FROM text WHERE content = OLD.id;
    END;
    """,
)

#: (content, octets or NULL while it is being staged, references) of those that have no text, and how far it looked
_LACKING = """
    WITH some AS MATERIALIZED (SELECT id, size, refs FROM content WHERE id {side} ? ORDER BY id {order} LIMIT ?)
    SELECT id, size, refs, 1 FROM some WHERE NOT EXISTS (SELECT 1 FROM text WHERE content = id AND version = ?)
    UNION ALL SELECT {last}(id), 0, 0, 0 FROM some"""
NEWER = _LACKING.format(side=">", order="ASC", last="max")
OLDER = _LACKING.format(side="<", order="DESC", last="min")
THESE = "SELECT id, size, refs FROM content WHERE id IN carray(?)"


@dataclass(frozen=True, slots=True)
class Text:
    """A content's text in UTF-8, folded. None: has to be read from the content itself."""

    content: int
    header: bytes | None
    body: bytes | None

    @property
    def size(self) -> int:
        return len(self.header or b"") + len(self.body or b"")


def encoded(text: str) -> bytes:
    """As it is kept and as it is searched for: a character's octets are never found within those of others."""
    return text.encode("utf-8", "surrogatepass")


def keep(con: apsw.Connection, made: Sequence[Text], version: int = VERSION) -> None:
    """Of those contents that are still there."""
    con.executemany("INSERT OR REPLACE INTO text SELECT ?1, ?2, 0, ?3 WHERE EXISTS (SELECT 1 FROM content WHERE id = ?1)", [
        (text.content, version, text.header) for text in made])
    con.executemany("DELETE FROM text_body WHERE content = ?", [(text.content,) for text in made if text.body is None])
    bodies: list[Row] = [(text.content, version, text.body) for text in made if text.body is not None]
    con.executemany(
        "INSERT OR REPLACE INTO text_body SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM content WHERE id = ?1)", bodies)
