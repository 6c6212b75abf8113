"""The store contract about several sessions: random histories against a plain model, each session following by its own cursor."""

from __future__ import annotations

import random
from array import array
from dataclasses import dataclass

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import ICopyable, IMailbox, IMailStore, IModSequenced, IMovable
from mailframe.model.flags import FlagChange
from mailframe.model.mailbox import Field, New

from .cases import cases
from .store_base import StoreBase

BOXES = ("one", "two")


@dataclass
class Follower:
    """A session: what it knows, and where it stands in the log."""

    mailbox: IMailbox
    known: dict[int, int]
    cursor: object


class Model:
    """What must be there: by mailbox and UID, flags and octets."""

    def __init__(self) -> None:
        self.boxes: dict[str, dict[int, tuple[int, bytes]]] = {name: {} for name in BOXES}
        self.made = 0

    def octets(self) -> bytes:
        self.made += 1
        return b"Subject: %d\r\n\r\n%d\r\n" % (self.made, self.made) * (self.made % 7)

    def flags(self, name: str) -> dict[int, int]:
        return {uid: flags for uid, (flags, _) in sorted(self.boxes[name].items())}


class SessionsContract(StoreBase):
    """`IMailbox.changes` and what it says of what others did."""

    @cases({f"seed_{seed}": seed for seed in range(16)})
    async def test_a_random_history_is_followed_by_all(self, seed: int) -> None:
        await self._history(seed, reopening=False)

    @cases({f"seed_{seed}": seed for seed in range(100, 112)})
    async def test_a_random_history_is_followed_over_reopening(self, seed: int) -> None:
        """A cursor from before is answered truly or with None."""
        await self._history(seed, reopening=True)

    @cases({f"seed_{seed}": seed for seed in range(200, 203)})
    async def test_a_long_random_history(self, seed: int) -> None:
        self.need_long()
        await self._history(seed, reopening=bool(seed % 2), rounds=1_000)

    async def _history(self, seed: int, *, reopening: bool, rounds: int = 25) -> None:
        rng, model, store = random.Random(seed), Model(), await self.opened()
        followers = {name: [await self._follow(store, name) for _ in range(3)] for name in BOXES}
        for _ in range(rounds):
            for _ in range(rng.randrange(4)):
                name = rng.choice(BOXES)
                await self._play(rng, model, name, rng.choice(followers[name]).mailbox, followers)
            if reopening and rng.random() < 0.2:
                store = await self.reopened(store)
                for those in followers.values():
                    account = await self.account(store)
                    for follower in those:
                        follower.mailbox = await settled(account.open_mailbox(follower.mailbox.id))
            for name, those in followers.items():
                for follower in those:
                    if rng.random() < 0.5:
                        await self._catch_up(follower, model.flags(name))
        for name, those in followers.items():
            for follower in those:
                await self._catch_up(follower, model.flags(name))
            for uid, (_, octets) in model.boxes[name].items():
                self.assertEqual(octets, await self.whole(those[0].mailbox, uid))

    async def _follow(self, store: IMailStore, name: str) -> Follower:
        mailbox = await self.mailbox(await self.account(store), name)
        return Follower(mailbox, await self.flags(mailbox), (await self.status(mailbox)).cursor)

    async def _catch_up(self, follower: Follower, expected: dict[int, int]) -> None:
        changes = await settled(follower.mailbox.changes(follower.cursor))
        if changes is None:         # the framework compares, from a cursor of now
            follower.cursor = (await self.status(follower.mailbox)).cursor
            follower.known = await self.flags(follower.mailbox)
        else:
            self.assertEqual(sorted(set(changes.rows.uids)), list(changes.rows.uids))
            self.assertEqual(sorted(set(changes.vanished)), list(changes.vanished))
            self.assertEqual(set(), set(changes.vanished) & set(changes.rows.uids), "what is gone is not changed")
            for uid in changes.vanished:
                follower.known.pop(uid, None)
            follower.known.update(zip(changes.rows.uids, changes.rows.flags, strict=True))
            follower.cursor = changes.cursor
        self.assertEqual(expected, follower.known)
        self.assertEqual(expected, await self.flags(follower.mailbox))

    async def _play(
        self, rng: random.Random, model: Model, name: str, mailbox: IMailbox, followers: dict[str, list[Follower]],
    ) -> None:
        box = model.boxes[name]
        some = sorted(rng.sample(sorted(box), min(rng.randrange(4), len(box))))
        match rng.randrange(5):
            case 0 | 1:
                mail = [(rng.randrange(32), model.octets()) for _ in range(rng.randrange(1, 4))]
                uids = await self.append(mailbox, *(New(octets, flags=flags) for flags, octets in mail))
                box.update(zip(uids, mail, strict=True))
            case 2:
                change = FlagChange(rng.randrange(32), rng.randrange(32))
                await settled(mailbox.set_flags(array("I", some), change, None))
                box.update({uid: (change.apply(box[uid][0]), box[uid][1]) for uid in some})
            case 3:
                self.assertEqual(some, await self.expunge(mailbox, some))
                for uid in some:
                    del box[uid]
            case _:
                other = rng.choice(BOXES)
                await self._carry(rng, model, (name, other), mailbox, followers[other][0].mailbox.id, some)

    async def _carry(
        self, rng: random.Random, model: Model, names: tuple[str, str], mailbox: IMailbox, target: str, some: list[int],
    ) -> None:
        moving = rng.random() < 0.5
        if not (IMovable if moving else ICopyable).providedBy(mailbox):
            return
        carry = mailbox.move if moving else mailbox.copy
        old, new = await settled(carry(array("I", some), target))
        self.assertEqual(some, list(old))
        source, there = (model.boxes[name] for name in names)
        arrived = {uid: source[before] for uid, before in zip(new, old, strict=True)}
        if moving:
            for uid in old:
                del source[uid]
        there.update(arrived)

    @cases({f"{count}_sessions": count for count in (2, 5, 20)})
    async def test_each_session_sees_what_each_other_did(self, count: int) -> None:
        store = await self.opened()
        boxes = [await self.mailbox(await self.account(store)) for _ in range(count)]
        for number, mailbox in enumerate(boxes):
            await self.append(mailbox, self.octets(number))
        for mailbox in boxes:
            self.assertEqual([self.octets(number) for number in range(count)],
                             [await self.whole(mailbox, uid) for uid in await self.uids(mailbox)])
            self.assertEqual(count, (await self.status(mailbox)).messages)

    async def test_a_cursor_can_be_used_again(self) -> None:
        """Two sessions may stand at the same place; asking takes nothing away."""
        mailbox, uids = await self.filled(3)
        cursor = (await self.status(mailbox)).cursor
        await settled(mailbox.set_flags(uids[:1], FlagChange.add(1), None))
        await self.expunge(mailbox, [uids[2]])
        first, second = await self.changed(mailbox, cursor), await self.changed(mailbox, cursor)
        self.assertEqual((list(first.rows.uids), list(first.vanished)), (list(second.rows.uids), list(second.vanished)))

    async def test_what_is_told_has_its_flags_and_mod_sequences(self) -> None:
        mailbox, uids = await self.filled(3)
        cursor = (await self.status(mailbox)).cursor
        await settled(mailbox.set_flags(uids[1:], FlagChange.add(5), None))
        changes = await self.changed(mailbox, cursor)
        self.assertEqual((list(uids[1:]), [5, 5]), (list(changes.rows.uids), list(changes.rows.flags)))
        self.assertEqual(0, len(changes.vanished))
        if IModSequenced.providedBy(mailbox):
            listed = (await settled(mailbox.rows([(uids[1], uids[2])], 5, Field.MODSEQ))).modseqs
            self.assertEqual(list(listed), list(changes.rows.modseqs))
