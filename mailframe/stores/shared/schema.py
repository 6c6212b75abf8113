"""The table of grants, on the server's own engine."""

from __future__ import annotations

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
