"""The SQLite store over a disk whose writes fail from the n-th on: refused for now, nothing half done (I1)."""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from support.faulty_files import FAULTS, faulty_files
from twisted.internet import reactor as the_reactor
from twisted.trial.unittest import TestCase

from mailframe.interfaces.store import IMailStore
from mailframe.model.flags import SEEN, FlagChange
from mailframe.model.mailbox import INBOX, Field, New, NewMailbox
from mailframe.model.refusal import Refusal
from mailframe.sqlite.engine import Engine
from mailframe.stores.sqlite import SqliteStore
from mailframe.testing.cases import cases
from mailframe.testing.store_base import MESSAGE, StoreBase

reactor: Any = the_reactor
Ask = Callable[[Any, Any, Any], Any]
#: What changes something: (store, account, its INBOX with six messages).
CHANGES: dict[str, Ask] = {
    "append": lambda store, account, box: box.append([New(MESSAGE), New(random.Random(1).randbytes(20_000))]),
    "deliver": lambda store, account, box: store.engine.submit(store.append_unit([("ada", INBOX, New(MESSAGE))])[0]),
    "flags": lambda store, account, box: box.set_flags(array("I", [1, 2]), FlagChange.add(SEEN), None),
    "expunge": lambda store, account, box: box.expunge(array("I", [3]), False),
    "keywords": lambda store, account, box: box.keywords(["new"]),
    "create": lambda store, account, box: account.create(NewMailbox("new")),
    "subscribe": lambda store, account, box: account.set_subscribed("news", True),
    "rename": lambda store, account, box: account.rename([(box.id, "Old")]),
}


class FaultyDiskTests(StoreBase, TestCase):
    def make_store(self) -> IMailStore:
        files = faulty_files(f"faulty-{id(self)}")
        self.disk = files.__enter__()
        self.addCleanup(files.__exit__, None, None, None)
        self.path = Path(self.mktemp()) / "mail.db"
        return self.again()

    def again(self) -> IMailStore:
        store: IMailStore = SqliteStore(Engine(self.path, reactor), reactor)
        return store

    def reopen(self, store: IMailStore) -> IMailStore:
        return self.again()

    async def picture(self, account: Any) -> Any:
        listed = await account.mailboxes()
        boxes = {}
        for info in listed.mailboxes:
            box = await account.open_mailbox(info.id)
            rows, status = await self.rows(box, Field.FLAGS | Field.SIZE), await box.status()
            mail = [await self.whole(box, uid) for uid in rows.uids]
            self.assertEqual((len(rows), sum(map(len, mail))), (status.messages, status.size))
            boxes[info.name] = (info.id, list(rows.uids), list(rows.flags), mail, await box.keywords([]))
        return boxes, listed.subscribed

    @cases({f"{fault}_at_{change}": (fault, ask) for fault in FAULTS for change, ask in CHANGES.items()})
    async def test_a_disk_that_is(self, fault: str, ask: Ask) -> None:
        """At each write and sync of it: as if it had not been asked, then and after reopening; done at the next try."""
        store: Any = await self.opened()
        account = await self.account(store)
        box, _ = await self.filled(6, account)
        before = await self.picture(account)
        for passing in range(100):
            self.disk.arm(fault, passing)
            answer, = await self.together(partial(ask, store, account, box))
            if not isinstance(answer, Refusal):
                break
            self.assertTrue(answer.temporary, answer)
            self.assertEqual(before, await self.picture(account), "reading goes on, and nothing is half done")
            if passing % 3 == 2:
                self.disk.disarm()
                store = await self.reopened(store)
                account = await self.account(store)
                box = await self.mailbox(account)
                self.assertEqual(before, await self.picture(account))
        self.disk.disarm()
        self.assertGreater(passing, 0, "it was refused at least once")
        self.assertNotIsInstance(answer, Refusal)
        after = await self.picture(account)
        self.assertNotEqual(before, after)
        self.assertEqual(after, await self.picture(await self.account(await self.reopened(store))), "I1")
