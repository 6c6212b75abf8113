"""A mailbox's keyword table, as the writer's jobs read it and let it grow."""

from __future__ import annotations

import apsw

from mailframe.sqlite.rows import fetch


def table(con: apsw.Connection, mailbox: int) -> tuple[str, ...]:
    """The mailbox's keywords in their order."""
    return tuple(row[0] for row in fetch(con, "SELECT word FROM keyword WHERE mailbox = ? ORDER BY number", (mailbox,)))


def grow(con: apsw.Connection, mailbox: int, old: tuple[str, ...], new: tuple[str, ...]) -> None:
    """Write down what `new` has beyond `old`."""
    rows = [(mailbox, number, new[number]) for number in range(len(old), len(new))]
    con.executemany("INSERT INTO keyword VALUES (?, ?, ?)", rows)
