"""The table of grants, on the server's own engine, and what must be true of its rows."""

from __future__ import annotations

from mailframe.sqlite.checking import Check

COMPONENT = "acl"

#: Steps are only ever added at the end.
MIGRATIONS = (
    """
    -- One row for each identifier in the list of a mailbox (place, its id) of owner, who is in none. store: what the configuration
    -- calls it. No column is called account or mailbox: those hold numbers of rows, and are dealt out with them.
    -- uidvalidity: of the mailbox that was shared, so that another one that comes to the same id shares nothing.
    CREATE TABLE acl (
        store TEXT NOT NULL, owner TEXT NOT NULL, place TEXT NOT NULL, identifier TEXT NOT NULL,
        uidvalidity INTEGER NOT NULL, rights TEXT NOT NULL, PRIMARY KEY (store, owner, place, identifier)) WITHOUT ROWID;
    CREATE INDEX acl_identifier ON acl (store, identifier);
    """,
)

CHECKS: tuple[Check, ...] = (
    Check("""SELECT store, owner, place, identifier, rights FROM acl
             WHERE rights = '' OR rights GLOB '*[^lrswipkxtea]*' OR identifier IN ('', '-')""",
          "sharing: {identifier!r} has {rights!r} on a mailbox of {owner}, which are no rights", "take them away",
          """DELETE FROM acl WHERE store = :store AND owner = :owner AND place = :place AND identifier = :identifier"""),
)
