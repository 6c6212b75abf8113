"""The store contract about doing things at once: many writers, and each pair of what one does while another is in the middle."""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable
from functools import partial
from typing import Any

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IAccount, ICopyable, IMailbox, IMovable, IReplaces
from mailframe.model.flags import DELETED, FLAGGED, SEEN, FlagChange
from mailframe.model.mailbox import INBOX, Field, MailboxInfo, New, NewMailbox
from mailframe.model.refusal import MailboxExists, NoSuchMailbox, NoSuchMessage, Refusal

from .cases import cases
from .store_base import ALL, MESSAGE, StoreBase

Ask = Callable[[IAccount, IMailbox, IMailbox], Any]
#: What may be asked of a mailbox with ten messages while another session asks something else; the last one is a second mailbox.
ASKED: dict[str, Ask] = {
    "append": lambda account, box, other: box.append([New(MESSAGE), New(MESSAGE)]),
    "read": lambda account, box, other: box.read(3, 0, 1 << 30),
    "list": lambda account, box, other: box.rows(ALL, 100, Field.FLAGS | Field.SIZE),
    "flag": lambda account, box, other: box.set_flags(array("I", range(1, 11)), FlagChange.add(SEEN), None),
    "expunge": lambda account, box, other: box.expunge(array("I", [1, 2, 3]), False),
    "expunge_all": lambda account, box, other: box.expunge(None, False),
    "delete": lambda account, box, other: account.delete(box.id),
    "rename": lambda account, box, other: account.rename([(box.id, "renamed")]),
    "keywords": lambda account, box, other: box.keywords(["word"]),
    "status": lambda account, box, other: box.status(),
    "copy": lambda account, box, other: box.copy(array("I", [2, 3, 4]), other.id),      # type: ignore[attr-defined]
    "move": lambda account, box, other: box.move(array("I", [3, 4, 5]), other.id),      # type: ignore[attr-defined]
    "replace": lambda account, box, other: box.replace(4, other.id, New(MESSAGE)),      # type: ignore[attr-defined]
    "replace_here": lambda account, box, other: box.replace(2, box.id, New(MESSAGE)),   # type: ignore[attr-defined]
    "copy_here": lambda account, box, other: other.copy(array("I", [1, 2]), box.id),    # type: ignore[attr-defined]
}
_WAYS = {"copy": ICopyable, "move": IMovable, "replace": IReplaces}
CHANGING = ("append", "flag", "expunge", "expunge_all", "delete", "rename", "copy", "move", "replace_here", "copy_here")


