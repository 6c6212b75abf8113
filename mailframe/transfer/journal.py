"""An import's memory in the data folder: what the source has, what is under way, what rests durably in the store.

A database of its own beside the store's. Before a batch goes to the store its messages are written down as under way, with
their checksums and the mailbox's next UID; after it, with their UIDs as done. What a crash left between the two is found by the
checksums of what the mailbox has from that UID on. So no message comes twice, and none is forgotten (I1).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from mailframe.sqlite.engine import Engine
from mailframe.sqlite.rows import fetch

from .source import Listed

FOLDER = "imports"
MIGRATIONS = ("""
    CREATE TABLE run (number INTEGER NOT NULL);
    INSERT INTO run VALUES (0);
    CREATE TABLE folder (
        id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, mailbox TEXT NOT NULL, uidvalidity INTEGER NOT NULL);
    CREATE TABLE message (
        folder INTEGER NOT NULL, key TEXT NOT NULL, copy INTEGER NOT NULL, rank INTEGER NOT NULL, place TEXT NOT NULL,
        run INTEGER NOT NULL, uid INTEGER, digest BLOB, size INTEGER, verified INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (folder, key, copy)) WITHOUT ROWID;
    CREATE INDEX pending ON message (folder, rank, key, copy) WHERE uid IS NULL;
    CREATE INDEX unverified ON message (folder, uid) WHERE uid IS NOT NULL AND verified = 0;
    CREATE TABLE underway (
        folder INTEGER NOT NULL, key TEXT NOT NULL, copy INTEGER NOT NULL, digest BLOB NOT NULL, size INTEGER NOT NULL,
        first_uid INTEGER NOT NULL)
