"""The optional full-text index (FTS5, trigrams): which contents may hold some letters. It narrows a search, it never decides."""

from __future__ import annotations

import apsw

from mailframe.mime.fuzzy import plain
from mailframe.mime.searchtext import VERSION
from mailframe.sqlite.rows import fetch

COMPONENT = "words"

#: Trigrams of folded text find any three letters in a row, in any language. detail=none: which content, not where, and
#: no copy of the text. The triggers stay when the setting is turned off, so what is left in the index goes with its content.
MIGRATIONS = (
    """
    CREATE VIRTUAL TABLE words USING fts5(
        text, content = '', contentless_delete = 1, detail = none, tokenize = 'trigram case_sensitive 1');
    CREATE INDEX text_unindexed ON text (content) WHERE indexed = 0;
    CREATE TRIGGER words_gone AFTER DELETE ON text WHEN OLD.indexed = 1 BEGIN DELETE FROM words WHERE rowid = OLD.content; END;
    """,
    # Without accents, so that FUZZY finds words however they are written; a text with them is proposed as well, and looked at.
    """
    DROP TABLE words;
    CREATE VIRTUAL TABLE words USING fts5(
        text, content = '', contentless_delete = 1, detail = none, tokenize = 'trigram remove_diacritics 1');
    UPDATE text SET indexed = 0 WHERE indexed <> 0;
    """,
)

#: Whether there is anything for `index` to do.
WAITING = "SELECT 1 FROM text INDEXED BY text_unindexed WHERE indexed = 0 AND version = ? LIMIT 1"

SHORTEST = 3            # characters of a needle: there is nothing shorter in the index
_TERMS = 24             # trigrams of a needle that are looked up
_SPREAD = 50            # ids for each content of the page looked at: beyond, going through other accounts' costs more than a scan
_SLICE = 4              # contents indexed in one job: some 6 ms of the writer at 10 KiB
_SLICE_OCTETS = 65_536


def index(con: apsw.Connection, version: int = VERSION) -> int:
    """In the writer's job: some more contents, newest first; how many there were to look at."""
    found = fetch(con, """
        SELECT t.content, length(t.header) + length(b.octets) FROM text AS t INDEXED BY text_unindexed
        LEFT JOIN text_body AS b ON b.content = t.content AND b.version = t.version
        WHERE t.indexed = 0 AND t.version = ? ORDER BY t.content DESC LIMIT ?""", (version, _SLICE))
    room = _SLICE_OCTETS
    for content, size in found:
        if size is None:            # not all of it is kept, so it is read or scanned in any case
            con.execute("UPDATE text SET indexed = 2 WHERE content = ?", (content,))
            continue
        if room <= 0:
            break
        room -= size
        con.execute("""
            INSERT OR REPLACE INTO words (rowid, text) SELECT t.content, CAST(t.header || b.octets AS TEXT)
            FROM text AS t JOIN text_body AS b USING (content) WHERE t.content = ?""", (content,))
        con.execute("UPDATE text SET indexed = 1 WHERE content = ?", (content,))
    return len(found)


def terms(needle: str) -> str | None:
    """What to MATCH for contents that may hold `needle`, with or without accents; None where the index cannot tell."""
    needle = plain(needle)
    if len(needle) < SHORTEST or not needle.isprintable():
        return None
    found = list(dict.fromkeys(needle[place:place + 3] for place in range(len(needle) - 2)))
    step = -(-len(found) // _TERMS)
    return " AND ".join(['"' + term.replace('"', '""') + '"' for term in found[::step]])


def worthwhile(contents: int, lowest: int, highest: int) -> bool:
    """Whether the index is to be asked about so many contents between two ids."""
    return highest - lowest < contents * _SPREAD


