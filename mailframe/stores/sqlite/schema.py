"""The tables, and how this room's numbers become SQLite's."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

import apsw

#: More expunged UIDs than these are worth a look of the sweeper: what a smaller limit would save is not worth its index.
LOGGED = 1_000

_VIEW = """
    CREATE VIEW arrival AS SELECT
        NULL AS mailbox, NULL AS uid, NULL AS flags, NULL AS modseq, NULL AS date, NULL AS saved, NULL AS size, NULL AS content,
        NULL AS octets, NULL AS head, NULL AS version, NULL AS envelope, NULL AS structure, NULL AS mime_index,
        NULL AS preview, NULL AS account, NULL AS own, NULL AS parent, NULL AS root;"""
_CONTENT = """
        INSERT INTO content (size, refs, since) VALUES (length(NEW.octets), 1, NEW.saved);
        INSERT INTO piece VALUES (last_insert_rowid() << 16, NEW.octets);"""
_TRIGGER = """
    CREATE TRIGGER {name} INSTEAD OF INSERT ON arrival WHEN {when} BEGIN{before}
        INSERT INTO message VALUES (
            NEW.mailbox, NEW.uid, NEW.flags, NEW.modseq, NEW.date, NEW.saved, NEW.size, {content}, NULL, coalesce({thread}));{links}
        INSERT INTO head SELECT NEW.mailbox, NEW.uid, NEW.head WHERE length(NEW.head) > 0;
        INSERT INTO attributes SELECT NEW.mailbox, NEW.uid, NEW.version, NEW.envelope, NEW.structure, NEW.mime_index, NEW.preview
            WHERE NEW.version IS NOT NULL;
    END;"""
_LINKED = "(SELECT thread FROM link WHERE account = NEW.account AND hash = NEW.{})"
_LINK = """
        INSERT OR IGNORE INTO link SELECT NEW.account, NEW.{0}, thread FROM message
            WHERE mailbox = NEW.mailbox AND uid = NEW.uid AND NEW.{0} <> 0;"""


def _arrival() -> str:
    """Step 2's view, with a trigger for each kind of arrival: with octets or content that is there, a reply or not.

    The conversation of a message is that of its own id, which a reply that came before may have told, of what it answers, of
    what it all began with; else it is named after the first of them. NULL without any id (0): by the rule of THREAD_ID.
    """
    triggers = [_VIEW]
    for octets, before, content in (("NOT NULL", _CONTENT, "last_insert_rowid() >> 16"), ("NULL", "", "NEW.content")):
        for root, said, name in (("<>", ("own", "parent", "root"), "reply"), ("=", ("own",), "message")):
            triggers.append(_TRIGGER.format(
                name=f"arrival_of_{name}_{'with_octets' if before else 'of_content'}",
                when=f"NEW.octets IS {octets} AND NEW.root {root} 0", before=before, content=content,
                thread=", ".join([*map(_LINKED.format, said), f"nullif(NEW.{said[-1]}, 0)"]),
                links="".join(map(_LINK.format, said)) if len(said) > 1 else ""))
    return "".join(triggers)


#: Steps are only ever added at the end.
MIGRATIONS = (
    """
    -- uidvalidity: the last one that was given to a mailbox of this account
    CREATE TABLE account (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, uidvalidity INTEGER NOT NULL);
    CREATE TABLE subscription (account INTEGER, name TEXT, PRIMARY KEY (account, name)) WITHOUT ROWID;

    -- Counts are changed in the transaction that changes the messages. name: NULL once deleted, until the sweeper has been.
    -- recent: the lowest UID that no session has been told of as recent.
    CREATE TABLE mailbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT, account INTEGER NOT NULL, name TEXT, special_use TEXT,
        uidvalidity INTEGER NOT NULL, uidnext INTEGER NOT NULL DEFAULT 1 CHECK (uidnext <= 4294967296),
        modseq INTEGER NOT NULL DEFAULT 1, messages INTEGER NOT NULL DEFAULT 0, unseen INTEGER NOT NULL DEFAULT 0,
        deleted INTEGER NOT NULL DEFAULT 0, size INTEGER NOT NULL DEFAULT 0, recent INTEGER NOT NULL DEFAULT 1,
        UNIQUE (account, name));
    CREATE INDEX mailbox_deleted ON mailbox (id) WHERE name IS NULL;
    CREATE TABLE keyword (mailbox INTEGER, number INTEGER, word TEXT NOT NULL, PRIMARY KEY (mailbox, number)) WITHOUT ROWID;

    -- Narrow on purpose: a listing of flags reads nothing else. email_id: NULL means 'M' mailbox '-' uid.
    CREATE TABLE message (
        mailbox INTEGER, uid INTEGER, flags INTEGER NOT NULL, modseq INTEGER NOT NULL, date INTEGER NOT NULL,
        saved INTEGER NOT NULL, size INTEGER NOT NULL, content INTEGER NOT NULL, email_id TEXT,
        PRIMARY KEY (mailbox, uid)) WITHOUT ROWID;
    CREATE INDEX message_changed ON message (mailbox, modseq);
    CREATE TABLE head (mailbox INTEGER, uid INTEGER, octets BLOB NOT NULL, PRIMARY KEY (mailbox, uid)) WITHOUT ROWID;
    CREATE TABLE attributes (
        mailbox INTEGER, uid INTEGER, version INTEGER NOT NULL, envelope BLOB NOT NULL, structure BLOB NOT NULL,
        mime_index BLOB NOT NULL, PRIMARY KEY (mailbox, uid)) WITHOUT ROWID;

    -- The log of expunges; and what readers may still finish reading.
    CREATE TABLE vanished (mailbox INTEGER, modseq INTEGER, uid INTEGER, PRIMARY KEY (mailbox, modseq, uid)) WITHOUT ROWID;
    CREATE TABLE lingering (
        mailbox INTEGER, uid INTEGER, content INTEGER NOT NULL, since REAL NOT NULL, PRIMARY KEY (mailbox, uid)) WITHOUT ROWID;
    CREATE INDEX lingering_since ON lingering (since);

    -- A message arrives by one INSERT into this view: every statement that the writer's thread runs gives the interpreter
    -- lock away and has to wait for it again, so six of them cost a busy server half of its intake.
    CREATE VIEW arrival AS SELECT
        NULL AS mailbox, NULL AS uid, NULL AS flags, NULL AS modseq, NULL AS date, NULL AS saved, NULL AS size, NULL AS content,
        NULL AS octets, NULL AS head, NULL AS version, NULL AS envelope, NULL AS structure, NULL AS mime_index;
    CREATE TRIGGER arrival_with_octets INSTEAD OF INSERT ON arrival WHEN NEW.octets IS NOT NULL BEGIN
        INSERT INTO content (size, refs, since) VALUES (length(NEW.octets), 1, NEW.saved);
        INSERT INTO piece VALUES (last_insert_rowid() << 16, NEW.octets);
        INSERT INTO message VALUES (
            NEW.mailbox, NEW.uid, NEW.flags, NEW.modseq, NEW.date, NEW.saved, NEW.size, last_insert_rowid() >> 16, NULL);
        INSERT INTO head SELECT NEW.mailbox, NEW.uid, NEW.head WHERE length(NEW.head) > 0;
        INSERT INTO attributes SELECT NEW.mailbox, NEW.uid, NEW.version, NEW.envelope, NEW.structure, NEW.mime_index
            WHERE NEW.version IS NOT NULL;
    END;
    CREATE TRIGGER arrival_of_content INSTEAD OF INSERT ON arrival WHEN NEW.octets IS NULL BEGIN
        INSERT INTO message VALUES (
            NEW.mailbox, NEW.uid, NEW.flags, NEW.modseq, NEW.date, NEW.saved, NEW.size, NEW.content, NULL);
        INSERT INTO head SELECT NEW.mailbox, NEW.uid, NEW.head WHERE length(NEW.head) > 0;
        INSERT INTO attributes SELECT NEW.mailbox, NEW.uid, NEW.version, NEW.envelope, NEW.structure, NEW.mime_index
            WHERE NEW.version IS NOT NULL;
    END;
    """,
    f"""
    -- max_octets, max_messages: NULL means as the settings say, less than 0 no limit
    ALTER TABLE account ADD COLUMN max_octets INTEGER;
    ALTER TABLE account ADD COLUMN max_messages INTEGER;

    -- expunged: how many UIDs the log of expunges holds, which is whole after the mod-sequence `forgotten`
    ALTER TABLE mailbox ADD COLUMN expunged INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE mailbox ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0;
    UPDATE mailbox SET expunged = log.n
        FROM (SELECT mailbox, count(*) AS n FROM vanished GROUP BY mailbox) AS log WHERE id = log.mailbox;
    CREATE INDEX mailbox_expunged ON mailbox (expunged) WHERE expunged > {LOGGED};

    -- thread: a hash that all of one conversation have, see THREAD_ID. link: what message ids (as hashes) replies have told
    -- of; the id of a message that answers nothing is not kept, since its conversation is named after it.
    ALTER TABLE message ADD COLUMN thread INTEGER;
    ALTER TABLE attributes ADD COLUMN preview BLOB NOT NULL DEFAULT x'';
    CREATE TABLE link (account INTEGER, hash INTEGER, thread INTEGER NOT NULL, PRIMARY KEY (account, hash)) WITHOUT ROWID;
    DROP VIEW arrival;
    {_arrival()}
    """,
)

#: RFC 8474 of a row m of message. Copies keep both, and what was there before threads were kept has one of its own.
EMAIL_ID = "coalesce(m.email_id, 'M' || m.mailbox || '-' || m.uid)"
THREAD_ID = f"CASE WHEN m.thread IS NULL THEN 'T' || substr({EMAIL_ID}, 2) ELSE printf('T%016x', m.thread) END"

#: The log of expunges may lack what happened up to this mod-sequence. To be asked after the log was read: it may be cut meanwhile.
FORGOTTEN = "SELECT forgotten FROM mailbox WHERE id = ?"
#: What changed last in a mailbox: without being told so, SQLite would rather read all of it than sort the few.
BY_CHANGE = "message INDEXED BY message_changed WHERE mailbox = ?"

MAX_INTEGER = (1 << 63) - 1


def signed(mask: int) -> int:
    """A 64-bit mask as SQLite keeps it."""
    return mask - (1 << 64) if mask >> 63 else mask


def masks(column: Sequence[int]) -> array[int]:
    """A column of SQLite's numbers as masks."""
    flags = array("Q")
    flags.frombytes(array("q", column).tobytes())
    return flags


def uid_set(uids: Sequence[int]) -> Any:
    """For ``uid IN carray(?)``: one statement for any number of UIDs."""
    return apsw.carray(array("q", uids or (-1,)))       # an empty array has no address
