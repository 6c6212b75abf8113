"""The table of grants, on the server's own engine, and what must be true of its rows."""

from __future__ import annotations

from mailframe.sqlite.checking import Check

COMPONENT = "acl"

#: Steps are only ever added at the end.
MIGRATIONS = (
    """
    -- One row for each identifier in a mailbox's list; the owner is in none. store: what the configuration calls it.
    -- uidvalidity: of the mailbox that was shared, so that another one that comes to the same id shares nothing.
    CREATE TABLE acl (
        store TEXT NOT NULL, account TEXT NOT NULL, mailbox TEXT NOT NULL, identifier TEXT NOT NULL,
        uidvalidity INTEGER NOT NULL, rights TEXT NOT NULL, PRIMARY KEY (store, account, mailbox, identifier)) WITHOUT ROWID;
    CREATE INDEX acl_identifier ON acl (store, identifier);
    """,
)

CHECKS: tuple[Check, ...] = (
    Check("""SELECT store, account, mailbox, identifier, rights FROM acl
             WHERE rights = '' OR rights GLOB '*[^lrswipkxtea]*' OR identifier IN ('', '-')""",
          "sharing: {identifier!r} has {rights!r} on a mailbox of {account}, which are no rights", "take them away",
          """DELETE FROM acl WHERE store = :store AND account = :account AND mailbox = :mailbox AND identifier = :identifier"""),
)
