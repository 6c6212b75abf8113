"""Many sessions of one mailbox ask at once (stores.sqlite.crowd): each is told the truth, and the store is asked once."""

from __future__ import annotations

from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import TestCase

from mailframe.interfaces.store import IMailbox, IRecent
from mailframe.model.flags import SEEN, FlagChange
from mailframe.model.mailbox import FRESH_ACCOUNT, New, NewMailbox
from mailframe.model.refusal import NoSuchMailbox
from mailframe.sqlite.engine import Engine
from mailframe.stores.sqlite import SqliteStore
from mailframe.stores.sqlite.crowd import NONE_RECENT


class CrowdTests(TestCase):
    timeout = 30

    async def crowd(self, count: int) -> list[Any]:
        """As many sessions' mailboxes, all of them alice's INBOX."""
        clock: Any = reactor
        self.engine = Engine(Path(mkdtemp(dir=self.mktemp_folder())) / "mail.sqlite", clock, name="test")
        self.store: Any = SqliteStore(self.engine, clock)
        await self.store.start()
        self.addCleanup(self.store.close)
        accounts = [await self.store.open_account("alice", FRESH_ACCOUNT) for _ in range(count)]
        self.account = accounts[0]
        self.inbox = next(info.id for info in (await self.account.mailboxes()).mailboxes if info.name == "INBOX")
        return [await account.open_mailbox(self.inbox) for account in accounts]

    def mktemp_folder(self) -> str:
        folder = Path(self.mktemp())
        folder.mkdir(parents=True)
        return str(folder)

    async def deliver(self) -> None:
        await self.store.deliver([("alice", "INBOX", New(b"x", date=1, size=1))], FRESH_ACCOUNT)

    async def test_sessions_at_one_cursor_share_an_answer_as_long_as_nothing_happens(self) -> None:
        """C1"""
        boxes = await self.crowd(3)
        cursor = (await boxes[0].status()).cursor
        await self.deliver()
        first = await boxes[0].changes(cursor)
        self.assertEqual([1], list(first.rows.uids))
        self.assertIs(first, await boxes[1].changes(cursor))
        await boxes[0].set_flags([1], FlagChange.add(SEEN), None)
        await self.deliver()
        second = await boxes[2].changes(cursor)
        self.assertEqual(([1, 2], [SEEN, 0]), (list(second.rows.uids), list(second.rows.flags)))
        self.assertEqual(([1, 2], [SEEN, 0]), await self.told(boxes[1], first.cursor))

    async def told(self, box: IMailbox, cursor: object) -> tuple[list[int], list[int]]:
        rows = (await box.changes(cursor)).rows     # type: ignore[union-attr]
        return list(rows.uids), list(rows.flags)

    async def test_expunges_reach_who_asks_again(self) -> None:
        """C1"""
        boxes = await self.crowd(2)
        cursor = (await boxes[0].status()).cursor
        await self.deliver()
        self.assertEqual(([1], [0]), await self.told(boxes[0], cursor))
        await boxes[1].expunge([1], False)
        answer = await boxes[1].changes(cursor)
        self.assertEqual(([], [1]), (list(answer.rows.uids), list(answer.vanished)))

    async def test_a_deleted_mailbox_has_no_answers(self) -> None:
        boxes = await self.crowd(2)
        made = await self.account.create(NewMailbox("A"))
        box = await self.account.open_mailbox(made.id)
        cursor = (await box.status()).cursor
        await box.append([New(b"x", date=1, size=1)])
        await box.changes(cursor)
        await self.account.delete(made.id)
        with self.assertRaises(NoSuchMailbox):
            await box.changes(cursor)
        self.assertEqual(([], []), await self.told(boxes[0], (await boxes[0].status()).cursor))

    async def test_of_a_crowd_one_is_told_what_is_recent(self) -> None:
        """C2, also where a claim waits for the writer while the next message has come."""
        boxes: list[IRecent] = await self.crowd(40)
        for uid in range(1, 6):
            await self.deliver()
            found = await gatherResults([Deferred.fromCoroutine(box.claim_recent()) for box in boxes])
            self.assertEqual([uid], [each for each in found if each != NONE_RECENT])
        await self.deliver()
        early = Deferred.fromCoroutine(boxes[0].claim_recent())
        await self.deliver()
        late = [await box.claim_recent() for box in boxes[1:]]
        claimed = sorted(each for each in (await early, *late) if each != NONE_RECENT)
        self.assertEqual(6, claimed[0])
        self.assertLessEqual(len(claimed), 2)
        self.assertEqual(NONE_RECENT, await boxes[0].recent_from())
