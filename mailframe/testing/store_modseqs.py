"""The store contract about mod-sequences and the log of expunges (RFC 7162)."""

from __future__ import annotations

from array import array
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IMailbox, IModSequenced, IMovable
from mailframe.model.flags import DELETED, FLAGGED, SEEN, FlagChange
from mailframe.model.mailbox import Field, New

from .cases import cases
from .store_base import MESSAGE, StoreBase

Step = Callable[["ModSeqsContract", IMailbox], Awaitable[Any]]
#: What raises HIGHESTMODSEQ, done to a mailbox with three messages.
RAISING: dict[str, Step] = {
    "append": lambda test, mailbox: test.append(mailbox, MESSAGE),
    "append_of_many": lambda test, mailbox: test.append(mailbox, *[MESSAGE] * 20),
    "flag": lambda test, mailbox: settled(mailbox.set_flags(array("I", [1]), FlagChange.add(SEEN), None)),
    "flags_of_many": lambda test, mailbox: settled(mailbox.set_flags(array("I", [1, 2, 3]), FlagChange.replace(FLAGGED), None)),
    "flag_let_through": lambda test, mailbox: settled(mailbox.set_flags(array("I", [1]), FlagChange.add(SEEN), 1 << 62)),
    "expunge": lambda test, mailbox: test.expunge(mailbox, [2]),
    "expunge_of_all": lambda test, mailbox: test.expunge(mailbox),
}
#: What changes nothing, and so must not wake anybody.
QUIET: dict[str, Step] = {
    "append_of_nothing": lambda test, mailbox: test.append(mailbox),
    "the_same_flags": lambda test, mailbox: settled(mailbox.set_flags(array("I", [1, 2]), FlagChange.remove(SEEN), None)),
    "flags_of_none": lambda test, mailbox: settled(mailbox.set_flags(array("I"), FlagChange.add(SEEN), None)),
    "flags_of_what_is_not_there": lambda test, mailbox: settled(mailbox.set_flags(array("I", [77]), FlagChange.add(SEEN), None)),
    "flags_all_refused": lambda test, mailbox: settled(mailbox.set_flags(array("I", [1, 2, 3]), FlagChange.add(SEEN), 0)),
    "expunge_of_nothing": lambda test, mailbox: test.expunge(mailbox, []),
    "expunge_of_what_is_not_there": lambda test, mailbox: test.expunge(mailbox, [77]),
    "expunge_of_undeleted": lambda test, mailbox: test.expunge(mailbox, None, True),
    "reading": lambda test, mailbox: test.whole(mailbox, 1),
    "listing": lambda test, mailbox: test.rows(mailbox, ~Field.NONE),
    "status": lambda test, mailbox: test.status(mailbox),
}
#: UNCHANGEDSINCE, as a step away from the mod-sequence of the second of three messages, which was changed one after another.
SINCE = {"before_all": -2, "just_before": -1, "exactly": 0, "just_after": 1, "after_all": 1_000, "far_after": 1 << 62}


