"""The store contract about UIDs: they grow whatever happens, and none is used a second time (RFC 3501 section 2.3.1.1)."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

from mailframe.interfaces.content import IContent
from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IAccount, ICopyable, IMailbox, IMovable
from mailframe.model.flags import DELETED
from mailframe.model.mailbox import New
from mailframe.model.refusal import Refusal

from .cases import cases
from .store_base import MESSAGE, StoreBase

Step = Callable[["UidsContract", IAccount, IMailbox], Awaitable[Any]]


async def _expunge_the_last(test: UidsContract, account: IAccount, mailbox: IMailbox) -> None:
    await test.expunge(mailbox, (await test.uids(mailbox))[-1:])


async def _expunge_all(test: UidsContract, account: IAccount, mailbox: IMailbox) -> None:
    await test.expunge(mailbox)


async def _expunge_deleted(test: UidsContract, account: IAccount, mailbox: IMailbox) -> None:
    await test.append(mailbox, New(MESSAGE, flags=DELETED))
    await test.expunge(mailbox, None, True)


async def _move_the_last_away(test: UidsContract, account: IAccount, mailbox: IMailbox) -> None:
    test.need(IMovable, mailbox)
    other = await test.mailbox(account, "other")
    await settled(mailbox.move((await test.uids(mailbox))[-1:], other.id))      # type: ignore[attr-defined]


async def _move_all_there_and_back(test: UidsContract, account: IAccount, mailbox: IMailbox) -> None:
    test.need(IMovable, mailbox)
    other = await test.mailbox(account, "other")
    await settled(mailbox.move(await test.uids(mailbox), other.id))             # type: ignore[attr-defined]
    await settled(other.move(await test.uids(other), mailbox.id))               # type: ignore[attr-defined]


async def _copy_onto_itself(test: UidsContract, account: IAccount, mailbox: IMailbox) -> None:
    test.need(ICopyable, mailbox)
    await settled(mailbox.copy(await test.uids(mailbox), mailbox.id))           # type: ignore[attr-defined]


async def _rename(test: UidsContract, account: IAccount, mailbox: IMailbox) -> None:
    await settled(account.rename([(mailbox.id, "renamed")]))


async def _append_and_expunge(test: UidsContract, account: IAccount, mailbox: IMailbox) -> None:
    await test.expunge(mailbox, await test.append(mailbox, MESSAGE, MESSAGE))


async def _append_nothing(test: UidsContract, account: IAccount, mailbox: IMailbox) -> None:
    await test.append(mailbox)


async def _fill_another(test: UidsContract, account: IAccount, mailbox: IMailbox) -> None:
    await test.append(await test.mailbox(account, "another"), *[MESSAGE] * 50)


STEPS: dict[str, Step] = {
    "expunge_of_the_last": _expunge_the_last, "expunge_of_all": _expunge_all, "expunge_of_the_deleted": _expunge_deleted,
    "move_of_the_last": _move_the_last_away, "move_there_and_back": _move_all_there_and_back, "copy_onto_itself": _copy_onto_itself,
    "rename": _rename, "append_and_expunge": _append_and_expunge, "append_of_nothing": _append_nothing,
    "mail_for_another_mailbox": _fill_another,
}


class UidsContract(StoreBase):
    """UIDs, UIDNEXT and UIDVALIDITY over the mailbox's life."""

    async def _life(self, step: Step, *, reopening: bool) -> None:
        store = await self.opened()
        account = await self.account(store, fresh=())
        mailbox = await self.mailbox(account, "box")
        given = await self.append(mailbox, *(self.octets(number) for number in range(5)))
        first = await self.status(mailbox)
        for _ in range(3):
            await step(self, account, mailbox)
            there, before = await self.uids(mailbox), await self.status(mailbox)
            self.assertGreaterEqual(before.uidnext, max([*given, *there]) + 1)
            given += [uid for uid in there if uid not in given]
            if reopening:
                store = await self.reopened(store)
                account = await self.account(store)
                mailbox = await settled(account.open_mailbox(mailbox.id))
                self.assertEqual(there, await self.uids(mailbox))
                self.assertEqual(before.uidnext, (await self.status(mailbox)).uidnext)
            new = await self.append(mailbox, MESSAGE, MESSAGE)
            self.assertGreaterEqual(new[0], before.uidnext, "RFC 3501 section 2.3.1.1: not below what UIDNEXT said")
            self.assertEqual([], [uid for uid in new if uid in given])
            given += new
            self.assertEqual(first.uidvalidity, (await self.status(mailbox)).uidvalidity)

    @cases(STEPS)
    async def test_uids_grow_after(self, step: Step) -> None:
        await self._life(step, reopening=False)

    @cases(STEPS)
    async def test_uids_grow_over_reopening_after(self, step: Step) -> None:
        await self._life(step, reopening=True)

    async def test_uids_grow_after_an_append_that_was_refused(self) -> None:
        store = await self.opened()
        self.need(IContent, store)
        mailbox, uids = await self.filled(2, await self.account(store))
        await self.refused(Refusal, lambda: mailbox.append([New(MESSAGE), New("no such content")]))
        new = await self.append(mailbox, MESSAGE)
        self.assertGreater(new[0], uids[-1])

    async def test_uidvalidity_is_another_each_time_a_name_is_made_again(self) -> None:
        store = await self.opened()
        account = await self.account(store)
        seen: list[tuple[str, int]] = []
        for _ in range(6):
            mailbox = await self.mailbox(account, "again")
            seen.append((mailbox.id, (await self.status(mailbox)).uidvalidity))
            await settled(account.delete(mailbox.id))
        self.assertEqual((6, 6), (len({one for one, _ in seen}), len({two for _, two in seen})))
        self.assertTrue(all(0 < uidvalidity < 1 << 32 for _, uidvalidity in seen))

    async def test_uidvalidity_is_another_also_over_reopening(self) -> None:
        store = await self.opened()
        seen: list[tuple[str, int]] = []
        for _ in range(4):
            account = await self.account(store)
            mailbox = await self.mailbox(account, "again")
            seen.append((mailbox.id, (await self.status(mailbox)).uidvalidity))
            await settled(account.delete(mailbox.id))
            store = await self.reopened(store)
        self.assertEqual((4, 4), (len({one for one, _ in seen}), len({two for _, two in seen})))

    async def test_a_name_that_is_renamed_away_and_made_again_has_another_uidvalidity(self) -> None:
        account = await self.account()
        seen = set()
        for number in range(5):
            mailbox = await self.mailbox(account, "again")
            seen.add((await self.status(mailbox)).uidvalidity)
            await settled(account.rename([(mailbox.id, f"old{number}")]))
        self.assertEqual(5, len(seen))

    @cases({f"seed_{seed}": seed for seed in range(8)})
    async def test_uids_grow_over_a_random_life(self, seed: int) -> None:
        """Also where several sessions add and remove."""
        rng, store = random.Random(seed), await self.opened()
        boxes = [await self.mailbox(await self.account(store)) for _ in range(3)]
        given: list[int] = []
        for _ in range(40):
            mailbox = rng.choice(boxes)
            if rng.random() < 0.6:
                new = await self.append(mailbox, *[MESSAGE] * rng.randrange(1, 4))
                self.assertTrue(not given or new[0] > given[-1])
                given += new
            else:
                there = await self.uids(mailbox)
                await self.expunge(mailbox, there[rng.randrange(len(there) + 1):])
        self.assertEqual(given, sorted(set(given)))
        self.assertGreater((await self.status(boxes[0])).uidnext, given[-1])
