"""The store contract about quota (RFC 9208): to the limit and not beyond, in each way that mail comes in, also at once."""

from __future__ import annotations

from array import array

from mailframe.interfaces.content import IContent
from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IAccount, ICopyable, IDelivers, IMailbox, IMailStore, IMovable, IQuota
from mailframe.model.mailbox import INBOX, New, Quota
from mailframe.model.refusal import OverQuota

from .cases import cases
from .store_base import StoreBase

_TEN = b"0123456789"
#: (octets, messages) that an account with 3 messages of 10 octets may hold, and whether one more of 10 finds room.
LIMITS: dict[str, tuple[int | None, int | None, bool]] = {
    "none": (None, None, True), "octets_exactly": (40, None, True), "octets_one_short": (39, None, False),
    "octets_plenty": (1_000, None, True),
    "octets_used_up": (30, None, False), "octets_below_use": (5, None, False), "no_octets": (0, None, False),
    "messages_exactly": (None, 4, True), "messages_used_up": (None, 3, False), "messages_below_use": (None, 1, False),
    "no_messages": (None, 0, False), "both_exactly": (40, 4, True), "octets_room_but_not_messages": (1_000, 3, False),
    "messages_room_but_not_octets": (39, 1_000, False), "huge": (1 << 50, 1 << 40, True),
}