class ModSeqsContract(StoreBase):
    """`IModSequenced`, and `changes` about what is gone."""

    async def _three(self) -> IMailbox:
        mailbox, _ = await self.filled(3)
        self.need(IModSequenced, mailbox)
        return mailbox

    @cases(RAISING)
    async def test_highest_mod_sequence_is_raised_by(self, step: Step) -> None:
        mailbox = await self._three()
        before = await self.status(mailbox)
        old = dict(zip(await self.uids(mailbox), (await self.rows(mailbox, Field.MODSEQ)).modseqs, strict=True))
        await step(self, mailbox)
        after = await self.status(mailbox)
        self.assertGreater(after.highest_modseq, before.highest_modseq)
        changes = await self.changed(mailbox, before.cursor)
        self.assertTrue(len(changes.rows) or len(changes.vanished))
        rows = await self.rows(mailbox, Field.MODSEQ)
        for uid, modseq in zip(rows.uids, rows.modseqs, strict=True):
            changed = uid in changes.rows.uids
            self.assertTrue(before.highest_modseq < modseq <= after.highest_modseq if changed else modseq == old[uid], uid)

    @cases(QUIET)
    async def test_nothing_is_raised_by(self, step: Step) -> None:
        mailbox = await self._three()
        before = await self.status(mailbox)
        await step(self, mailbox)
        self.assertEqual(before.highest_modseq, (await self.status(mailbox)).highest_modseq)
        changes = await self.changed(mailbox, before.cursor)
        self.assertEqual((0, 0), (len(changes.rows), len(changes.vanished)))

    @cases(SINCE)
    async def test_unchanged_since(self, away: int) -> None:
        """RFC 7162 section 3.1.3"""
        mailbox = await self._three()
        for uid in (1, 2, 3):
            await settled(mailbox.set_flags(array("I", [uid]), FlagChange.add(FLAGGED), None))
        modseqs = dict(zip((1, 2, 3), (await self.rows(mailbox, Field.MODSEQ)).modseqs, strict=True))
        since = max(modseqs[2] + away, 0)
        stored = await settled(mailbox.set_flags(array("I", [1, 2, 3, 9]), FlagChange.add(SEEN), since))
        through = [uid for uid, modseq in modseqs.items() if modseq <= since]
        self.assertEqual((through, [uid for uid in modseqs if uid not in through]), (list(stored.rows.uids), list(stored.refused)))
        self.assertEqual({uid: FLAGGED | (SEEN if uid in through else 0) for uid in (1, 2, 3)}, await self.flags(mailbox))
        for uid, modseq in zip(stored.rows.uids, stored.rows.modseqs, strict=True):
            self.assertGreater(modseq, modseqs[uid])

    @cases(SINCE)
    async def test_unchanged_since_where_the_flags_are_so_already(self, away: int) -> None:
        """Those that had changed are refused all the same."""
        mailbox = await self._three()
        for uid in (1, 2, 3):
            await settled(mailbox.set_flags(array("I", [uid]), FlagChange.add(SEEN), None))
        modseqs = dict(zip((1, 2, 3), (await self.rows(mailbox, Field.MODSEQ)).modseqs, strict=True))
        since = max(modseqs[2] + away, 0)
        stored = await settled(mailbox.set_flags(array("I", [1, 2, 3]), FlagChange.add(SEEN), since))
        self.assertEqual([uid for uid, modseq in modseqs.items() if modseq > since], list(stored.refused))

    async def test_mod_sequences_outlive_the_store(self) -> None:
        store = await self.opened()
        mailbox, _ = await self.filled(3, await self.account(store))
        self.need(IModSequenced, mailbox)
        await settled(mailbox.set_flags(array("I", [2]), FlagChange.add(SEEN), None))
        await self.expunge(mailbox, [3])
        before, rows = await self.status(mailbox), await self.rows(mailbox, Field.MODSEQ)
        mailbox = await self.mailbox(await self.account(await self.reopened(store)))
        self.assertEqual(before.highest_modseq, (await self.status(mailbox)).highest_modseq)
        self.assertEqual(rows.modseqs, (await self.rows(mailbox, Field.MODSEQ)).modseqs)
        await settled(mailbox.set_flags(array("I", [1]), FlagChange.add(SEEN), None))
        self.assertGreater((await self.status(mailbox)).highest_modseq, before.highest_modseq)

    @cases({"some": (2, 4), "the_first": (1,), "the_last": (6,), "all": (1, 2, 3, 4, 5, 6)})
    async def test_expunges_are_told_to_who_was_away(self, *uids: int) -> None:
        """Over reopening too: truly, or None and the framework compares."""
        store = await self.opened()
        mailbox, _ = await self.filled(6, await self.account(store))
        cursor = (await self.status(mailbox)).cursor
        await self.expunge(mailbox, uids)
        self.assertEqual(list(uids), list((await self.changed(mailbox, cursor)).vanished))
        mailbox = await self.mailbox(await self.account(await self.reopened(store)))
        self.assertEqual(list(uids), list((await self.changed(mailbox, cursor)).vanished))

    @cases({"one_by_one": 1, "by_seven": 7, "all_at_once": 60})
    async def test_many_expunges_are_each_told_once(self, at_once: int) -> None:
        mailbox, uids = await self.filled(60)
        cursor = (await self.status(mailbox)).cursor
        told: list[int] = []
        for first in range(0, 60, at_once):
            await self.expunge(mailbox, uids[first:first + at_once])
            changes = await self.changed(mailbox, cursor)
            told += changes.vanished
            cursor = changes.cursor
        self.assertEqual(list(uids), told)

    async def test_a_move_is_an_expunge_in_the_log(self) -> None:
        """RFC 6851 section 4.4"""
        account = await self.account()
        mailbox, uids = await self.filled(3, account)
        self.need(IMovable, mailbox)
        target = await self.mailbox(account, "target")
        cursors: Sequence[object] = [(await self.status(box)).cursor for box in (mailbox, target)]
        _, new = await settled(mailbox.move(uids[1:], target.id))       # type: ignore[attr-defined]
        self.assertEqual(list(uids[1:]), list((await self.changed(mailbox, cursors[0])).vanished))
        self.assertEqual(list(new), list((await self.changed(target, cursors[1])).rows.uids))

    async def test_a_message_that_came_and_went_between_is_no_trouble(self) -> None:
        mailbox, _ = await self.filled(1)
        cursor = (await self.status(mailbox)).cursor
        uids = await self.append(mailbox, New(MESSAGE, flags=DELETED))
        await self.expunge(mailbox, None, True)
        changes = await self.changed(mailbox, cursor)
        self.assertEqual([], list(changes.rows.uids))
        self.assertEqual([], [uid for uid in changes.vanished if uid not in uids])