class RacesContract(StoreBase):
    """Answers to things asked at once are those of some order, and what is there afterwards is what they said."""

    @cases({f"{one}_while_{two}": (one, two) for one in ASKED for two in CHANGING})
    async def test_race_of(self, one: str, two: str) -> None:
        store = await self.opened()
        ours, theirs = await self.account(store), await self.account(store)
        box, other = await self.mailbox(ours, "box"), await self.mailbox(ours, "other")
        for name in (one, two):
            if (way := name.partition("_")[0]) in _WAYS:
                self.need(_WAYS[way], box)
        await self.append(box, *(self.octets(number) for number in range(10)))
        await self.append(other, b"one", b"two")
        again, over_there = await self.mailbox(theirs, "box"), await self.mailbox(theirs, "other")
        answers = await self.together(
            lambda: ASKED[one](ours, box, other), lambda: ASKED[two](theirs, again, over_there),
            lambda: ASKED[one](theirs, again, over_there))
        for answer in answers:
            if isinstance(answer, Refusal):
                self.assertIsInstance(answer, (NoSuchMailbox, NoSuchMessage, MailboxExists))
        await self._sound(ours)
        await self._sound(theirs)
        if "delete" in (one, two):
            self.assertNotIn("box", await self.infos(ours))
        elif "rename" not in (one, two):
            self.assertIn("box", await self.infos(ours))
        self.assertTrue({1, 2} <= set(await self.uids(other)))

    async def _sound(self, account: IAccount) -> None:
        """Counts are those of the messages, each of which can be read; UIDs ascend below UIDNEXT."""
        for info in (await self.infos(account)).values():
            mailbox = await settled(account.open_mailbox(info.id))
            status, rows = await self.status(mailbox), await self.rows(mailbox, Field.FLAGS | Field.SIZE)
            seen, deleted = (sum(1 for mask in rows.flags if mask & bit) for bit in (SEEN, DELETED))
            self.assertEqual((len(rows), len(rows) - seen, deleted, sum(rows.sizes)),
                             (status.messages, status.unseen, status.deleted, status.size), info.name)
            self.assertEqual(sorted(set(rows.uids)), list(rows.uids))
            self.assertTrue(not rows or rows.uids[-1] < status.uidnext)
            for uid, size in zip(rows.uids, rows.sizes, strict=True):
                self.assertEqual(size, len(await self.whole(mailbox, uid)))

    @cases({f"{writers}_writers_on_{boxes}_mailboxes_of_{accounts}_accounts": (writers, boxes, accounts)
            for writers, boxes, accounts in ((50, 1, 1), (50, 5, 1), (60, 1, 20), (60, 3, 10), (200, 1, 1))})
    async def test_all_arrives_that_was_taken_of(self, writers: int, boxes: int, accounts: int) -> None:
        store = await self.opened()
        places = [await self.mailbox(await self.account(store, f"account{number}"), f"box{box}" if box else INBOX)
                  for number in range(accounts) for box in range(boxes)]
        mail = [(places[number % len(places)], [b"%d.%d" % (number, n) for n in range(1 + number % 3)])
                for number in range(writers)]
        answers = await self.together(*(lambda box=box, octets=octets: self.append(box, *octets) for box, octets in mail))
        taken: dict[int, dict[int, bytes]] = {id(place): {} for place in places}
        for (box, octets), uids in zip(mail, answers, strict=True):
            self.assertEqual([*range(uids[0], uids[0] + len(uids))], uids, "what is appended together is together")
            self.assertFalse(taken[id(box)].keys() & set(uids), "a UID was given twice")
            taken[id(box)].update(zip(uids, octets, strict=True))
        for place in places:
            there = [(uid, await self.whole(place, uid)) for uid in await self.uids(place)]
            self.assertEqual(sorted(taken[id(place)].items()), there)

    async def test_a_name_is_made_by_one_of_many(self) -> None:
        store = await self.opened()
        accounts = [await self.account(store) for _ in range(8)]
        answers = await self.together(*(lambda account=account: account.create(NewMailbox("wanted")) for account in accounts))
        self.assertEqual(1, sum(isinstance(answer, MailboxInfo) for answer in answers))
        self.assertEqual(7, sum(isinstance(answer, MailboxExists) for answer in answers))
        self.assertEqual(1, len([info for info in (await settled(accounts[0].mailboxes())).mailboxes if info.name == "wanted"]))

    async def test_an_account_is_made_once_for_all_who_ask_at_once(self) -> None:
        store = await self.opened()
        accounts = await self.together(*(lambda: self.account(store, "new") for _ in range(10)))
        ids = [{info.id for info in (await settled(account.mailboxes())).mailboxes} for account in accounts]
        self.assertEqual([ids[0]] * 10, ids)
        await self.append(await self.mailbox(accounts[0]), MESSAGE)
        self.assertEqual([1], await self.uids(await self.mailbox(accounts[9])))

    async def test_each_message_is_expunged_for_one_of_many(self) -> None:
        store = await self.opened()
        _, uids = await self.filled(30, await self.account(store))
        sessions = [await self.mailbox(await self.account(store)) for _ in range(5)]
        answers = await self.together(*(lambda box=box: box.expunge(uids, False) for box in sessions))
        self.assertEqual(list(uids), sorted(uid for answer in answers for uid in answer), "gone because of one call alone")

    async def test_each_message_is_moved_by_one_of_many(self) -> None:
        store = await self.opened()
        account = await self.account(store)
        mailbox, uids = await self.filled(30, account)
        self.need(IMovable, mailbox)
        target = await self.mailbox(account, "target")
        sessions = [await self.mailbox(await self.account(store)) for _ in range(5)]
        answers = await self.together(*(lambda box=box: box.move(uids, target.id) for box in sessions))
        self.assertEqual(list(uids), sorted(uid for old, _ in answers for uid in old))
        self.assertEqual(30, (await self.status(target)).messages)
        self.assertEqual([], await self.uids(mailbox))

    async def test_flags_set_at_once_by_many_are_all_set(self) -> None:
        store = await self.opened()
        mailbox, uids = await self.filled(10, await self.account(store))
        sessions = [await self.mailbox(await self.account(store)) for _ in range(5)]
        await self.together(*(
            lambda box=box, bit=1 << n: box.set_flags(uids, FlagChange.add(bit), None) for n, box in enumerate(sessions)))
        self.assertEqual([31] * 10, list((await self.flags(mailbox)).values()))

    @cases({f"seed_{seed}": seed for seed in range(10)})
    async def test_a_random_crowd_leaves_everything_sound(self, seed: int) -> None:
        rng, store = random.Random(seed), await self.opened()
        accounts = [await self.account(store) for _ in range(3)]
        for name in ("box", "other"):
            await self.append(await self.mailbox(accounts[0], name), *(New(self.octets(n), flags=FLAGGED) for n in range(10)))
        names = [name for name in ASKED if name not in ("delete", "rename")]
        box = await self.mailbox(accounts[0])
        lacking = {way for way, interface in _WAYS.items() if not interface.providedBy(box)}
        names = [name for name in names if name.partition("_")[0] not in lacking]
        sessions = [(account, await self.mailbox(account, "box"), await self.mailbox(account, "other")) for account in accounts]
        for _ in range(4):
            answers = await self.together(*(
                partial(ASKED[rng.choice(names)], *rng.choice(sessions)) for _ in range(12)))
            self.assertEqual([], [each for each in answers if isinstance(each, Refusal) and not isinstance(each, NoSuchMessage)])
        for account in accounts:
            await self._sound(account)
