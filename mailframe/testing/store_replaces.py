"""The store contract about replacing: the new message comes and the old one goes, both or neither."""

from __future__ import annotations

from typing import Any

from mailframe.interfaces.content import IContent
from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IAccount, IMailbox, IQuota, IReplaces
from mailframe.model.flags import DRAFT, FLAGGED, SEEN, keyword_bit
from mailframe.model.mailbox import Field, New
from mailframe.model.refusal import NoSuchMailbox, NoSuchMessage, OverQuota, Refusal

from .cases import cases
from .store_base import StoreBase

_TEN = b"0123456789"
_NEW = New(b"new content\r\n", b"Subject: new\r\n\r\n", SEEN | DRAFT, 1_234)
_WHOLE = b"Subject: new\r\n\r\nnew content\r\n"
WHERE = {"in_its_mailbox": "source", "into_another": "target"}
#: (most octets, most messages), then the size of what takes the place of one of three messages of ten octets, and whether it may
ROOM: dict[str, tuple[int | None, int | None, int, bool]] = {
    "full_and_the_same_size": (30, 3, 10, True), "full_and_smaller": (30, None, 1, True), "full_and_larger": (30, None, 11, False),
    "just_room": (40, 3, 20, True), "too_little_room": (39, 3, 20, False), "more_messages_than_may_be": (None, 2, 1, False),
}


