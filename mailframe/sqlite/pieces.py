"""How content rests in tables, and what the writer's jobs may do with it: insert, reference, release."""

from __future__ import annotations

import apsw

from mailframe.model.refusal import TryAgainLater

from .rows import fetch

PIECE = 256 * 1024          # octets in a row: more would hold up others' commits, and `substr` on long blobs is slow
PIECE_BITS = 16             # piece n of content c is row c << 16 | n: 16 GiB for one content

#: `size` is NULL while the content is not whole: being staged, or being removed. `since` is when the last reference went.
#: `outside` is the id of octets that rest in a content store beside the database, and then there are no pieces;
#: `content_orphan` has such ids that were found there, from when on, and that no row knows.
MIGRATIONS = (
    """
    CREATE TABLE content (id INTEGER PRIMARY KEY AUTOINCREMENT, size INTEGER, refs INTEGER NOT NULL, since REAL NOT NULL);
    CREATE INDEX content_idle ON content (since) WHERE refs = 0;
    CREATE TABLE piece (id INTEGER PRIMARY KEY, octets BLOB NOT NULL);
    """,
    """
    ALTER TABLE content ADD COLUMN outside TEXT;
    CREATE UNIQUE INDEX content_outside ON content (outside) WHERE outside IS NOT NULL;
    CREATE TABLE content_orphan (outside TEXT PRIMARY KEY, seen REAL NOT NULL) WITHOUT ROWID;
    """,
)


def insert(con: apsw.Connection, octets: bytes, references: int, now: float) -> int:
    """Keep `octets`, with so many references already counted; returns the content's id."""
    con.execute("INSERT INTO content (size, refs, since) VALUES (?, ?, ?)", (len(octets), references, now))
    content = con.last_insert_rowid()
    first = content << PIECE_BITS
    if len(octets) <= PIECE:
        con.execute("INSERT INTO piece VALUES (?, ?)", (first, octets))
    else:
        con.executemany("INSERT INTO piece VALUES (?, ?)", (
            (first + number, octets[offset:offset + PIECE])
            for number, offset in enumerate(range(0, len(octets), PIECE))))
    return content


def reference(con: apsw.Connection, content: int, count: int = 1) -> int:
    """Count `count` more references; returns the content's size in octets. Raises TryAgainLater when it is gone."""
    found = fetch(con, "UPDATE content SET refs = refs + ? WHERE id = ? AND size IS NOT NULL RETURNING size", (count, content))
    if not found:
        raise TryAgainLater(detail=f"content {content} is gone")
    return int(found[0][0])


def release(con: apsw.Connection, content: int, count: int, now: float) -> None:
    """Count `count` references fewer; without any the content stays until the sweeper finds it old enough."""
    con.execute("UPDATE content SET refs = refs - ?, since = ? WHERE id = ?", (count, now, content))
