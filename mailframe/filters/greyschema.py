"""The greylist's tables, and what the writer's jobs do with them."""

from __future__ import annotations

import apsw

from mailframe.sqlite.rows import fetch

COMPONENT = "greylist"

#: Times are seconds since the epoch. `pair` is a digest of sender and recipient; `passed` is 0 until a retry was let in.
#: `clients` are networks, with how many of their triplets have passed.
MIGRATIONS = (
    """
    CREATE TABLE greylist (
        network TEXT NOT NULL, pair BLOB NOT NULL, first REAL NOT NULL, lapses REAL NOT NULL, passed INTEGER NOT NULL,
        PRIMARY KEY (network, pair)) WITHOUT ROWID;
    CREATE INDEX greylist_lapses ON greylist (lapses);
    CREATE TABLE greylist_client (
        network TEXT PRIMARY KEY, good INTEGER NOT NULL, lapses REAL NOT NULL) WITHOUT ROWID;
    CREATE INDEX greylist_client_lapses ON greylist_client (lapses);
    """,
)
SLICE = 500     # rows that one job sweeps away


def note(con: apsw.Connection, network: str, pair: bytes, now: float, lapses: float) -> None:
    """A triplet is new, or comes again after it lapsed, or its time is still to come: the clock was set back."""
    con.execute(
        "INSERT INTO greylist VALUES (?1, ?2, ?3, ?4, 0) ON CONFLICT (network, pair) "
        "DO UPDATE SET first = ?3, lapses = ?4, passed = 0 WHERE lapses <= ?3 OR first > ?3", (network, pair, now, lapses))


def passed(con: apsw.Connection, network: str, pair: bytes, now: float, lapses: float) -> None:
    """It was let in: for the first time, which counts for its network, or again."""
    con.execute("UPDATE greylist SET passed = 1 WHERE network = ? AND pair = ? AND passed = 0", (network, pair))
    if con.changes():
        con.execute(
            "INSERT INTO greylist_client VALUES (?1, 1, ?3) ON CONFLICT (network) "
            "DO UPDATE SET good = CASE WHEN lapses <= ?2 THEN 1 ELSE good + 1 END, lapses = ?3", (network, now, lapses))
    con.execute("UPDATE greylist SET lapses = ? WHERE network = ? AND pair = ?", (lapses, network, pair))


def seen(con: apsw.Connection, network: str, lapses: float) -> None:
    """A known network is still there."""
    con.execute("UPDATE greylist_client SET lapses = ? WHERE network = ?", (lapses, network))


def sweep(con: apsw.Connection, now: float) -> tuple[int, int]:
    """Remove a slice of what has lapsed: how many triplets, how many networks."""
    con.execute("DELETE FROM greylist WHERE (network, pair) IN "
                "(SELECT network, pair FROM greylist WHERE lapses <= ? ORDER BY lapses LIMIT ?)", (now, SLICE))
    gone = int(con.changes())
    con.execute("DELETE FROM greylist_client WHERE network IN "
                "(SELECT network FROM greylist_client WHERE lapses <= ? ORDER BY lapses LIMIT ?)", (now, SLICE))
    return gone, int(con.changes())


def make_room(con: apsw.Connection, number: int) -> int:
    """Remove those that lapse first; how many there were."""
    con.execute("DELETE FROM greylist WHERE (network, pair) IN "
                "(SELECT network, pair FROM greylist ORDER BY lapses LIMIT ?)", (number,))
    return int(con.changes())


def forget(con: apsw.Connection, network: str) -> tuple[int, int]:
    """Everything about a network: how many rows that was, and how many of them triplets."""
    con.execute("DELETE FROM greylist WHERE network = ?", (network,))
    gone = int(con.changes())
    con.execute("DELETE FROM greylist_client WHERE network = ?", (network,))
    return gone + int(con.changes()), gone


def number(con: apsw.Connection) -> int:
    """Triplets that are kept."""
    return int(fetch(con, "SELECT count(*) FROM greylist")[0][0])
