"""I1 over Maildir: after kill -9 at any instant everything acknowledged is there, nothing twice, and nothing needs repair."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor as the_reactor
from twisted.trial.unittest import TestCase

import mailframe
from mailframe.interfaces.store import IMailStore
from mailframe.model.flags import SEEN
from mailframe.model.mailbox import Field
from mailframe.stores.maildir import MaildirStore
from mailframe.testing.store_base import StoreBase

reactor: Any = the_reactor
CHILD = Path(__file__).parents[1] / "sqlite" / "crash_child.py"
Key = tuple[str, int]


class MaildirCrashTests(StoreBase, TestCase):
    timeout = 600

    @pytest.fixture(autouse=True)
    def _length(self, request: pytest.FixtureRequest) -> None:
        self.rounds = 40 if request.config.getoption("--long", default=False) else 3

    def make_store(self) -> IMailStore:
        store: IMailStore = MaildirStore(self.path, reactor)
        return store

    async def test_what_was_acknowledged_survives_kill_9(self) -> None:
        self.path, rng = Path(self.mktemp()), random.Random()
        said: dict[str, dict[Key, str]] = {
            word: {} for word in ("appended", "flagging", "flagged", "expunging", "expunged")}
        for _ in range(self.rounds):
            for line in self.live_and_die(rng.uniform(0.05, 0.5)):
                word, account, uid, *rest = line.split()
                if word == "appended":
                    self.assertNotIn((account, int(uid)), said[word], "a UID was given twice")
                said[word][account, int(uid)] = rest[0] if rest else ""
            store = await self.opened()
            for number in "01":
                await self.examine(store, number, said)
            await store.close()
            self._open.remove(store)
        self.assertTrue(said["appended"])

    def live_and_die(self, seconds: float) -> list[str]:
        """A child works for `seconds` after its first acknowledgement, and is killed."""
        environment = {**os.environ, "PYTHONPATH": str(Path(mailframe.__file__).parents[1])}
        child = subprocess.Popen([sys.executable, str(CHILD), str(self.path), "maildir"], stdout=subprocess.PIPE, env=environment)
        assert child.stdout is not None
        with child, child.stdout:
            lines = [child.stdout.readline()]
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                lines.append(child.stdout.readline())
            child.kill()
            rest = child.stdout.read()
        return [line for line in (b"".join(lines) + rest).decode().splitlines(keepends=True) if line.endswith("\n")]

    async def examine(self, store: IMailStore, number: str, said: dict[str, dict[Key, str]]) -> None:
        account: Any = await self.account(store, f"user{number}")
        first = (await account.mailboxes()).mailboxes[0]
        mailbox: Any = await account.open_mailbox(first.id)
        status = await mailbox.status()
        flags = await self.flags(mailbox)
        sums = {uid: sha256(await self.whole(mailbox, uid)).hexdigest() for uid in flags}
        self.assertEqual([], [digest for digest, times in Counter(sums.values()).items() if times > 1], "nothing twice")
        home = self.path / f"user{number}" / f".{first.name}"
        self.assertEqual(len(flags), len(list((home / "new").iterdir())) + len(list((home / "cur").iterdir())))
        rows = await self.rows(mailbox, Field.SIZE)
        self.assertEqual((len(flags), sum(rows.sizes)), (status.messages, status.size))
        for key, digest in said["appended"].items():
            if key[0] != number:
                continue
            if key in said["expunged"]:
                self.assertNotIn(key[1], flags)
            elif key[1] in flags:
                self.assertEqual(digest, sums[key[1]])
                if key in said["flagged"]:
                    self.assertTrue(flags[key[1]] & SEEN)
            else:
                self.assertIn(key, said["expunging"], "acknowledged, never expunged, and gone")
