"""The store contract about copies and moves: any choice of messages, any target, and keywords of other tables."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IAccount, ICopyable, IMailbox, IMovable
from mailframe.model.flags import FLAGGED, MAX_KEYWORDS, SEEN, keyword_bit
from mailframe.model.mailbox import Field, New
from mailframe.model.refusal import NoSuchMailbox

from .cases import cases
from .store_base import StoreBase

HEAD = b"Delivered-To: ada\r\n"
#: Of UIDs 1 to 6, of which 3 is gone.
CHOSEN: dict[str, Sequence[int]] = {
    "none": (), "one": (2,), "the_last": (6,), "some": (1, 4), "all": (1, 2, 4, 5, 6), "one_that_is_gone": (3,),
    "gone_and_there": (3, 4),
    "all_and_more": (1, 2, 3, 4, 5, 6, 7, 99, 0xFFFFFFFF), "one_that_never_was": (77,),
}
TABLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "the_same": (("a", "b"), ("a", "b")), "another_order": (("a", "b"), ("b", "a")), "none_yet": (("a", "b"), ()),
    "others": (("a", "b"), ("x", "y", "z")), "other_case": (("a", "b"), ("B", "A")), "some": (("a", "b"), ("x", "b")),
    "more": (("a", "b"), ("a", "b", "c", "d")), "almost_full": (("a", "b"), tuple(f"w{n}" for n in range(MAX_KEYWORDS - 2))),
}
WAYS = {"copy": ICopyable, "move": IMovable}


class CopiesContract(StoreBase):
    """`ICopyable` and `IMovable`."""

    async def _six(self, way: str) -> tuple[IAccount, IMailbox]:
        account = await self.account()
        source = await self.mailbox(account, "source")
        self.need(WAYS[way], source)
        await self.append(source, *(
            New(self.octets(number), HEAD, (FLAGGED, SEEN, 0)[number % 3], 1_000 + number) for number in range(1, 7)))
        await self.expunge(source, [3])
        return account, source

    async def _carried(self, way: str, source: IMailbox, uids: Sequence[int], target: str) -> tuple[list[int], list[int]]:
        old, new = await settled(getattr(source, way)(array("I", uids), target))
        self.assertEqual(("I", "I"), (old.typecode, new.typecode))
        return list(old), list(new)

    async def _mail(self, mailbox: IMailbox) -> list[tuple[int, int, int, bytes]]:
        rows = await self.rows(mailbox, Field.FLAGS | Field.DATE | Field.SIZE)
        return [(flags, date, size, await self.whole(mailbox, uid))
                for uid, flags, date, size in zip(rows.uids, rows.flags, rows.dates, rows.sizes, strict=True)]

    @cases({f"{way}_of_{label}": (way, uids) for way in WAYS for label, uids in CHOSEN.items()})
    async def test_mail_goes_by_a(self, way: str, uids: Sequence[int]) -> None:
        """Into a mailbox that has mail: octets, flags and dates go along, pairs ascend, counts are right."""
        account, source = await self._six(way)
        target = await self.mailbox(account, "target")
        await self.append(target, b"older")
        before, there = await self._mail(source), await self.uids(source)
        old, new = await self._carried(way, source, uids, target.id)
        self.assertEqual([uid for uid in uids if uid in there], old)
        self.assertEqual([1, *new], await self.uids(target))
        self.assertEqual([before[there.index(uid)] for uid in old], (await self._mail(target))[1:])
        left = [uid for uid in there if way == "copy" or uid not in old]
        self.assertEqual(left, await self.uids(source))
        self.assertEqual([before[there.index(uid)] for uid in left], await self._mail(source))
        for mailbox in (source, target):
            status, mail = await self.status(mailbox), await self._mail(mailbox)
            self.assertEqual((len(mail), sum(not flags & SEEN for flags, *_ in mail), sum(size for _, _, size, _ in mail)),
                             (status.messages, status.unseen, status.size))

    @cases({f"{way}_of_{label}": (way, uids) for way in WAYS for label, uids in CHOSEN.items()})
    async def test_onto_itself_by_a(self, way: str, uids: Sequence[int]) -> None:
        """RFC 6851 allows it: they come again at the end, with new UIDs."""
        _, source = await self._six(way)
        before, there = await self._mail(source), await self.uids(source)
        old, new = await self._carried(way, source, uids, source.id)
        self.assertEqual([uid for uid in uids if uid in there], old)
        left = [uid for uid in there if way == "copy" or uid not in old]
        self.assertEqual([*left, *new], await self.uids(source))
        self.assertTrue(not new or new[0] > there[-1])
        self.assertEqual([before[there.index(uid)] for uid in (*left, *old)], await self._mail(source))

    @cases({f"{way}_into_a_table_with_{label}": (way, *tables) for way in WAYS for label, tables in TABLES.items()})
    async def test_keywords_go_along_by_a(self, way: str, mine: tuple[str, ...], theirs: tuple[str, ...]) -> None:
        """A keyword is the same word over there, whatever its number; one that nobody wears is not carried."""
        account = await self.account()
        source, target = await self.mailbox(account, "source"), await self.mailbox(account, "target")
        self.need(WAYS[way], source)
        await settled(source.keywords([*mine, "unused"]))
        await settled(target.keywords(theirs))
        masks = [keyword_bit(0), keyword_bit(1) | SEEN, keyword_bit(0) | keyword_bit(1), 0]
        uids = await self.append(source, *(New(self.octets(mask & 7), flags=mask) for mask in masks))
        await self._carried(way, source, uids, target.id)
        table = [word.lower() for word in await settled(target.keywords([]))]
        self.assertEqual([word.lower() for word in theirs], table[:len(theirs)])
        self.assertNotIn("unused", table)
        a, b = keyword_bit(table.index("a")), keyword_bit(table.index("b"))
        self.assertEqual([a, b | SEEN, a | b, 0], list((await self.flags(target)).values()))

    @cases({"copy": "copy", "move": "move"})
    async def test_into_a_full_table_a_keyword_is_lost_rather_than_the_mail(self, way: str) -> None:
        account = await self.account()
        source, target = await self.mailbox(account, "source"), await self.mailbox(account, "target")
        self.need(WAYS[way], source)
        await settled(source.keywords(["mine", "w3"]))
        full = await settled(target.keywords([f"w{n}" for n in range(MAX_KEYWORDS)]))
        uids = await self.append(source, New(b"mail", flags=keyword_bit(0) | keyword_bit(1) | FLAGGED))
        await self._carried(way, source, uids, target.id)
        self.assertEqual(full, await settled(target.keywords([])))
        self.assertEqual([FLAGGED | keyword_bit(3)], list((await self.flags(target)).values()))

    @cases({f"{way}_{where}": (way, where) for way in WAYS for where in ("deleted", "never", "of_another_account")})
    async def test_into_what_is_not_there(self, way: str, where: str) -> None:
        store = await self.opened()
        account = await self.account(store)
        source, uids = await self.filled(3, account)
        self.need(WAYS[way], source)
        target = "no such id"
        if where == "deleted":
            target = (await self.mailbox(account, "target")).id
            await settled(account.delete(target))
        elif where == "of_another_account":     # its ids mean nothing here, or another mailbox
            other = await self.account(store, "bob", ())
            target = max((info.id for info in (await self.infos(other)).values()), key=lambda name: (len(name), name))
            if target in {info.id for info in (await self.infos(account)).values()}:
                return
        for chosen in (uids, array("I")):
            await self.refused(NoSuchMailbox, lambda chosen=chosen: getattr(source, way)(chosen, target))   # type: ignore[misc]
        self.assertEqual(list(uids), await self.uids(source))
        self.assertEqual(3, (await self.status(source)).messages)

    @cases({"copy": "copy", "move": "move"})
    async def test_from_what_was_deleted(self, way: str) -> None:
        account, source = await self._six(way)
        target = await self.mailbox(account, "target")
        await settled(account.delete(source.id))
        await self.refused(NoSuchMailbox, lambda: getattr(source, way)(array("I", [1]), target.id))
        self.assertEqual([], await self.uids(target))

    @cases({"copy": "copy", "move": "move"})
    async def test_outliving_the_store_after_a(self, way: str) -> None:
        """I1"""
        store = await self.opened()
        account = await self.account(store)
        source, uids = await self.filled(4, account)
        self.need(WAYS[way], source)
        target = await self.mailbox(account, "target")
        await self._carried(way, source, uids[1:], target.id)
        await self.expunge(source)
        before = await self._mail(target)
        account = await self.account(await self.reopened(store))
        self.assertEqual(before, await self._mail(await self.mailbox(account, "target")))
        self.assertEqual(3, len(before))

    async def test_a_message_copied_a_hundred_times_is_a_hundred_messages(self) -> None:
        _, source = await self._six("copy")
        for _ in range(5):
            await self._carried("copy", source, await self.uids(source), source.id)
        self.assertEqual(160, (await self.status(source)).messages)
        uids = await self.uids(source)
        await self.expunge(source, uids[:-1])
        self.assertEqual(HEAD + self.octets(6), await self.whole(source, uids[-1]))
