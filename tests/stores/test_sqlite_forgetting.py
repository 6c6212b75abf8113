"""The log of expunges is cut at a limit, and whoever comes from before the cut is told to compare instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet import reactor as the_reactor
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from mailframe.interfaces.store import IMailStore
from mailframe.model.flags import SEEN, FlagChange
from mailframe.model.mailbox import Field, New
from mailframe.sqlite.checking import found
from mailframe.sqlite.content import GRACE_S
from mailframe.sqlite.engine import Engine
from mailframe.stores.sqlite import SqliteStore
from mailframe.stores.sqlite.check import OWNERS, counts
from mailframe.stores.sqlite.departures import sweep
from mailframe.stores.sqlite.settings import SqliteSettings
from mailframe.testing.store_base import StoreBase

reactor: Any = the_reactor
KEPT = 1_000


class ForgettingTests(StoreBase, TestCase):
    def make_store(self) -> IMailStore:
        self.clock: Any = Clock()
        self.clock.advance(1_700_000_000)
        path = Path(self.mktemp()) / "mail.db"
        self.store = SqliteStore(Engine(path, reactor), self.clock, settings=SqliteSettings(expunged_kept=KEPT))
        made: IMailStore = self.store
        return made

    def logged(self) -> int:
        return int(self.store.engine.read("SELECT count(*) FROM vanished")[0][0])

    async def test_a_cursor_from_before_the_cut_is_told_to_compare(self) -> None:
        mailbox = await self.mailbox()
        await mailbox.append([New(b"x")] * 3_000)
        cursors = [(await mailbox.status()).cursor]
        for first in (1, 701, 1_401, 2_101):
            await mailbox.expunge(range(first, first + 700), False)
            cursors.append((await mailbox.status()).cursor)
        self.assertEqual(2_800, len((await self.changed(mailbox, cursors[0])).vanished))
        await self.store.sweep()
        self.assertEqual(KEPT, self.logged())
        self.assertEqual([None, None, None], [await mailbox.changes(cursor) for cursor in cursors[:3]])
        self.assertEqual(list(range(2_101, 2_801)), list((await self.changed(mailbox, cursors[3])).vanished))
        self.assertEqual([], list((await self.changed(mailbox, cursors[4])).vanished))

    async def test_short_logs_and_other_mailboxes_stay_whole(self) -> None:
        account = await self.account()
        short, long = await self.mailbox(account, "short"), await self.mailbox(account, "long")
        for mailbox, count in ((short, KEPT), (long, KEPT + 1)):
            await mailbox.append([New(b"x")] * count)
            await mailbox.expunge(None, False)
        await self.store.sweep()
        self.assertEqual(KEPT, len((await self.changed(short, 1)).vanished))
        self.assertIsNone(await long.changes(1))
        await long.append([New(b"y")])
        cursor = (await long.status()).cursor
        await long.expunge(None, False)
        self.assertEqual([KEPT + 2], list((await self.changed(long, cursor)).vanished))

    async def test_kept_columns_do_not_miss_what_was_cut(self) -> None:
        """They follow the log; cut in between, they are read anew."""
        mailbox = await self.mailbox()
        await mailbox.append([New(b"x")] * 2_010)
        self.assertEqual(2_010, len(await self.rows(mailbox, Field.FLAGS)))
        await mailbox.expunge(range(1, 11), False)
        await mailbox.expunge(range(11, 1_501), False)
        await self.store.sweep()
        await mailbox.expunge([1_501], False)
        await mailbox.set_flags([2_000], FlagChange.add(SEEN), None)
        rows = await self.rows(mailbox, Field.FLAGS)
        self.assertEqual((list(range(1_502, 2_011)), [SEEN]), (list(rows.uids), [flags for flags in rows.flags if flags]))

    async def test_columns_that_know_of_few_removals_notice_the_cut(self) -> None:
        mailbox = await self.mailbox()
        await mailbox.append([New(b"x")] * 1_500)
        await mailbox.expunge(range(1, 1_000), False)
        self.assertEqual(501, len(await self.rows(mailbox, Field.FLAGS)))
        await mailbox.expunge([1_000, 1_001], False)
        other = self.store.engine
        await other.submit(lambda con: con.execute("DELETE FROM vanished WHERE mailbox = ?", (int(mailbox.id),)).fetchall())
        await other.submit(lambda con: con.execute(
            "UPDATE mailbox SET forgotten = modseq, expunged = 0 WHERE id = ?", (int(mailbox.id),)).fetchall())
        self.assertEqual(list(range(1_002, 1_501)), list((await self.rows(mailbox, Field.FLAGS)).uids))

    async def test_the_cut_is_made_in_slices(self) -> None:
        """I2: and what is left of a mailbox deleted meanwhile is no business of it."""
        account = await self.account()
        mailbox = await self.mailbox(account, "box")
        await mailbox.append([New(b"x")] * 4_000)
        await mailbox.expunge(None, False)
        before = self.store.engine.jobs
        await self.store.sweep()
        self.assertGreaterEqual(self.store.engine.jobs - before, 6)
        await account.delete(mailbox.id)
        for _ in range(3):
            self.clock.advance(GRACE_S + 1)
            await self.store.sweep()
        self.assertEqual(0, self.logged())

    async def test_a_deleted_mailbox_is_sound_between_any_two_slices_of_its_sweeping(self) -> None:
        """For there the server may be killed."""
        account = await self.account()
        mailbox = await self.mailbox(account, "box")
        await mailbox.append([New(b"x")] * 1_500)
        await mailbox.expunge(range(1, 701), False)
        await account.delete(mailbox.id)

        def findings(con: Any) -> list[str]:
            return [str(each) for each in found(con, [*OWNERS, *counts(con)])]

        engine, slices = self.store.engine, 0
        while await engine.submit(lambda con: sweep(con, self.clock.seconds(), KEPT)):
            slices += 1
            self.assertEqual([], await engine.submit(findings))
        self.assertGreaterEqual(slices, 5)
        self.assertEqual(0, self.logged())
