"""Two stores that live through the same say the same: SQLite against memory, operation by operation."""

from __future__ import annotations

import random
from array import array
from pathlib import Path
from typing import Any

from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from mailframe.model.flags import FlagChange
from mailframe.model.mailbox import FRESH_ACCOUNT, MAX_UID, Attributes, Field, New
from mailframe.model.refusal import NoSuchMessage
from mailframe.sqlite.engine import Engine
from mailframe.stores.memory import MemoryStore
from mailframe.stores.sqlite import SqliteStore
from mailframe.testing.temporary import TemporaryPlaces

reactor: Any = the_reactor
COMPARED = Field.FLAGS | Field.MODSEQ | Field.SIZE | Field.DATE | Field.ENVELOPE | Field.STRUCTURE | Field.INDEX
WORDS = ("$Forwarded", "$Junk", "later", "LATER", "red")
TURNS = 150


class SameAnswersTests(TemporaryPlaces, TestCase):
    async def test_any_history_gives_the_same_answers(self) -> None:
        for seed in range(3):
            await self.history(random.Random(seed))

    async def history(self, rng: random.Random) -> None:
        stores: list[Any] = [SqliteStore(Engine(Path(self.mktemp()) / "mail.db", reactor), reactor), MemoryStore()]
        await stores[0].start()
        self.addCleanup(lambda: Deferred.fromCoroutine(stores[0].close()))
        pairs = []
        accounts = [await store.open_account("ada", FRESH_ACCOUNT) for store in stores]
        for name in ("INBOX", "Sent"):
            pair = []
            for account in accounts:
                ids = {info.name: info.id for info in (await account.mailboxes()).mailboxes}
                pair.append(await account.open_mailbox(ids[name]))
            pairs.append(pair)
        cursors = [[(await box.status()).cursor for box in pair] for pair in pairs]
        for _ in range(TURNS):
            which = rng.randrange(2)
            state = rng.getstate()
            answers = []
            for side in (0, 1):
                rng.setstate(state)
                answers.append(await self.act(rng, pairs[which][side], pairs[rng.randrange(2)][side].id))
            self.assertEqual(*answers)
            if rng.random() < 0.3:
                await self.compare(pairs, cursors)

    async def compare(self, pairs: Any, cursors: Any) -> None:
        for pair, kept in zip(pairs, cursors):
            seen = []
            for side, box in enumerate(pair):
                status = await box.status()
                changes = await box.changes(kept[side])
                kept[side] = changes.cursor
                rows = await box.rows([(1, MAX_UID)], 10_000, COMPARED)
                quick = await box.rows([(1, MAX_UID)], 10_000, Field.FLAGS | Field.MODSEQ)
                self.assertEqual((rows.uids, rows.flags, rows.modseqs), (quick.uids, quick.flags, quick.modseqs))
                octets = [await box.read(uid, 0, 1 << 30) for uid in rows.uids]
                seen.append((status.uidnext, status.messages, status.unseen, status.deleted, status.size, status.highest_modseq,
                             changes, rows, octets, await box.keywords([])))
            self.assertEqual(*seen)

    async def act(self, rng: random.Random, box: Any, target: str) -> Any:
        uids = list((await box.rows([(1, MAX_UID)], 10_000, Field.NONE)).uids)
        some = array("I", sorted({*rng.sample(uids, min(len(uids), rng.randrange(6))), rng.randrange(1, 400)}))
        words = await box.keywords(rng.sample(WORDS, rng.randrange(3)))
        mask = rng.randrange(32) | (rng.randrange(1 << len(words)) << 8)
        match rng.randrange(8):
            case 0 | 1:
                new = [New(rng.randbytes(rng.randrange(50)), rng.choice([b"", b"Head: 1\r\n"]), mask, rng.randrange(1 << 31),
                           attributes=rng.choice([None, Attributes(1, b"e", b"s", b"i")])) for _ in range(rng.randrange(4))]
                return await box.append(new)
            case 2:
                since = rng.choice([None, rng.randrange(1, 60)])
                return await box.set_flags(some, rng.choice([FlagChange.add, FlagChange.remove, FlagChange.replace])(mask), since)
            case 3:
                return await box.expunge(rng.choice([some, some, None]), rng.random() < 0.7)
            case 4:
                return await box.copy(some, target)
            case 5:
                return await box.move(some, target)
            case 6:
                new = New(rng.randbytes(rng.randrange(50)), b"Head: 1\r\n", mask & 31, rng.randrange(1 << 31))
                try:
                    return await box.replace(rng.choice([*uids, 399]), target, new)
                except NoSuchMessage:
                    return "gone"
            case _:
                return await box.remember(some, [Attributes(1, b"E", b"S", b"I")] * len(some))
