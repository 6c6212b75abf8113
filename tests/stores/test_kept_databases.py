"""A database of every earlier version opens with today's program, and everything in it is as it was."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import apsw
import pytest
from support.keptdatabase import NAME, described, opened
from support.soundness import faults
from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

import mailframe
from mailframe.model.mailbox import MAX_UID, Field, New
from mailframe.queue.schema import MIGRATIONS as QUEUE
from mailframe.sqlite.errors import EngineError
from mailframe.sqlite.pieces import MIGRATIONS as CONTENT
from mailframe.stores.sqlite.schema import MIGRATIONS as STORE
from mailframe.testing.temporary import TemporaryPlaces

reactor: Any = the_reactor
COMPONENTS = {"store": STORE, "content": CONTENT, "queue": QUEUE}
FOLDER = Path(__file__).parent / "databases"
KEPT = sorted(FOLDER.glob("*.db.gz"))
#: Opens the database until, so many steps of SQLite's machine later, it is killed.
DYING = """
import os, signal, sys
from pathlib import Path
import apsw
from mailframe.sqlite.migrate import open_writer
from mailframe.queue.schema import MIGRATIONS as QUEUE
from mailframe.sqlite.pieces import MIGRATIONS as CONTENT
from mailframe.stores.sqlite.schema import MIGRATIONS as STORE
left = int(sys.argv[2])
def step():
    global left
    left -= 1
    if left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return False
