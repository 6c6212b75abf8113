"""Jobs of the writer that keep annotations; plain SQL, one transaction each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import apsw

from mailframe.model.refusal import AnnotationTooBig, OverQuota, TooManyAnnotations
from mailframe.sqlite.rows import fetch

from .settings import MetadataLimits

#: Names and values, with the UIDVALIDITY of the mailbox when they were set.
FIND = """SELECT name, value, uidvalidity FROM metadata_place JOIN metadata_entry ON at = metadata_place.id
    WHERE store = ? AND owner = ? AND place = ? AND actor IN ('', ?) ORDER BY name"""
FIND_SERVER = """SELECT name, value FROM metadata_place JOIN metadata_entry ON at = metadata_place.id
    WHERE store = '' AND owner IN ('', ?) AND place = '' ORDER BY name"""
NOTED = "SELECT place, id FROM metadata_place WHERE store = ? AND owner = ?"


@dataclass(frozen=True, slots=True)
class Part:
    """Entries of one actor ("": shared ones) in one place: (store, owner, place) as `schema` tells."""

    place: tuple[str, str, str]
    uidvalidity: int
    actor: str
    entries: Mapping[str, bytes | None]


def keep(con: apsw.Connection, parts: Sequence[Part], limits: MetadataLimits) -> None:
    """All or none. Raises AnnotationTooBig, TooManyAnnotations, OverQuota."""
    for part in parts:
        _keep(con, part, limits)
    for place in {part.place for part in parts}:
        _close(con, place, limits)


def _keep(con: apsw.Connection, part: Part, limits: MetadataLimits) -> None:
    number = _opened(con, part)
    before = _count(con, number, part.actor)
    for name, value in part.entries.items():
        if value is None:
            con.execute("DELETE FROM metadata_entry WHERE at = ? AND actor = ? AND name = ?", (number, part.actor, name))
        elif len(value) > limits.max_value_octets:
            raise AnnotationTooBig(limits.max_value_octets)
        else:
            con.execute("INSERT INTO metadata_entry (at, actor, name, value) VALUES (?, ?, ?, ?) "
                        "ON CONFLICT (at, actor, name) DO UPDATE SET value = excluded.value",
                        (number, part.actor, name, value))
    after = _count(con, number, part.actor)
    if after > max(before, limits.max_entries):
        raise TooManyAnnotations


def _opened(con: apsw.Connection, part: Part) -> int:
    """The number of the row for this UIDVALIDITY; what was noted under another goes."""
    for number, uidvalidity in fetch(
            con, "SELECT id, uidvalidity FROM metadata_place WHERE store = ? AND owner = ? AND place = ?", part.place):
        if uidvalidity == part.uidvalidity:
            return int(number)
        forget(con, [number])
    con.execute("INSERT INTO metadata_place (store, owner, place, uidvalidity) VALUES (?, ?, ?, ?)",
                (*part.place, part.uidvalidity))
    return con.last_insert_rowid()


def _count(con: apsw.Connection, number: int, actor: str) -> int:
    return int(fetch(con, "SELECT count(*) FROM metadata_entry WHERE at = ? AND actor = ?", (number, actor))[0][0])


def _close(con: apsw.Connection, place: tuple[str, str, str], limits: MetadataLimits) -> None:
    """Count the octets; a row without entries goes."""
    store, owner, _ = place
    number, before, after = fetch(con, """
        SELECT metadata_place.id, octets, coalesce(sum(length(name) + length(value)), -1)
        FROM metadata_place LEFT JOIN metadata_entry ON at = metadata_place.id
        WHERE store = ? AND owner = ? AND place = ? GROUP BY metadata_place.id""", place)[0]
    if after < 0:
        con.execute("DELETE FROM metadata_place WHERE id = ?", (number,))
        return
    con.execute("UPDATE metadata_place SET octets = ? WHERE id = ?", (after, number))
    total = fetch(con, "SELECT sum(octets) FROM metadata_place WHERE store = ? AND owner = ?", (store, owner))[0][0]
    if after > before and total > limits.max_account_octets:
        raise OverQuota("Too many octets of annotations")


def forget(con: apsw.Connection, numbers: Sequence[int]) -> None:
    """All that is noted of these rows."""
    for number in numbers:
        con.execute("DELETE FROM metadata_entry WHERE at = ?", (number,))
        con.execute("DELETE FROM metadata_place WHERE id = ?", (number,))
