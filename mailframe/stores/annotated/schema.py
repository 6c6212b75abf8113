"""The tables of annotations, on the server's own engine, and what must be true of their rows."""

from __future__ import annotations

from mailframe.sqlite.checking import Check

COMPONENT = "metadata"

#: Steps are only ever added at the end.
MIGRATIONS = (
    """
    -- What has annotations. store: which one it is in; "" for the server itself, whose shared entries have the account "" and
    -- whose private ones have their owner's, with mailbox "". uidvalidity: a store that forgets may use an id again, and then
    -- the mailbox is another one. octets: of names and values, all actors' together.
    CREATE TABLE metadata_mailbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT, store TEXT NOT NULL, account TEXT NOT NULL, mailbox TEXT NOT NULL,
        uidvalidity INTEGER NOT NULL, octets INTEGER NOT NULL DEFAULT 0, UNIQUE (store, account, mailbox));
    -- actor: whose own it is; "" for a shared entry.
    CREATE TABLE metadata_entry (
        id INTEGER PRIMARY KEY, mailbox INTEGER NOT NULL, actor TEXT NOT NULL, name TEXT NOT NULL, value BLOB NOT NULL,
        UNIQUE (mailbox, actor, name));
    """,
)

_PLACE = "iif(store = '', trim('server ' || account), account || ' mailbox ' || metadata_mailbox.mailbox)"
_SUM = "(SELECT coalesce(sum(length(name) + length(value)), 0) FROM metadata_entry AS e WHERE e.mailbox = metadata_mailbox.id)"
_NAMED = "(actor = '' AND name LIKE '/shared/_%' OR actor <> '' AND name LIKE '/private/_%') AND name NOT GLOB '*[A-Z]*'"

#: In the order in which they are to be mended.
CHECKS: tuple[Check, ...] = (
    Check("""SELECT mailbox, count(*) AS n FROM metadata_entry
             WHERE mailbox NOT IN (SELECT id FROM metadata_mailbox) GROUP BY mailbox""",
          "annotations: nobody knows whose number {mailbox} are, {n} of them", "remove them",
          "DELETE FROM metadata_entry WHERE mailbox = :mailbox"),
    Check(f"""SELECT metadata_entry.id AS id, {_PLACE} AS place, name FROM metadata_entry
              JOIN metadata_mailbox ON metadata_mailbox.id = metadata_entry.mailbox
              WHERE NOT ({_NAMED}) OR typeof(value) <> 'blob'""",
          "annotations of {place}: {name!r} is no entry", "remove it", "DELETE FROM metadata_entry WHERE id = :id"),
    Check(f"SELECT id, {_PLACE} AS place, octets, {_SUM} AS real FROM metadata_mailbox WHERE octets <> {_SUM}",
          "annotations of {place}: counted as {octets} octets, are {real}", "count them anew",
          "UPDATE metadata_mailbox SET octets = :real WHERE id = :id"),
)