""",)


@dataclass(frozen=True, slots=True)
class Filed:
    """A message on its way into the store, or there: `digest` is the SHA-256 of its octets with CRLF line ends."""

    listed: Listed
    digest: bytes
    size: int
    uid: int = 0


def path_for(data: Path, kind: str, title: str, account: str, into: str) -> Path:
    """The journal of this import: the same source into the same place has the same one."""
    identity = hashlib.sha256("\0".join((kind, title, account, into)).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    word = re.sub(r"[^A-Za-z0-9.@-]+", "-", account)[:60]
    return data / FOLDER / f"{kind}-{word}-{identity}.db"


class Journal:
    """Order: start, begin, then the rest; close at the end. All but `start` may raise what the engine raises."""

    def __init__(self, path: Path, reactor: Any) -> None:
        self._engine = Engine(path, reactor, name="import")
        self._engine.register("import", MIGRATIONS)
        self._run = 0

    async def start(self) -> None:
        """Open it. Raises EngineError, also when another import of the same source is running."""
        await self._engine.start()

    async def close(self) -> None:
        await self._engine.close()

    async def begin(self) -> None:
        """A new run."""
        def job(con: apsw.Connection) -> int:
            return int(fetch(con, "UPDATE run SET number = number + 1 RETURNING number")[0][0])
        self._run = await self._engine.submit(job)

    async def folder(self, key: str) -> tuple[int, str, int] | None:
        """(its number, the mailbox's id, its UIDVALIDITY) of the source's folder, if it was met before."""
        found = await self._engine.query("SELECT id, mailbox, uidvalidity FROM folder WHERE key = ?", (key,))
        return (int(found[0][0]), str(found[0][1]), int(found[0][2])) if found else None

    async def number(self, key: str) -> int:
        """The folder's number; a new one has no mailbox yet."""
        def job(con: apsw.Connection) -> int:
            con.execute("INSERT INTO folder (key, mailbox, uidvalidity) VALUES (?, '', 0) ON CONFLICT DO NOTHING", (key,))
            return int(fetch(con, "SELECT id FROM folder WHERE key = ?", (key,))[0][0])
        return await self._engine.submit(job)

    async def aim(self, folder: int, mailbox: str, uidvalidity: int) -> None:
        """Its messages go into this mailbox from now on; those that went into another one are to be copied anew."""
        def job(con: apsw.Connection) -> None:
            con.execute("UPDATE folder SET mailbox = ?, uidvalidity = ? WHERE id = ?", (mailbox, uidvalidity, folder))
            con.execute("UPDATE message SET uid = NULL, verified = 0 WHERE folder = ?", (folder,))
            con.execute("DELETE FROM underway WHERE folder = ?", (folder,))
        await self._engine.submit(job)

    async def note(self, folder: int, page: Sequence[Listed], numbered: bool) -> None:
        """The source has these in this run. `numbered`: equal keys are different messages."""
        run = self._run

        def job(con: apsw.Connection) -> None:
            for listed in page:
                copy = 0
                if numbered:
                    copy = fetch(con, "SELECT count(*) FROM message WHERE folder = ? AND key = ? AND run = ?",
                                 (folder, listed.key, run))[0][0]
                con.execute("""
                    INSERT INTO message (folder, key, copy, rank, place, run) VALUES (?, ?, ?, ?, ?, ?)
                    ON CONFLICT DO UPDATE SET rank = excluded.rank, place = excluded.place, run = excluded.run""",
                    (folder, listed.key, copy, listed.rank, listed.place, run))
        await self._engine.submit(job)

    async def counts(self, folder: int) -> tuple[int, int]:
        """(messages that the source has in this run, how many of them are in the store)."""
        found = await self._engine.query(
            "SELECT count(*), count(uid) FROM message WHERE folder = ? AND run = ?", (folder, self._run), bulk=True)
        return int(found[0][0]), int(found[0][1])

    async def pending(self, folder: int, after: Listed | None, limit: int) -> list[Listed]:
        """The next messages, in order, that the source has and the store has not."""
        start = ("AND (rank, key, copy) > (?, ?, ?)", (after.rank, after.key, after.copy)) if after else ("", ())
        found = await self._engine.query(f"""
            SELECT key, rank, place, copy FROM message WHERE folder = ? AND run = ? AND uid IS NULL {start[0]}
            ORDER BY rank, key, copy LIMIT ?""", (folder, self._run, *start[1], limit))
        return [Listed(*row) for row in found]

    async def underway(self, folder: int, messages: Sequence[Filed], first_uid: int) -> None:
        """These are about to be appended; the mailbox's next UID was `first_uid` before."""
        rows = [(folder, one.listed.key, one.listed.copy, one.digest, one.size, first_uid) for one in messages]

        def job(con: apsw.Connection) -> None:
            con.execute("DELETE FROM underway WHERE folder = ?", (folder,))
            con.executemany("INSERT INTO underway VALUES (?, ?, ?, ?, ?, ?)", rows)
        await self._engine.submit(job)

    async def left(self, folder: int) -> tuple[int, list[Filed]]:
        """(the first UID they may have, what was under way when a run ended, in its order)."""
        found = await self._engine.query(
            "SELECT key, copy, digest, size, first_uid FROM underway WHERE folder = ? ORDER BY rowid", (folder,))
        return (int(found[0][4]) if found else 0,
                [Filed(Listed(key, copy=copy), digest, size) for key, copy, digest, size, _ in found])

    async def done(self, folder: int, messages: Sequence[Filed]) -> None:
        """These are in the store, durably, with the UIDs that they have; nothing else is under way."""
        rows = [(one.uid, one.digest, one.size, folder, one.listed.key, one.listed.copy) for one in messages]

        def job(con: apsw.Connection) -> None:
            con.executemany("""
                UPDATE message SET uid = ?, digest = ?, size = ?, verified = 0 WHERE folder = ? AND key = ? AND copy = ?""", rows)
            con.execute("DELETE FROM underway WHERE folder = ?", (folder,))
        await self._engine.submit(job)

    async def unverified(self, folder: int, after_uid: int, limit: int) -> list[Filed]:
        """What was copied and has not been compared yet, by UID."""
        found = await self._engine.query("""
            SELECT key, copy, digest, size, uid FROM message
            WHERE folder = ? AND uid > ? AND uid IS NOT NULL AND verified = 0 ORDER BY uid LIMIT ?""", (folder, after_uid, limit))
        return [Filed(Listed(key, copy=copy), digest, size, uid) for key, copy, digest, size, uid in found]

    async def count_unverified(self, folder: int) -> int:
        found = await self._engine.query(
            "SELECT count(*) FROM message WHERE folder = ? AND uid IS NOT NULL AND verified = 0", (folder,), bulk=True)
        return int(found[0][0])

    async def verified(self, folder: int, equal: Sequence[Filed], lost: Sequence[Filed]) -> None:
        """`equal` need not be compared again; `lost` are not in the store, and are to be copied by the next run."""
        def rows(messages: Sequence[Filed]) -> list[tuple[Any, ...]]:
            return [(folder, one.listed.key, one.listed.copy) for one in messages]

        def job(con: apsw.Connection) -> None:
            where = "WHERE folder = ? AND key = ? AND copy = ?"
            con.executemany(f"UPDATE message SET verified = 1 {where}", rows(equal))
            con.executemany(f"UPDATE message SET uid = NULL {where}", rows(lost))
        await self._engine.submit(job)


def matched(left: Sequence[Filed], there: Sequence[tuple[int, bytes]]) -> list[Filed]:
    """Those of `left` that are `there` as (UID, digest), each UID taken once. Pure."""
    uids: dict[bytes, list[int]] = {}
    for uid, digest in there:
        uids.setdefault(digest, []).append(uid)
    found = []
    for one in left:
        if uids.get(one.digest):
            found.append(Filed(one.listed, one.digest, one.size, uids[one.digest].pop(0)))
    return found

