"""The store contract about octets: any message comes back as it was given, whole and in parts, also after reopening."""

from __future__ import annotations

import random

from mailframe.interfaces.maybe import settled
from mailframe.model.mailbox import Field, New
from mailframe.model.refusal import NoSuchMessage

from .cases import cases
from .store_base import MESSAGE, StoreBase


def _random(size: int) -> bytes:
    return random.Random(size).randbytes(size)


MESSAGES: dict[str, bytes] = {
    "empty": b"", "one_octet": b"x", "one_line_end": b"\r\n", "only_line_ends": b"\r\n" * 50, "only_a_header": b"A: 1\r\n\r\n",
    "header_without_end": b"A: 1\r\nB: 2\r\n", "no_header": b"\r\nbody\r\n", "no_last_line_end": b"A: 1\r\n\r\nbody",
    "nul": b"A: 1\r\n\r\n\0\0\0",
    "all_octets": bytes(range(256)), "bare_lf": b"A: 1\n\nbody\n", "bare_cr": b"A: 1\r\rbody\r",
    "mixed_line_ends": b"A\r\nB\nC\rD\n\rE\r\r\nF",
    "last_octet_cr": b"A: 1\r\n\r\nbody\r", "latin_1": "A: ü\r\n\r\nÄÖÜ\r\n".encode("latin-1"),
    "utf_8": "A: ü\r\n\r\n受信\r\n".encode(),
    "broken_utf_8": b"\xff\xfe\xc0\x80", "dot_lines": b"A: 1\r\n\r\n.\r\n..\r\n.\r\n",
    "from_lines": b"From a@b Thu\r\n\r\nFrom here\r\n>From there\r\n",
    "dash_lines": b"A: 1\r\n\r\n--x\r\n--x--\r\n", "long_line": b"A: 1\r\n\r\n" + b"x" * 100_000 + b"\r\n",
    "json_like": b'{"a": "\\u0000"}',
    "zip_like": b"PK\x03\x04" + bytes(40), "uu_like": b"begin 644 a\r\n#86)C\r\n`\r\nend\r\n",
    "byte_order_mark": b"\xef\xbb\xbfA: 1\r\n\r\n",
    **{f"random_{size}": _random(size) for size in (
        255, 256, 1_023, 1_024, 4_095, 4_096, 4_097, 8_191, 8_192, 8_193, 16_384, 32_767, 65_535, 65_536, 65_537, 131_072,
        262_143, 262_144, 262_145, 524_288, 600_000, 1_048_577)},
}
HEAD = b"Return-Path: <a@example.org>\r\nReceived: by example.org\r\n"
#: Which slices: (offset, size); an offset counts from the end where it is negative, and is the end where it is None.
SLICES = {
    "all": (0, 1 << 31), "nothing": (0, 0), "the_first_octet": (0, 1), "the_last_octet": (-1, 1),
    "the_last_octet_and_more": (-1, 100),
    "past_the_end": (1 << 30, 10), "at_the_end": (None, 10), "nothing_in_the_middle": (40, 0), "the_head": (0, len(HEAD)),
    "the_content": (len(HEAD), 1 << 31), "over_the_seam": (len(HEAD) - 5, 10), "the_seam": (len(HEAD) - 1, 2), "most": (1, 1 << 30),
    "a_piece": (262_100, 100), "two_pieces": (262_100, 300_000), "many_pieces": (5, 1_000_000), "page": (4_090, 8_200),
}
DATES = {
    "epoch": 0, "one": 1, "before_the_epoch": -1, "year_1900": -2_208_988_800, "today": 1_770_000_000, "before_2038": (1 << 31) - 1,
    "after_2038": 1 << 31, "after_2106": 1 << 32, "year_9999": 253_402_300_799,
}
BATCHES = {"none": 0, "one": 1, "two": 2, "hundred": 100, "thousand": 1_000}


