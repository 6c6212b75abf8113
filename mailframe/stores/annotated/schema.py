"""The tables of annotations, on the server's own engine, and what must be true of their rows."""

from __future__ import annotations

from typing import Any

import apsw

from mailframe.sqlite.checking import Check
from mailframe.sqlite.rows import fetch

COMPONENT = "metadata"

#: Steps are only ever added at the end. No column is called account or mailbox: those are numbers of rows where mail rests in
#: this database, too (`stores.sqlite.reshard`), and here they are the words of any store.
MIGRATIONS = (
    """
    -- What has annotations: `place`, the id of one of `owner`'s mailboxes in `store`. In the store "" it is the server itself, with
    -- the place "": its shared entries have the owner "", and private ones whoever made them. uidvalidity: a store that forgets
    -- may use an id again, and then the mailbox is another one. octets: of names and values, all actors' together.
    CREATE TABLE metadata_place (
        id INTEGER PRIMARY KEY AUTOINCREMENT, store TEXT NOT NULL, owner TEXT NOT NULL, place TEXT NOT NULL,
        uidvalidity INTEGER NOT NULL, octets INTEGER NOT NULL DEFAULT 0, UNIQUE (store, owner, place));
    -- at: the row of metadata_place. actor: whose own it is; "" for a shared entry.
    CREATE TABLE metadata_entry (
        id INTEGER PRIMARY KEY, at INTEGER NOT NULL, actor TEXT NOT NULL, name TEXT NOT NULL, value BLOB NOT NULL,
        UNIQUE (at, actor, name));
    """,
)

_PLACE = "iif(store = '', trim('the server ' || owner), owner || ' mailbox ' || place)"
_SUM = "(SELECT coalesce(sum(length(name) + length(value)), 0) FROM metadata_entry WHERE at = metadata_place.id)"
_NAMED = "(actor = '' AND name LIKE '/shared/_%' OR actor <> '' AND name LIKE '/private/_%') AND name NOT GLOB '*[A-Z]*'"

#: In the order in which they are to be mended.
CHECKS: tuple[Check, ...] = (
    Check("SELECT at, count(*) AS n FROM metadata_entry WHERE at NOT IN (SELECT id FROM metadata_place) GROUP BY at",
          "annotations: nobody knows whose number {at} are, {n} of them", "remove them",
          "DELETE FROM metadata_entry WHERE at = :at"),
    Check(f"""SELECT metadata_entry.id AS id, {_PLACE} AS place, name FROM metadata_entry
              JOIN metadata_place ON metadata_place.id = at WHERE NOT ({_NAMED}) OR typeof(value) <> 'blob'""",
          "annotations of {place}: {name!r} is no entry", "remove it", "DELETE FROM metadata_entry WHERE id = :id"),
    Check(f"SELECT id, {_PLACE} AS place, octets, {_SUM} AS real FROM metadata_place WHERE octets <> {_SUM}",
          "annotations of {place}: counted as {octets} octets, are {real}", "count them anew",
          "UPDATE metadata_place SET octets = :real WHERE id = :id"),
)


def stats(con: apsw.Connection) -> dict[str, Any]:
    """How many there are, and how much."""
    entries, = fetch(con, "SELECT count(*) FROM metadata_entry")
    octets, = fetch(con, "SELECT coalesce(sum(octets), 0) FROM metadata_place")
    return {"annotations": entries[0], "annotation_octets": octets[0]}
