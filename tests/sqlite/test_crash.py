"""I1: after kill -9 at any instant everything acknowledged is there, nothing twice, and nothing needs repair."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import apsw
import pytest
from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

import mailframe
from mailframe.model.flags import SEEN
from mailframe.model.mailbox import FRESH_ACCOUNT, MAX_UID, Field
from mailframe.sqlite.content import SqliteContent
from mailframe.sqlite.engine import Engine
from mailframe.stores.directory import DirectoryContent
from mailframe.stores.sqlite import SqliteStore
from mailframe.testing.temporary import TemporaryPlaces

reactor: Any = the_reactor
Key = tuple[str, int]


class Said:
    """What a child has said in all its lives."""

    def __init__(self) -> None:
        self.sums: dict[Key, str] = {}
        self.doing: dict[str, set[Key]] = {word: set() for word in ("flagging", "flagged", "expunging", "expunged")}

    def hear(self, line: str) -> None:
        word, account, uid, *rest = line.split()
        key = (account, int(uid))
        if word == "appended":
            assert key not in self.sums, f"UID {key} was given twice"
            self.sums[key] = rest[0]
        else:
            self.doing[word].add(key)


class CrashTests(TemporaryPlaces, TestCase):
    timeout = 600

    @pytest.fixture(autouse=True)
    def _length(self, request: pytest.FixtureRequest) -> None:
        self.rounds = 40 if request.config.getoption("--long", default=False) else 3

    async def test_what_was_acknowledged_survives_kill_9(self) -> None:
        await self.lives("sqlite")

    async def test_and_so_it_does_with_large_content_in_files(self) -> None:
        await self.lives("directory")

    async def lives(self, kind: str) -> None:
        path, said, rng = Path(self.mktemp()) / "mail.db", Said(), random.Random()
        for _ in range(self.rounds):
            self.live_and_die(path, kind, said, rng.uniform(0.05, 0.5))
            await self.examine(path, kind, said)
        self.assertTrue(said.sums)

    def live_and_die(self, path: Path, kind: str, said: Said, seconds: float) -> None:
        """A child works for `seconds` after its first acknowledgement, and is killed."""
        environment = {**os.environ, "PYTHONPATH": str(Path(mailframe.__file__).parents[1])}
        child = subprocess.Popen([sys.executable, str(Path(__file__).with_name("crash_child.py")), str(path), kind],
                                 stdout=subprocess.PIPE, env=environment)
        assert child.stdout is not None
        with child, child.stdout:
            first = child.stdout.readline()
            until = time.monotonic() + seconds
            lines = [first]
            while time.monotonic() < until:
                lines.append(child.stdout.readline())
            child.kill()
            rest = child.stdout.read()
        for line in (b"".join(lines) + rest).decode().splitlines(keepends=True):
            if line.endswith("\n"):
                said.hear(line)

    async def examine(self, path: Path, kind: str, said: Said) -> None:
        engine = Engine(path, reactor)
        files = DirectoryContent(path.with_name("content"), reactor)
        store = SqliteStore(engine, reactor, content=SqliteContent(engine, reactor, files if kind == "directory" else None))
        await files.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(files.close()))
        await store.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(store.close()))
        await self.examine_store(store, said)
        await store.close()
        await files.close()

    async def examine_store(self, store: SqliteStore, said: Said) -> None:
        self.assertEqual([("ok",)], store.engine.read("PRAGMA integrity_check"))
        self.assertEqual([], store.engine.read("""
            SELECT m.id FROM mailbox AS m LEFT JOIN message AS e ON e.mailbox = m.id GROUP BY m.id
            HAVING m.messages <> count(e.uid) OR m.unseen <> total(e.flags & 1 = 0) OR m.size <> total(e.size)"""))
        self.assertEqual([], store.engine.read("""
            SELECT c.id FROM content AS c LEFT JOIN message AS e ON e.content = c.id GROUP BY c.id
            HAVING c.refs <> count(e.uid)"""))
        for number in "01":
            await self.compare(store, number, said)

    async def compare(self, store: SqliteStore, number: str, said: Said) -> None:
        account = await store.open_account(f"user{number}", FRESH_ACCOUNT)
        inbox: Any = await account.open_mailbox((await account.mailboxes()).mailboxes[0].id)
        rows = await inbox.rows([(1, MAX_UID)], 1_000_000, Field.FLAGS)
        flags = dict(zip(rows.uids, rows.flags, strict=True))
        for (account_number, uid), digest in said.sums.items():
            key = (account_number, uid)
            if account_number != number:
                continue
            if key in said.doing["expunged"]:
                self.assertNotIn(uid, flags)
            elif uid in flags:
                self.assertEqual(digest, sha256(await inbox.read(uid, 0, 1 << 30)).hexdigest())
                if key in said.doing["flagged"]:
                    self.assertTrue(flags[uid] & SEEN)
                elif key not in said.doing["flagging"]:
                    self.assertFalse(flags[uid] & SEEN)
            else:
                self.assertIn(key, said.doing["expunging"], "acknowledged, never expunged, and gone")

    def test_a_torn_log_is_only_a_shorter_log(self) -> None:
        """A power cut may leave half of the last transaction: SQLite's checksums drop it, whole."""
        path = Path(self.mktemp())
        con = apsw.Connection(str(path))
        con.execute("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (x)").fetchall()
        con.execute("INSERT INTO t VALUES (1)")
        whole = Path(f"{path}-wal").read_bytes()
        con.execute("INSERT INTO t VALUES (2)")
        torn = Path(f"{path}-wal").read_bytes()
        copy = Path(self.mktemp())
        copy.write_bytes(path.read_bytes())
        Path(f"{copy}-wal").write_bytes(torn[:(len(whole) + len(torn)) // 2])
        con.close()
        again = apsw.Connection(str(copy))
        self.assertEqual([(1,)], again.execute("SELECT x FROM t").fetchall())
        again.close()
