"""The tables of what is kept beside a store, on the server's own engine."""

from __future__ import annotations

#: Steps are only ever added at the end.
MIGRATIONS = (
    """
    -- store: what the configuration calls it, so that another store begins afresh. uidnext, messages, unseen, deleted are counts
    -- of what is noted here: where the store's own differ, something was changed that is not noted yet.
    -- recent: the lowest UID no session was told of as recent. pruned: changes before this mod-sequence are not known any more.
    CREATE TABLE beside_mailbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT, store TEXT NOT NULL, account TEXT NOT NULL, mailbox TEXT NOT NULL,
        uidvalidity INTEGER NOT NULL, uidnext INTEGER NOT NULL DEFAULT 1, modseq INTEGER NOT NULL,
        messages INTEGER NOT NULL DEFAULT 0, unseen INTEGER NOT NULL DEFAULT 0, deleted INTEGER NOT NULL DEFAULT 0,
        recent INTEGER NOT NULL DEFAULT 1, pruned INTEGER NOT NULL DEFAULT 0,
        UNIQUE (store, account, mailbox));
    CREATE TABLE beside_message (
        mailbox INTEGER, uid INTEGER, flags INTEGER NOT NULL, modseq INTEGER NOT NULL, PRIMARY KEY (mailbox, uid)) WITHOUT ROWID;
    CREATE INDEX beside_changed ON beside_message (mailbox, modseq);
    CREATE TABLE beside_vanished (mailbox INTEGER, modseq INTEGER, uid INTEGER, PRIMARY KEY (mailbox, modseq, uid)) WITHOUT ROWID;
    CREATE TABLE beside_attributes (
        mailbox INTEGER, uid INTEGER, version INTEGER NOT NULL, envelope BLOB NOT NULL, structure BLOB NOT NULL,
        mime_index BLOB NOT NULL, PRIMARY KEY (mailbox, uid)) WITHOUT ROWID;
    """,
)

#: What changed last: without being told so, SQLite would rather read the whole mailbox than sort the few.
BY_CHANGE = "beside_message INDEXED BY beside_changed WHERE mailbox = ?"