class ReplacesContract(StoreBase):
    """`IReplaces`."""

    async def _to_replace(self, octets: bytes = b"") -> tuple[IAccount, Any, IMailbox]:
        """An account, its mailbox "source" with three messages, and "target" with one."""
        account = await self.account()
        source, target = await self.mailbox(account, "source"), await self.mailbox(account, "target")
        self.need(IReplaces, source)
        await self.append(source, *(New(octets or self.octets(number), flags=FLAGGED) for number in range(3)))
        return account, source, target

    async def _replaced_by(self, source: Any, uid: int, target: IMailbox, message: New = _NEW) -> int:
        new = await settled(source.replace(uid, target.id, message))
        self.assertIs(int, type(new))
        return int(new)

    async def _counts_agree(self, *mailboxes: IMailbox) -> None:
        for mailbox in mailboxes:
            rows, status = await self.rows(mailbox, Field.FLAGS | Field.SIZE), await self.status(mailbox)
            self.assertEqual((len(rows), sum(not flags & SEEN for flags in rows.flags), sum(rows.sizes)),
                             (status.messages, status.unseen, status.size))

    @cases(WHERE)
    async def test_a_message_is_replaced_by(self, where: str) -> None:
        """Octets, flags and date are the new one's, which stands at the end; counts are right."""
        account, source, _ = await self._to_replace()
        target = await self.mailbox(account, where)
        uidnext = (await self.status(target)).uidnext
        new = await self._replaced_by(source, 2, target)
        self.assertEqual(uidnext, new)
        self.assertEqual([1, 3, new] if where == "source" else [1, 3], await self.uids(source))
        self.assertEqual(new, (await self.uids(target))[-1])
        rows = await self.rows(target, Field.FLAGS | Field.DATE)
        self.assertEqual((SEEN | DRAFT, 1_234), (rows.flags[-1], rows.dates[-1]))
        self.assertEqual(_WHOLE, await self.whole(target, new))
        await self._counts_agree(source, target)

    @cases(WHERE)
    async def test_others_learn_of_it(self, where: str) -> None:
        account, source, _ = await self._to_replace()
        target = await self.mailbox(account, where)
        before, there = (await self.status(source)).cursor, (await self.status(target)).cursor
        new = await self._replaced_by(source, 1, target)
        self.assertEqual([1], list((await self.changed(source, before)).vanished))
        self.assertEqual([new], list((await self.changed(target, there)).rows.uids))

    @cases(WHERE)
    async def test_listeners_are_told_of_both(self, where: str) -> None:
        account, source, _ = await self._to_replace()
        target = await self.mailbox(account, where)
        told: list[str] = []
        self.addCleanup(account.subscribe(told.append))
        await self._replaced_by(source, 1, target)
        self.assertLessEqual({source.id, target.id}, set(told))

    async def test_keywords_are_by_the_targets_table(self) -> None:
        _, source, target = await self._to_replace()
        await settled(source.keywords(["a", "b"]))
        table = list(await settled(target.keywords(["b"])))
        mask = keyword_bit(table.index("b"))
        new = await self._replaced_by(source, 3, target, New(b"mail", flags=mask))
        self.assertEqual({new: mask}, await self.flags(target))

    @cases({"gone": 2, "never_there": 77})
    async def test_what_is_not_there_is_not_replaced_by(self, uid: int) -> None:
        _, source, target = await self._to_replace()
        await self.expunge(source, [2])
        for where in (source, target):
            await self.refused(NoSuchMessage, lambda where=where: source.replace(uid, where.id, _NEW))      # type: ignore[misc]
        self.assertEqual(([1, 3], []), (await self.uids(source), await self.uids(target)))
        await self._counts_agree(source, target)

    @cases({"deleted": True, "never": False})
    async def test_into_what_is_not_there_by_a_replacement(self, deleted: bool) -> None:
        account, source, target = await self._to_replace()
        if deleted:
            await settled(account.delete(target.id))
        await self.refused(NoSuchMailbox, lambda: source.replace(1, target.id if deleted else "no such id", _NEW))
        self.assertEqual([1, 2, 3], await self.uids(source))

    async def test_in_what_was_deleted_nothing_is_replaced_by(self) -> None:
        account, source, target = await self._to_replace()
        await settled(account.delete(source.id))
        await self.refused(Refusal, lambda: source.replace(1, target.id, _NEW))
        self.assertEqual([], await self.uids(target))

    async def test_of_two_that_replace_the_same_message_one_does(self) -> None:
        _, source, _ = await self._to_replace()
        answers = await self.together(*(lambda: source.replace(2, source.id, _NEW) for _ in range(4)))
        uids = [answer for answer in answers if isinstance(answer, int)]
        self.assertEqual(1, len(uids))
        self.assertEqual([NoSuchMessage] * 3, [type(answer) for answer in answers if not isinstance(answer, int)])
        self.assertEqual([1, 3, *uids], await self.uids(source))

    async def test_a_staged_message_takes_the_place(self) -> None:
        store = await self.opened()
        self.need(IContent, store)
        account = await self.account(store)
        source = await self.mailbox(account)
        self.need(IReplaces, source)
        await self.append(source, b"old")
        octets = self.octets(1) * 10_000
        staged = await settled(store.stage())           # type: ignore[attr-defined]
        await settled(staged.write(octets))
        message = New(await settled(staged.seal()), b"Head: yes\r\n", size=len(octets) + 11)
        new = await self._replaced_by(source, 1, source, message)
        self.assertEqual(b"Head: yes\r\n" + octets, await self.whole(source, new))
        await self._counts_agree(source)

    @cases(ROOM)
    async def test_room_is_judged_by_what_is_left_where_it_is(
        self, octets: int | None, messages: int | None, size: int, room: bool,
    ) -> None:
        account, source, target = await self._to_replace(_TEN)
        self.need(IQuota, account)
        quota: IQuota = account     # type: ignore[assignment]
        await settled(quota.set_quota(octets, messages))
        for where in (source, target):
            there, message = await self.uids(where), New(b"x" * size)
            first = (await self.uids(source))[0]
            if room:
                new = await self._replaced_by(source, first, where, message)
                await settled(quota.set_quota(None, None))
                self.assertEqual([*(uid for uid in there if uid != first or where is target), new], await self.uids(where))
                await self.expunge(where, [new])
                await self.append(source, _TEN)
                await settled(quota.set_quota(octets, messages))
            else:
                await self.refused(OverQuota, lambda where=where, first=first, message=message:     # type: ignore[misc]
                                   source.replace(first, where.id, message))
                self.assertEqual(there, await self.uids(where))
            await self._counts_agree(source, target)

    @cases(WHERE)
    async def test_a_replacement_outlives_the_store(self, where: str) -> None:
        """I1"""
        store = await self.opened()
        account = await self.account(store)
        source = await self.mailbox(account, "source")
        self.need(IReplaces, source)
        await self.append(source, b"old", b"other")
        new = await self._replaced_by(source, 1, await self.mailbox(account, where))
        account = await self.account(await self.reopened(store))
        source, target = await self.mailbox(account, "source"), await self.mailbox(account, where)
        self.assertEqual([2, new] if where == "source" else [2], await self.uids(source))
        self.assertEqual(_WHOLE, await self.whole(target, new))
        await self._counts_agree(source, target)