class OctetsContract(StoreBase):
    """`IMailbox.append`, `read`, and the columns SIZE and DATE."""

    @cases(MESSAGES)
    async def test_a_message_comes_back_as_it_was_given(self, octets: bytes) -> None:
        mailbox = await self.mailbox()
        alone, headed, again = await self.append(mailbox, octets, New(octets, HEAD), octets)
        self.assertEqual(octets, await self.whole(mailbox, alone))
        self.assertEqual(HEAD + octets, await self.whole(mailbox, headed))
        self.assertEqual(octets, await self.whole(mailbox, again))
        sizes = [len(octets), len(HEAD) + len(octets), len(octets)]
        self.assertEqual(sizes, list((await self.rows(mailbox, Field.SIZE)).sizes))
        self.assertEqual(sum(sizes), (await self.status(mailbox)).size)

    @cases(MESSAGES)
    async def test_a_message_is_read_in_parts(self, octets: bytes) -> None:
        mailbox = await self.mailbox()
        uid, = await self.append(mailbox, New(octets, HEAD))
        whole, found, step = HEAD + octets, b"", max(7, len(octets) // 5)
        while part := await settled(mailbox.read(uid, len(found), step)):
            self.assertEqual(whole[len(found):len(found) + step], part)
            found += part
        self.assertEqual(whole, found)

    async def test_all_messages_outlive_the_store(self) -> None:
        """I1"""
        store = await self.opened()
        mailbox = await self.mailbox(await self.account(store))
        uids = await self.append(mailbox, *(New(octets, HEAD, date=number) for number, octets in enumerate(MESSAGES.values())))
        mailbox = await self.mailbox(await self.account(await self.reopened(store)))
        for uid, octets in zip(uids, MESSAGES.values(), strict=True):
            self.assertEqual(HEAD + octets, await self.whole(mailbox, uid))
        rows = await self.rows(mailbox, Field.SIZE | Field.DATE)
        self.assertEqual([len(HEAD) + len(octets) for octets in MESSAGES.values()], list(rows.sizes))
        self.assertEqual([*range(len(MESSAGES))], list(rows.dates))

    @cases(SLICES)
    async def test_reading_these_octets(self, offset: int | None, size: int) -> None:
        mailbox = await self.mailbox()
        for octets in (MESSAGE, _random(900_000)):
            uid, = await self.append(mailbox, New(octets, HEAD))
            whole = HEAD + octets
            first = len(whole) if offset is None else offset + len(whole) * (offset < 0)
            self.assertEqual(whole[first:first + size], await settled(mailbox.read(uid, first, size)))

    @cases(DATES)
    async def test_a_date_comes_back_as_it_was_given(self, date: int) -> None:
        store = await self.opened()
        mailbox = await self.mailbox(await self.account(store))
        await self.append(mailbox, New(MESSAGE, date=date))
        self.assertEqual([date], list((await self.rows(mailbox, Field.DATE)).dates))

    @cases(BATCHES)
    async def test_so_many_in_one_call(self, count: int) -> None:
        mailbox = await self.mailbox()
        await self.append(mailbox, MESSAGE)
        uids = await self.append(mailbox, *(self.octets(number) for number in range(count)))
        self.assertEqual(sorted(set(uids)), uids)
        self.assertEqual([1, *uids], await self.uids(mailbox))
        for number in {0, count // 2, count - 1} if count else ():
            self.assertEqual(self.octets(number), await self.whole(mailbox, uids[number]))

    @cases({"before_the_first": 0, "never": 2, "the_greatest": 0xFFFFFFFF, "expunged_long_ago": 77})
    async def test_what_is_not_there_is_refused(self, uid: int) -> None:
        mailbox = await self.mailbox()
        await self.append(mailbox, MESSAGE)
        await self.refused(NoSuchMessage, lambda: mailbox.read(uid, 0, 10))

    @cases({"each_alone": (1,), "by_two": (2,), "all_at_once": (40,)})
    async def test_the_same_octets_again_are_messages_of_their_own(self, at_once: int) -> None:
        mailbox = await self.mailbox()
        for _ in range(40 // at_once):
            await self.append(mailbox, *[MESSAGE] * at_once)
        self.assertEqual(40, (await self.status(mailbox)).messages)
        await self.expunge(mailbox, [*range(1, 40)])
        self.assertEqual(MESSAGE, await self.whole(mailbox, 40))
