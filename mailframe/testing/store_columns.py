"""The store contract about rows: any ranges, in pages of any length, any columns, each typed and as long as the others."""

from __future__ import annotations

import random
from array import array

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IMailbox, IObjectIds, ISaveDates
from mailframe.model.mailbox import MAX_UID, Field, New, Rows, uid_ranges

from .cases import cases
from .store_base import ALL, MESSAGE, StoreBase

_ONE = {field.name.lower(): field for field in Field if field.name}
FIELDS = {
    "nothing": Field.NONE, **_ONE, "flags_and_size": Field.FLAGS | Field.SIZE, "flags_and_modseq": Field.FLAGS | Field.MODSEQ,
    "listing": Field.FLAGS | Field.SIZE | Field.DATE | Field.ENVELOPE | Field.STRUCTURE, "texts": Field.EMAILID | Field.THREADID,
    "all_but_flags": ~Field.FLAGS, "everything": ~Field.NONE,
}
_COLUMNS: dict[Field, tuple[str, str | type]] = {
    Field.FLAGS: ("flags", "Q"), Field.MODSEQ: ("modseqs", "Q"), Field.SIZE: ("sizes", "Q"), Field.DATE: ("dates", "q"),
    Field.SAVED: ("saved", "q"), Field.ENVELOPE: ("envelopes", bytes), Field.STRUCTURE: ("structures", bytes),
    Field.INDEX: ("indexes", bytes), Field.EMAILID: ("email_ids", str), Field.THREADID: ("thread_ids", str),
}
#: Of a mailbox with UIDs 1 to 40, without 6 to 9, 20 and 40.
_THERE = [uid for uid in range(1, 41) if uid not in (6, 7, 8, 9, 20, 40)]
RANGES: dict[str, list[tuple[int, int]]] = {
    "none": [], "all": [(1, MAX_UID)], "exactly_all": [(1, 40)], "the_first": [(1, 1)], "the_last": [(39, 39)],
    "the_gone_last": [(40, 40)],
    "beyond": [(41, 99)], "far_beyond": [(1_000_000, MAX_UID)], "the_greatest": [(MAX_UID, MAX_UID)], "a_hole": [(6, 9)],
    "into_a_hole": [(4, 7)], "out_of_a_hole": [(8, 12)], "over_a_hole": [(5, 10)], "two": [(1, 3), (30, 33)],
    "touching": [(1, 5), (6, 12)],
    "singles": [(1, 1), (3, 3), (5, 5), (20, 20), (21, 21)], "every_second": [(uid, uid) for uid in range(1, 41, 2)],
    "many_and_beyond": [(uid, uid + 1) for uid in range(1, 90, 3)], "from_the_middle": [(17, MAX_UID)],
    "wide_and_far": [(2, 3), (39, MAX_UID)],
}
LIMITS = (1, 3, 7, len(_THERE), 10_000)


