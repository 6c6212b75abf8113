"""What the database holds while no server runs, of the queue, of what was sent, and of who was asked to come again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import apsw


@dataclass(frozen=True)
class Queued:
    """The terms of a message that waits."""

    hold: float | None
    by: float               # the deadline; 0.0: none
    mode: str               # N, R or nothing
    priority: int
    next_try: float         # of the recipient who is tried first


class Rest:
    """Reads a copy, so that whatever a crash left is there for the server to mend."""

    def __init__(self, data: Path, scratch: Path) -> None:
        self._data, self._scratch = data, scratch

    @contextmanager
    def _open(self) -> Iterator[apsw.Connection]:
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir()
        for file in self._data.glob("mailframe.db*"):
            if not file.name.endswith("-shm"):
                shutil.copy(file, self._scratch)
        connection = apsw.Connection(str(self._scratch / "mailframe.db"))
        try:
            yield connection
        finally:
            connection.close()

    def queued(self) -> dict[str, Queued]:
        """By ENVID."""
        with self._open() as connection:
            rows = connection.execute("""
                SELECT envelope, min(next_try) FROM queue_message JOIN queue_recipient ON message = queue_message.id
                GROUP BY message""").fetchall()
        found = {}
        for text, next_try in rows:
            envelope = json.loads(text)
            by = envelope.get("by") or [0.0, None, False]
            mode = "" if by[1] is None else "N" if by[1] else "R"
            if envelope["envid"]:
                found[envelope["envid"]] = Queued(envelope.get("hold"), by[0], mode, envelope.get("priority", 0), next_try)
        return found

    def sent(self, account: str) -> int:
        """How many messages the rates have counted for `account` in the last days."""
        with self._open() as connection:
            rows = connection.execute(
                "SELECT current + previous FROM sent_counts WHERE account = ? AND kind = 1", (account,)).fetchall()
        return int(rows[0][0]) if rows else 0

    def greylist(self) -> tuple[int, int]:
        """(triplets, those of them that have passed)."""
        with self._open() as connection:
            rows = connection.execute("SELECT count(*), coalesce(sum(passed), 0) FROM greylist").fetchall()
        return int(rows[0][0]), int(rows[0][1])