class QuotaContract(StoreBase):
    """`IQuota`, where the account provides it."""

    async def _limited(
        self, octets: int | None = None, messages: int | None = None, store: IMailStore | None = None,
    ) -> tuple[IAccount, IQuota, IMailbox]:
        """With three messages of ten octets in INBOX."""
        account = await self.account(store)
        self.need(IQuota, account)
        quota: IQuota = account     # type: ignore[assignment]
        mailbox = await self.mailbox(account)
        await self.append(mailbox, _TEN, New(_TEN[5:], _TEN[:5]), _TEN)
        await settled(quota.set_quota(octets, messages))
        return account, quota, mailbox

    async def _use(self, quota: IQuota) -> tuple[int, int]:
        known = await settled(quota.quota())
        return known.octets, known.messages

    async def test_a_new_account_uses_nothing(self) -> None:
        account = await self.account()
        self.need(IQuota, account)
        known = await settled(account.quota())      # type: ignore[attr-defined]
        self.assertEqual((0, 0), (known.octets, known.messages))

    @cases(LIMITS)
    async def test_one_more_by_append_with_a_limit_of(self, octets: int | None, messages: int | None, room: bool) -> None:
        _, quota, mailbox = await self._limited(octets, messages)
        self.assertEqual(Quota(30, 3, octets, messages), await settled(quota.quota()))
        if room:
            await self.append(mailbox, _TEN)
        else:
            before = await self.status(mailbox)
            await self.refused(OverQuota, lambda: mailbox.append([New(_TEN)]))
            after = await self.status(mailbox)
            self.assertEqual((before.messages, before.size, before.highest_modseq),
                             (after.messages, after.size, after.highest_modseq))
        self.assertEqual((40, 4) if room else (30, 3), await self._use(quota))

    @cases(LIMITS)
    async def test_one_more_by_copy_with_a_limit_of(self, octets: int | None, messages: int | None, room: bool) -> None:
        account, quota, mailbox = await self._limited(octets, messages)
        self.need(ICopyable, mailbox)
        target = await self.mailbox(account, "target")
        if room:
            await settled(mailbox.copy(array("I", [2]), target.id))     # type: ignore[attr-defined]
        else:
            await self.refused(OverQuota, lambda: mailbox.copy(array("I", [2]), target.id))     # type: ignore[attr-defined]
        self.assertEqual(int(room), (await self.status(target)).messages)
        self.assertEqual((40, 4) if room else (30, 3), await self._use(quota))

    @cases(LIMITS)
    async def test_a_move_always_finds_room_with_a_limit_of(self, octets: int | None, messages: int | None, room: bool) -> None:
        account, quota, mailbox = await self._limited(octets, messages)
        self.need(IMovable, mailbox)
        target = await self.mailbox(account, "target")
        await settled(mailbox.move(array("I", [1, 2, 3]), target.id))   # type: ignore[attr-defined]
        self.assertEqual(3, (await self.status(target)).messages)
        self.assertEqual((30, 3), await self._use(quota))

    @cases(LIMITS)
    async def test_one_more_by_delivery_with_a_limit_of(self, octets: int | None, messages: int | None, room: bool) -> None:
        store = await self.opened()
        _, quota, _ = await self._limited(octets, messages, store)
        self.need(IDelivers, store)
        outcomes = await settled(store.deliver([("ada", INBOX, New(_TEN)), ("bob", INBOX, New(_TEN))]))    # type: ignore[attr-defined]
        self.assertEqual(None if room else OverQuota, outcomes[0] if outcomes[0] is None else type(outcomes[0]))
        self.assertIsNone(outcomes[1], "one's failure is no other's")
        self.assertEqual((40, 4) if room else (30, 3), await self._use(quota))

    async def test_an_append_of_many_beyond_the_limit_is_none(self) -> None:
        _, quota, mailbox = await self._limited(50)
        await self.refused(OverQuota, lambda: mailbox.append([New(_TEN), New(_TEN), New(b"x")]))
        self.assertEqual((30, 3), await self._use(quota))
        await self.append(mailbox, _TEN, _TEN)
        self.assertEqual((50, 5), await self._use(quota))

    async def test_expunging_and_deleting_make_room(self) -> None:
        account, quota, mailbox = await self._limited(30, 3)
        await self.expunge(mailbox, [2])
        self.assertEqual((20, 2), await self._use(quota))
        other = await self.mailbox(account, "other")
        await self.append(other, _TEN)
        await self.refused(OverQuota, lambda: mailbox.append([New(b"x")]))
        await settled(account.delete(other.id))
        self.assertEqual((20, 2), await self._use(quota))
        await self.append(mailbox, _TEN)

    async def test_what_changes_no_message_changes_no_use(self) -> None:
        account, quota, mailbox = await self._limited(30, 3)
        await settled(account.rename([(mailbox.id, "renamed")]))
        await self.append(mailbox)
        self.assertEqual((30, 3), await self._use(quota))

    async def test_an_empty_message_needs_no_octets(self) -> None:
        _, quota, mailbox = await self._limited(30)
        await self.append(mailbox, b"")
        self.assertEqual((30, 4), await self._use(quota))

    async def test_staged_content_counts_when_it_is_appended(self) -> None:
        store = await self.opened()
        self.need(IContent, store)
        _, quota, mailbox = await self._limited(300_030, None, store)
        staged = await settled(store.stage())       # type: ignore[attr-defined]
        await settled(staged.write(b"x" * 300_000))
        name = await settled(staged.seal())
        self.assertEqual((30, 3), await self._use(quota))
        await self.append(mailbox, New(name))
        await self.refused(OverQuota, lambda: mailbox.append([New(name)]))
        self.assertEqual((300_030, 4), await self._use(quota))

    async def test_use_and_limits_outlive_the_store(self) -> None:
        store = await self.opened()
        await self._limited(35, 7, store)
        account = await self.account(await self.reopened(store))
        self.assertEqual(Quota(30, 3, 35, 7), await settled(account.quota()))       # type: ignore[attr-defined]
        mailbox = await self.mailbox(account)
        await self.refused(OverQuota, lambda: mailbox.append([New(_TEN)]))

    @cases({"octets": (130, None), "messages": (None, 13)})
    async def test_of_many_at_once_as_many_find_room_as_there_is(self, octets: int | None, messages: int | None) -> None:
        store = await self.opened()
        _, quota, _ = await self._limited(octets, messages, store)
        boxes = [await self.mailbox(await self.account(store), f"box{number}") for number in range(4)]
        answers = await self.together(*(lambda box=boxes[n % 4]: box.append([New(_TEN)]) for n in range(30)))
        self.assertEqual(20, sum(isinstance(each, OverQuota) for each in answers))
        self.assertEqual((130, 13), await self._use(quota))

    async def test_accounts_have_each_their_own(self) -> None:
        store = await self.opened()
        await self._limited(30, 3, store)
        await self.append(await self.mailbox(await self.account(store, "bob")), *[_TEN] * 10)