class ColumnsContract(StoreBase):
    """`IMailbox.rows`."""

    async def _forty(self) -> IMailbox:
        mailbox = await self.mailbox()
        await self.append(mailbox, *(New(self.octets(number), b"", number % 32, number) for number in range(40)))
        await self.expunge(mailbox, [6, 7, 8, 9, 20, 40])
        return mailbox

    @cases({label: (ranges,) for label, ranges in RANGES.items()})
    async def test_rows_of(self, ranges: list[tuple[int, int]]) -> None:
        """In pages of any length, as a session asks: no message twice, none left out, and never more than the limit."""
        mailbox = await self._forty()
        for limit in LIMITS:
            for fields in (Field.NONE, Field.FLAGS, Field.SIZE | Field.DATE):
                await self._paged(mailbox, ranges, limit, fields)

    async def _paged(self, mailbox: IMailbox, ranges: list[tuple[int, int]], limit: int, fields: Field) -> None:
        expected = [uid for uid in _THERE if any(first <= uid <= last for first, last in ranges)]
        found: list[int] = []
        while rows := await settled(mailbox.rows(ranges, limit, fields)):
            self.assertEqual(expected[len(found):len(found) + limit], list(rows.uids))
            self._aligned(rows, fields)
            if Field.FLAGS in fields:
                self.assertEqual([(uid - 1) % 32 for uid in rows.uids], list(rows.flags))
            if Field.DATE in fields:
                self.assertEqual([uid - 1 for uid in rows.uids], list(rows.dates))
            found += rows.uids
            ranges = [(max(first, found[-1] + 1), last) for first, last in ranges if last > found[-1]]
        self.assertEqual(expected, found)

    def _aligned(self, rows: Rows, fields: Field) -> None:
        self.assertEqual("I", rows.uids.typecode)
        for field, (name, kind) in _COLUMNS.items():
            column = getattr(rows, name)
            self.assertEqual(len(rows) if field in fields else 0, len(column), name)
            if isinstance(kind, str):
                self.assertTrue(isinstance(column, array) and column.typecode == kind, name)
            else:
                self.assertTrue(isinstance(column, list) and all(isinstance(value, kind) for value in column), name)

    @cases(FIELDS)
    async def test_columns_are_typed_and_aligned_for(self, fields: Field) -> None:
        mailbox = await self._forty()
        self._aligned(await self.rows(mailbox, fields), fields)
        self._aligned(await settled(mailbox.rows([], 10, fields)), fields)
        self._aligned(await settled(mailbox.rows(ALL, 7, fields)), fields)
        self._aligned(await self.rows(await self.mailbox(name="never filled"), fields), fields)

    async def test_any_ranges_in_a_large_mailbox(self) -> None:
        mailbox = await self.mailbox()
        uids = await self.append(mailbox, *[MESSAGE] * 3_000)
        rng = random.Random(12)
        await self.expunge(mailbox, sorted(rng.sample(uids, 700)))
        left = await self.uids(mailbox)
        self.assertEqual(2_300, len(left))
        for count in (1, 5, 50, 900):
            ranges = uid_ranges(sorted(rng.sample(range(1, 3_100), count)))
            expected = [uid for uid in left if any(first <= uid <= last for first, last in ranges)]
            for fields in (Field.FLAGS, Field.DATE):
                self.assertEqual(expected, list((await settled(mailbox.rows(ranges, 5_000, fields))).uids))

    async def test_save_dates_are_the_time_of_coming_into_this_mailbox(self) -> None:
        """RFC 8514"""
        mailbox = await self._forty()
        self.need(ISaveDates, mailbox)
        saved = list((await self.rows(mailbox, Field.SAVED)).saved)
        self.assertTrue(all(when > 1_600_000_000 for when in saved), "seconds since the epoch, by the clock")
        await self.append(mailbox, MESSAGE)
        self.assertEqual(saved, list((await self.rows(mailbox, Field.SAVED)).saved)[:-1])

    async def test_email_ids_are_there_and_stay(self) -> None:
        """RFC 8474 section 5.1: of 1 to 255 letters, digits, "_" and "-"."""
        store = await self.opened()
        mailbox = await self.mailbox(await self.account(store))
        self.need(IObjectIds, mailbox)
        await self.append(mailbox, MESSAGE, self.octets(1), self.octets(2))
        rows = await self.rows(mailbox, Field.EMAILID | Field.THREADID)
        for name in (*rows.email_ids, *rows.thread_ids):
            self.assertRegex(name, r"\A[A-Za-z0-9_-]{1,255}\Z")
        self.assertEqual(3, len(set(rows.email_ids)))
        mailbox = await self.mailbox(await self.account(await self.reopened(store)))
        again = await self.rows(mailbox, Field.EMAILID | Field.THREADID)
        self.assertEqual((rows.email_ids, rows.thread_ids), (again.email_ids, again.thread_ids))
