"""The example of a storage plugin keeps every promise that a store makes: people copy it."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IMailStore
from mailframe.model.mailbox import New
from mailframe.testing.contracts import StoreContract
from mailframe.testing.store_base import MESSAGE

FOLDER = Path(__file__).parents[2] / "examples" / "json_store"


def example() -> Any:
    spec = importlib.util.spec_from_file_location("mailframe_json_store", FOLDER / "mailframe_json_store.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


JsonStore = example().JsonStore


class JsonStoreTests(StoreContract, TestCase):
    def make_store(self) -> IMailStore:
        self.path = Path(self.mktemp())
        store: IMailStore = JsonStore(self.path, reactor)
        return store

    def reopen(self, store: IMailStore) -> IMailStore:
        again: IMailStore = JsonStore(self.path, reactor)
        return again

    async def test_what_could_not_be_kept_did_not_happen(self) -> None:
        """I1"""
        mailbox, uids = await self.filled(2)

        def full(descriptor: int) -> None:
            raise OSError(28, "No space left on device")
        undo = self.patch(os, "fsync", full)
        await self.refused(OSError, lambda: mailbox.append([New(MESSAGE)]))
        undo.restore()
        self.assertEqual(list(uids), await self.uids(mailbox))
        self.assertEqual(2, (await settled(mailbox.status())).messages)
        self.assertEqual([uids[-1] + 1], list(await settled(mailbox.append([New(MESSAGE)]))))

    async def test_it_is_json_that_people_can_read_and_others_cannot(self) -> None:
        """I9"""
        await self.filled(1)
        file = self.path / "ada.json"
        self.assertEqual(0o600, file.stat().st_mode & 0o777)
        inbox = next(box for box in json.loads(file.read_text())["mailboxes"].values() if box["name"] == "INBOX")
        self.assertEqual([0, 0, self.octets(0).decode()], inbox["messages"]["1"])

    def test_it_is_short_enough_to_be_copied(self) -> None:
        lines = (FOLDER / "mailframe_json_store.py").read_text().splitlines()
        self.assertLess(len(lines), 60)