apsw.connection_hooks.append(lambda con: con.set_progress_handler(step, 10))
EXTRA = ("UPDATE message SET flags = flags + 1; UPDATE mailbox SET unseen = 0; DELETE FROM vanished",) * 3
open_writer(Path(sys.argv[1]), {"store": STORE, "content": CONTENT, "queue": QUEUE, "probe": EXTRA})
"""


def versions(database: Path) -> dict[str, int]:
    connection = apsw.Connection(str(database))
    try:
        return dict(connection.execute("SELECT name, version FROM components").fetchall())
    finally:
        connection.close()


def put(kept: Path, folder: Path) -> Path:
    folder.mkdir()
    (folder / NAME).write_bytes(gzip.decompress(kept.read_bytes()))
    return folder / NAME


def test_a_database_is_kept_of_every_version_before_todays(tmp_path: Path) -> None:
    """Without it nobody would know whether its mail still opens; `support.keptdatabase` says how one is made."""
    known = [versions(put(kept, tmp_path / str(number))) for number, kept in enumerate(KEPT)]
    for name, steps in COMPONENTS.items():
        lacking = set(range(1, len(steps))) - {each.get(name, 0) for each in known}
        assert not lacking, f"no database is kept with {name} at version {lacking}: see tests/support/keptdatabase.py"


def lost(kept: Any, found: Any, place: str = "") -> list[str]:
    """Where `found` differs from what was `kept`; what a later version tells besides is no difference."""
    if isinstance(kept, Mapping) and isinstance(found, Mapping):
        return [each for key in kept for each in lost(kept[key], found.get(key), f"{place}/{key}")]
    return [] if kept == found else [f"{place}: {kept} became {found}"]


class KeptDatabaseTests(TemporaryPlaces, TestCase):
    timeout = 120

    async def examine(self, path: Path, kept: Path) -> None:
        store, spool = opened(path, reactor)
        self.addCleanup(lambda: Deferred.fromCoroutine(store.close()))
        await spool.start()
        await store.start()
        before = json.loads(kept.with_name(kept.name.replace(".db.gz", ".json")).read_text())
        self.assertEqual([], lost(before, json.loads(json.dumps(await described(store, spool)))))
        await store.close()
        self.assertEqual([], faults(path.parent, Path(self.mktemp())))

    async def test_everything_is_as_it_was(self) -> None:
        self.assertTrue(KEPT)
        for kept in KEPT:
            path = put(kept, Path(self.mktemp()))
            await self.examine(path, kept)
            self.assertEqual({name: len(steps) for name, steps in COMPONENTS.items()}, versions(path))

    async def test_what_came_before_threads_were_kept_has_one_of_its_own_for_good(self) -> None:
        """RFC 8474: also its copies, those that the old program made and those that are made now."""
        store, spool = opened(put(KEPT[0], Path(self.mktemp())), reactor)
        self.addCleanup(lambda: Deferred.fromCoroutine(store.close()))
        await spool.start()
        await store.start()
        account: Any = await store.open_account("ada@example.org", ())
        boxes = {info.name: await account.open_mailbox(info.id) for info in (await account.mailboxes()).mailboxes}
        pairs = await self.ids(boxes)
        by_email = dict(pairs)
        self.assertEqual(len(set(pairs)), len(by_email), "one EMAILID, one THREADID")
        self.assertEqual(len(by_email), len(set(by_email.values())))
        await boxes["INBOX"].copy([2, 7, 8], boxes["Sent"].id)
        await boxes["Père Noël/日本語"].move([1], boxes["Sent"].id)
        await boxes["INBOX"].append([New(b"Message-ID: <5000@example.org>\r\nReferences: <2@example.org>\r\n\r\n")])
        self.assertEqual(by_email, {key: value for key, value in await self.ids(boxes) if key in by_email})

    async def ids(self, boxes: dict[str, Any]) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for mailbox in boxes.values():
            rows = await mailbox.rows([(1, MAX_UID)], 1_000, Field.EMAILID | Field.THREADID)
            found += zip(rows.email_ids, rows.thread_ids, strict=True)
        return found

    async def test_after_kill_9_in_the_middle_of_a_migration(self) -> None:
        """I1: a step is done or not, and the next start goes on where the last one ended."""
        kept, deaths = KEPT[0], 0
        for steps in self.moments():
            path = put(kept, Path(self.mktemp()))
            deaths += self.die(path, steps)
            probe = versions(path).get("probe", 0)
            self.undo(path, probe, kept)
            await self.examine(path, kept)
        self.assertGreater(deaths, 2)

    @pytest.fixture(autouse=True)
    def _length(self, request: pytest.FixtureRequest) -> None:
        self.long = request.config.getoption("--long", default=False)

    def moments(self) -> range:
        return range(1, 900, 10) if self.long else range(20, 800, 130)

    def die(self, path: Path, steps: int) -> bool:
        """Open it in a process that is killed on the way; whether it was."""
        environment = {**os.environ, "PYTHONPATH": str(Path(mailframe.__file__).parents[1])}
        code = subprocess.run([sys.executable, "-c", DYING, str(path), str(steps)], env=environment, timeout=60).returncode
        self.assertIn(code, (0, -signal.SIGKILL))
        return code != 0

    def undo(self, path: Path, probe: int, kept: Path) -> None:
        """Each of the probe's steps that were done counted every message's flags up, once; the first cleared the rest."""
        original = put(kept, Path(self.mktemp()))
        connection = apsw.Connection(str(path))
        flags = "SELECT mailbox, uid, flags FROM message ORDER BY mailbox, uid"
        before = apsw.Connection(str(original))
        self.assertEqual([(mailbox, uid, mask + probe) for mailbox, uid, mask in before.execute(flags)],
                         connection.execute(flags).fetchall())
        with connection:
            connection.execute("UPDATE message SET flags = flags - ?", (probe,))
            if probe:
                connection.executemany("UPDATE mailbox SET unseen = ? WHERE id = ?",
                                       before.execute("SELECT unseen, id FROM mailbox").fetchall())
                connection.executemany("INSERT INTO vanished VALUES (?, ?, ?)",
                                       before.execute("SELECT mailbox, modseq, uid FROM vanished").fetchall())
            connection.execute("DELETE FROM components WHERE name = 'probe'")
        connection.close()
        before.close()

    async def test_what_a_newer_version_wrote_is_refused_in_one_sentence(self) -> None:
        path = put(KEPT[-1], Path(self.mktemp()))
        connection = apsw.Connection(str(path))
        connection.execute("UPDATE components SET version = 99 WHERE name = 'store'")
        connection.close()
        store, _ = opened(path, reactor)
        with self.assertRaises(EngineError) as caught:
            await store.start()
        sentence = str(caught.exception)
        self.assertIn("newer version of mailframe", sentence)
        self.assertNotIn("\n", sentence)
