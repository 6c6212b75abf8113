"""What the index keeps beside the SQLite store's own tables: which file is which message, and what was seen of folders."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import apsw

from mailframe.stores.sqlite.schema import uid_set


def _begin_numbers(con: apsw.Connection) -> None:
    """Mailbox ids (and the EMAILIDs made of them) begin with the time: an index that is made again gives none twice."""
    con.execute("INSERT INTO sqlite_sequence (name, seq) SELECT 'mailbox', ? WHERE NOT EXISTS "
                "(SELECT 1 FROM sqlite_sequence WHERE name = 'mailbox')", (time.time_ns() // 1_000_000,))


#: Of the component "maildir". inode: of the folder's cur, by which a renamed folder is known again. cur, new: the times of
#: these directories (ns) when nothing in them was unknown here, 0 when that is not sure. words: that of the
#: keywords file. fresh: the file lies in new.
MIGRATIONS = (
    """
    CREATE TABLE maildir_folder (
        mailbox INTEGER PRIMARY KEY, folder BLOB NOT NULL, inode INTEGER NOT NULL,
        cur INTEGER NOT NULL DEFAULT 0, new INTEGER NOT NULL DEFAULT 0, words INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE maildir_file (
        mailbox INTEGER, uid INTEGER, fresh INTEGER NOT NULL, name BLOB NOT NULL, PRIMARY KEY (mailbox, uid)) WITHOUT ROWID;
    CREATE INDEX maildir_fresh ON maildir_file (mailbox, uid) WHERE fresh;
    """,
    _begin_numbers,
)

KNOWN = "SELECT uid, fresh, name FROM maildir_file WHERE mailbox = ?"
KNOWN_FRESH = "SELECT uid, fresh, name FROM maildir_file INDEXED BY maildir_fresh WHERE mailbox = ? AND fresh"
FILE = "SELECT fresh, name FROM maildir_file WHERE mailbox = ? AND uid = ?"
THESE = """
    SELECT m.uid, m.flags, m.modseq, m.date, m.size, f.fresh, f.name FROM message AS m JOIN maildir_file AS f USING (mailbox, uid)
    WHERE m.mailbox = ?"""


def keep(con: apsw.Connection, mailbox: int, uids: Iterable[int], files: Iterable[tuple[bool, bytes]]) -> None:
    """New or renamed files of `uids`: (whether in new, name)."""
    con.executemany("INSERT OR REPLACE INTO maildir_file VALUES (?, ?, ?, ?)", (
        (mailbox, uid, int(fresh), name) for uid, (fresh, name) in zip(uids, files, strict=True)))


def forget(con: apsw.Connection, mailbox: int, uids: Sequence[int]) -> None:
    con.execute("DELETE FROM maildir_file WHERE mailbox = ? AND uid IN carray(?)", (mailbox, uid_set(uids)))


#: (mailbox, name, special use, folder or NULL, inode, times of cur, new, keywords) of each mailbox
FOLDERS = """
    SELECT m.id, m.name, m.special_use, f.folder, f.inode, f.cur, f.new, f.words
    FROM mailbox AS m LEFT JOIN maildir_folder AS f ON f.mailbox = m.id WHERE m.account = ? AND m.name IS NOT NULL"""


def put_folder(con: apsw.Connection, mailbox: int, folder: bytes, inode: int) -> None:
    con.execute("INSERT INTO maildir_folder (mailbox, folder, inode) VALUES (?1, ?2, ?3) "
                "ON CONFLICT (mailbox) DO UPDATE SET folder = ?2, inode = ?3", (mailbox, folder, inode))


def drop_folder(con: apsw.Connection, mailbox: int) -> None:
    con.execute("DELETE FROM maildir_folder WHERE mailbox = ?", (mailbox,))
    con.execute("DELETE FROM maildir_file WHERE mailbox = ?", (mailbox,))


def put_times(con: apsw.Connection, mailbox: int, cur: int, new: int, words: int) -> None:
    con.execute("UPDATE maildir_folder SET cur = ?, new = ?, words = ? WHERE mailbox = ?", (cur, new, words, mailbox))
