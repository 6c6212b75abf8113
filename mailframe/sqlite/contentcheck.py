"""Whether content is whole and rightly counted; octets that are lost are replaced by lines that say so, of the same length."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import apsw

from .checking import Check
from .pieces import PIECE, PIECE_BITS
from .rows import fetch

Keep = Callable[[apsw.Connection, Mapping[str, Any]], None]

_MOST = 1 << 32         # octets: no message is larger, so what claims to be is not believed
_FOUND = "keep them as a message of the account for what was found"


@dataclass(frozen=True, slots=True)
class Referrer:
    """A table whose rows refer to content."""

    kind: str           # a word of this referrer's own
    rows: str           # SELECT content, the octets it is said to have, and two numbers that name the row
    place: str          # SQL that makes of these numbers, {a} and {b}, what a person calls the row


def checks(referrers: Sequence[Referrer], lost: Sequence[Check], keep: Keep, columns: Sequence[str]) -> list[Check]:
    """`lost` is done for content that is not whole before that is filled up; `keep` finds a place for what nobody has.

    What was half staged or half removed at a crash is no fault: the next start gives it up, and the sweeper takes it away.
    `columns` are those of the table: without `outside`, or where it is NULL, the octets are pieces of this database.
    """
    every = _every(referrers)
    return [
        *lost,
        Check(broken(referrers, columns), "{place}: {wrong}",
              "put lines that say so in the place of the lost octets; what is readable stays", _fill),
        Check(f"""
            SELECT piece.id >> {PIECE_BITS} AS content, 0 AS size, min(piece.id) AS first FROM piece
            WHERE piece.id >> {PIECE_BITS} NOT IN (SELECT id FROM content) GROUP BY 1""",
              "content {content}: its octets belong to no content", _FOUND, _adopt(keep)),
        Check(f"""
            SELECT id AS content, coalesce(size, 0) AS size, refs FROM content
            WHERE refs > 0 AND id NOT IN (SELECT content FROM ({every}))""",
              "content {content}: {refs} messages are said to have it, and none does", _FOUND, _adopt(keep)),
        Check(f"""
            SELECT content.id AS content, refs, coalesce(n, 0) AS n
            FROM content LEFT JOIN (SELECT content, count(*) AS n FROM ({every}) GROUP BY content) AS real
                ON real.content = content.id
            WHERE refs != coalesce(n, 0)""",
              "content {content}: {refs} messages are said to have it, and {n} do", "count them", """
            UPDATE content SET refs = :n, since = CASE WHEN :n = 0 THEN unixepoch() ELSE since END WHERE id = :content"""),
    ]


def broken(referrers: Sequence[Referrer], columns: Sequence[str]) -> str:
    """SQL that yields (content, size, want, a, b, place, wrong) of each that is referred to and not whole."""
    inside = "content.outside IS NULL AND" if "outside" in columns else ""
    places = " ".join(f"WHEN '{each.kind}' THEN {each.place.format(a='wanted.a', b='wanted.b')}" for each in referrers)
    return f"""
        WITH real AS MATERIALIZED (
            SELECT CAST(id >> {PIECE_BITS} AS INTEGER) AS content, count(*) AS n, sum(length(octets)) AS octets,
                max(id & {(1 << PIECE_BITS) - 1}) AS last, max(length(octets)) AS longest FROM piece GROUP BY 1),
        wanted AS MATERIALIZED (SELECT content, max(want) AS want, a, b, kind FROM ({_every(referrers)}) GROUP BY content)
        SELECT wanted.content, content.size, want, a, b, CASE kind {places} END AS place,
            CASE WHEN real.n IS NULL THEN 'all octets of its content are missing'
            WHEN content.id IS NULL THEN 'its content is not listed'
            WHEN content.size IS NULL THEN 'its content is said to be unfinished'
            WHEN last != real.n - 1 THEN 'pieces of its content are missing'
            ELSE 'its content has ' || octets || ' octets instead of ' || size END AS wrong
        FROM wanted LEFT JOIN content ON content.id = wanted.content LEFT JOIN real ON real.content = wanted.content
        WHERE {inside} (real.n IS NULL OR content.size IS NULL OR octets != size OR last != real.n - 1
            OR real.n != max(1, (size + {PIECE - 1}) / {PIECE}) OR longest > {PIECE})"""


def outside(con: apsw.Connection, wrong: Callable[[str], str | None], read: Callable[[str], bytes]) -> list[Check]:
    """A check for each content that is referred to and whose octets, beside the database, are not as they were.

    `wrong` says what is the matter with those of an id, `read` gives what is left of them. The repair takes that into the
    database; what is missing then is filled up like that of any other content.
    """
    def inward(con: apsw.Connection, row: Mapping[str, Any]) -> None:
        bring_inside(con, row["content"], read(row["outside"]))

    found = []
    for content, name in con.execute("SELECT id, outside FROM content WHERE outside IS NOT NULL AND refs > 0"):
        if said := wrong(name):
            text = apsw.format_sql_value(said)
            found.append(Check(
                f"SELECT id AS content, outside, {text} AS said FROM content WHERE id = {content} AND outside IS NOT NULL",
                "content {content}: {outside} {said}", "take what is left of it into the database", inward))
    return found


def bring_inside(con: apsw.Connection, content: int, octets: bytes) -> None:
    """The octets of `content` are in this database from now on, and nothing beside it is meant any more."""
    con.execute("UPDATE content SET outside = NULL WHERE id = ?", (content,))
    con.executemany("INSERT INTO piece VALUES (?, ?)", [
        ((content << PIECE_BITS) + offset // PIECE, octets[offset:offset + PIECE]) for offset in range(0, len(octets), PIECE)])


def filler(offset: int, size: int) -> bytes:
    """`size` octets of text for what is lost at `offset` of a content; at its beginning they are a header."""
    head = b"Subject: [The text of this message was lost]\r\n\r\n" if offset == 0 else b""
    line = b"[These octets were lost and cannot be read any more.]\r\n"
    return (head + line * (size // len(line) + 1))[:size]


def _fill(con: apsw.Connection, row: Mapping[str, Any]) -> None:
    """Every piece there and full but the last, `size` their sum; nothing that is readable is cut."""
    content, base = row["content"], row["content"] << PIECE_BITS
    lengths = _pieces(con, base)
    there = max((number * PIECE + length for number, length in lengths.items()), default=0)
    said = [size for size in (row["want"], row["size"]) if size is not None and there <= size <= _MOST]
    size = min(said, default=there)         # where they differ, the one that invents less
    for number in range(max(1, -(-size // PIECE))):
        full, has = min(PIECE, size - number * PIECE), lengths.get(number, 0)
        if has < full or number not in lengths:
            con.execute("INSERT INTO piece VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET octets = CAST(octets || ?2 AS BLOB)",
                        (base + number, filler(number * PIECE + has, full - has)))
    con.execute("""
        INSERT INTO content (id, size, refs, since) VALUES (?1, ?2, 0, ?3) ON CONFLICT (id) DO UPDATE SET size = ?2""",
                (content, size, time.time()))


def _pieces(con: apsw.Connection, base: int) -> dict[int, int]:
    """Each piece's length by its number; what is longer than a piece may be is cut into several."""
    last = base + (1 << PIECE_BITS) - 1
    sql = "SELECT id - ?1, length(octets) FROM piece WHERE id BETWEEN ?1 AND ?2"
    lengths: dict[int, int] = dict(fetch(con, sql, (base, last)))
    if max(lengths.values(), default=0) > PIECE:
        found = fetch(con, "SELECT octets FROM piece WHERE id BETWEEN ? AND ? ORDER BY id", (base, last))
        octets = b"".join([row[0] for row in found])
        con.execute("DELETE FROM piece WHERE id BETWEEN ? AND ?", (base, last))
        con.executemany("INSERT INTO piece VALUES (?, ?)", [
            (base + offset // PIECE, octets[offset:offset + PIECE]) for offset in range(0, len(octets), PIECE)])
        lengths = dict(fetch(con, sql, (base, last)))
    return lengths


def _every(referrers: Sequence[Referrer]) -> str:
    return " UNION ALL ".join(f"SELECT *, '{each.kind}' AS kind FROM ({each.rows})" for each in referrers)


def _adopt(keep: Keep) -> Keep:
    def mend(con: apsw.Connection, row: Mapping[str, Any]) -> None:
        _fill(con, {**row, "want": None})
        keep(con, row)
    return mend
