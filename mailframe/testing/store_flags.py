"""The store contract about flags and keywords: each operation on each mask, the counts that follow, and the tables of words."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IMailbox
from mailframe.model.flags import ANSWERED, DELETED, DRAFT, FLAGGED, MAX_KEYWORDS, SEEN, FlagChange, keyword_bit
from mailframe.model.mailbox import Field, New
from mailframe.model.refusal import LimitReached

from .cases import cases
from .store_base import MESSAGE, StoreBase

_FIRST, _LAST = keyword_bit(0), keyword_bit(MAX_KEYWORDS - 1)
MASKS = {
    "nothing": 0, "seen": SEEN, "answered": ANSWERED, "flagged": FLAGGED, "deleted": DELETED, "draft": DRAFT, "system": 31,
    "first_keyword": _FIRST, "last_keyword": _LAST, "seen_and_last_keyword": SEEN | _LAST,
    "deleted_and_first_keyword": DELETED | _FIRST,
    "every_keyword": ((1 << MAX_KEYWORDS) - 1) << 8, "everything": ((1 << MAX_KEYWORDS) - 1) << 8 | 31,
}
OPERATIONS = {
    **{f"add_{label}": FlagChange.add(mask) for label, mask in MASKS.items()},
    **{f"remove_{label}": FlagChange.remove(mask) for label, mask in MASKS.items()},
    **{f"replace_{label}": FlagChange.replace(mask) for label, mask in MASKS.items()},
    "keep_and_put": FlagChange(SEEN | _LAST, FLAGGED), "put_what_is_kept": FlagChange(SEEN, SEEN),
    "swap_seen_for_deleted": FlagChange((1 << 64) - 1 & ~SEEN, DELETED),
}
#: Which of five messages (1 to 5, 4 is gone) an operation is for.
CHOSEN: dict[str, Sequence[int]] = {
    "none": (), "the_first": (1,), "the_last": (5,), "some": (1, 3), "all": (1, 2, 3, 5), "one_that_is_gone": (4,),
    "one_that_never_was": (99,), "all_and_more": (1, 2, 3, 4, 5, 6, 7, 0xFFFFFFFF), "gone_and_there": (3, 4),
}
WORDS: dict[str, Sequence[str]] = {
    "usual": ("$Forwarded", "$MDNSent", "$Junk", "NonJunk"), "one": ("a",), "dots_and_dashes": ("a.b", "a-b", "a_b"),
    "digits": ("1", "01", "2024"), "long": ("k" * 100,), "quote_and_dollar": ("$", "'", "a'b", "`"),
    "like_system": ("Seen", "Deleted"),
    "case": ("Work", "work", "WORK"), "many": tuple(f"word{number}" for number in range(MAX_KEYWORDS)), "none": (),
    "sql": ("a;b", "--", "NULL"), "colon_and_comma": ("a:b", "a,b", "a=b"), "slash": ("a/b", "../up"), "plus": ("+a", "&b", "!c"),
}


class FlagsContract(StoreBase):
    """`IMailbox.set_flags` and `keywords`."""

    async def _five(self) -> tuple[IMailbox, dict[int, int]]:
        mailbox = await self.mailbox()
        await settled(mailbox.keywords([f"word{number}" for number in range(MAX_KEYWORDS)]))
        before = [0, SEEN | _LAST, DELETED | FLAGGED, 0, MASKS["everything"]]
        await self.append(mailbox, *(New(MESSAGE, flags=mask) for mask in before))
        await self.expunge(mailbox, [4])
        return mailbox, {uid: mask for uid, mask in enumerate(before, 1) if uid != 4}

    async def _counted(self, mailbox: IMailbox, expected: dict[int, int]) -> None:
        self.assertEqual(expected, await self.flags(mailbox))
        status = await self.status(mailbox)
        masks = expected.values()
        self.assertEqual((len(masks), sum(not mask & SEEN for mask in masks), sum(bool(mask & DELETED) for mask in masks)),
                         (status.messages, status.unseen, status.deleted))

    @cases(OPERATIONS)
    async def test_an_operation_on_flags(self, change: FlagChange) -> None:
        mailbox, expected = await self._five()
        stored = await settled(mailbox.set_flags(array("I", [1, 2, 3, 4, 5, 9]), change, None))
        expected = {uid: change.apply(mask) for uid, mask in expected.items()}
        self.assertEqual(expected, dict(zip(stored.rows.uids, stored.rows.flags, strict=True)))
        self.assertEqual(0, len(stored.refused))
        await self._counted(mailbox, expected)
        stored = await settled(mailbox.set_flags(array("I", expected), change, None))
        self.assertEqual(expected, dict(zip(stored.rows.uids, stored.rows.flags, strict=True)), "again, it changes nothing")

    @cases(CHOSEN)
    async def test_only_the_chosen_are_changed(self, *uids: int) -> None:
        mailbox, expected = await self._five()
        stored = await settled(mailbox.set_flags(array("I", uids), FlagChange.replace(ANSWERED), None))
        chosen = [uid for uid in uids if uid in expected]
        self.assertEqual((chosen, [ANSWERED] * len(chosen)), (list(stored.rows.uids), list(stored.rows.flags)))
        await self._counted(mailbox, {**expected, **dict.fromkeys(chosen, ANSWERED)})

    @cases(CHOSEN)
    async def test_only_the_chosen_are_expunged(self, *uids: int) -> None:
        mailbox, expected = await self._five()
        gone = await self.expunge(mailbox, uids)
        self.assertEqual([uid for uid in uids if uid in expected], gone)
        await self._counted(mailbox, {uid: mask for uid, mask in expected.items() if uid not in gone})

    @cases(CHOSEN)
    async def test_only_the_chosen_that_are_deleted_are_expunged(self, *uids: int) -> None:
        """RFC 4315 section 2.1"""
        mailbox, expected = await self._five()
        gone = await self.expunge(mailbox, uids, True)
        self.assertEqual([uid for uid in uids if expected.get(uid, 0) & DELETED], gone)
        await self._counted(mailbox, {uid: mask for uid, mask in expected.items() if uid not in gone})

    @cases(MASKS)
    async def test_flags_given_with_a_message(self, mask: int) -> None:
        mailbox, expected = await self._five()
        uid, = await self.append(mailbox, New(MESSAGE, flags=mask))
        await self._counted(mailbox, {**expected, uid: mask})

    async def test_flags_outlive_the_store(self) -> None:
        store = await self.opened()
        mailbox = await self.mailbox(await self.account(store))
        await settled(mailbox.keywords([f"word{number}" for number in range(MAX_KEYWORDS)]))
        uids = await self.append(mailbox, *[MESSAGE] * len(OPERATIONS))
        expected = {}
        for uid, change in zip(uids, OPERATIONS.values(), strict=True):
            await settled(mailbox.set_flags(array("I", [uid]), change, None))
            expected[uid] = change.apply(0)
        await self._counted(await self.mailbox(await self.account(await self.reopened(store))), expected)

    @cases({label: (tuple(words),) for label, words in WORDS.items()})
    async def test_these_keywords_are_kept(self, words: Sequence[str]) -> None:
        account = await self.account()
        mailbox = await self.mailbox(account)
        table = await settled(mailbox.keywords(words))
        self.assertEqual(list(dict.fromkeys(word.lower() for word in words)), [word.lower() for word in table])
        self.assertEqual([], [word for word in table if word not in words], "as they were spelt first")
        self.assertEqual(table, await settled((await self.mailbox(account)).keywords([])))
        self.assertEqual((), await settled((await self.mailbox(account, "other")).keywords([])), "each mailbox has its own")
        self.assertEqual(table, await settled(mailbox.keywords([word.upper() for word in words])))

    async def test_keywords_outlive_the_store(self) -> None:
        store = await self.opened()
        account = await self.account(store)
        tables = {}
        for label, words in WORDS.items():
            tables[label] = await settled((await self.mailbox(account, label)).keywords(words))
        account = await self.account(await self.reopened(store))
        for label, table in tables.items():
            self.assertEqual(table, await settled((await self.mailbox(account, label)).keywords([])))

    @cases({"one_by_one": 1, "by_ten": 10, "all": 56})
    async def test_a_full_table_takes_no_more_and_loses_nothing(self, at_once: int) -> None:
        mailbox = await self.mailbox()
        words = [f"word{number}" for number in range(MAX_KEYWORDS)]
        for first in range(0, MAX_KEYWORDS, at_once):
            await settled(mailbox.keywords(words[first:first + at_once]))
        await self.refused(LimitReached, lambda: mailbox.keywords(["word3", "another"]))
        self.assertEqual(tuple(words), await settled(mailbox.keywords(["WORD7"])))

    async def test_too_many_at_once_are_none(self) -> None:
        mailbox = await self.mailbox()
        await settled(mailbox.keywords(["one"]))
        await self.refused(LimitReached, lambda: mailbox.keywords([f"word{number}" for number in range(MAX_KEYWORDS)]))
        self.assertEqual(("one",), await settled(mailbox.keywords([])))

    async def test_keywords_made_by_two_sessions_at_once_are_all_there(self) -> None:
        store = await self.opened()
        boxes = [await self.mailbox(await self.account(store)) for _ in range(4)]
        await self.together(*(lambda box=box, n=n: box.keywords([f"w{n}", "shared", f"v{n}"]) for n, box in enumerate(boxes)))
        tables = [await settled(box.keywords([])) for box in boxes]
        self.assertEqual(1, len(set(tables)))
        self.assertEqual({"shared", *(f"{letter}{n}" for letter in "wv" for n in range(4))}, set(tables[0]))
        self.assertEqual(9, len(tables[0]))

    async def test_rows_tell_the_flags_that_were_set(self) -> None:
        mailbox, expected = await self._five()
        rows = await self.rows(mailbox, Field.FLAGS)
        self.assertEqual("Q", rows.flags.typecode)
        self.assertEqual(expected, dict(zip(rows.uids, rows.flags, strict=True)))
