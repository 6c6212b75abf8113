"""The content contract about octets: any size, written in any way, comes back from any place."""

from __future__ import annotations

from mailframe.interfaces.maybe import settled
from mailframe.model.refusal import NoSuchMessage

from .cases import cases
from .content_base import CHUNK, ContentBase, cut

_K = 1024
_SIZES = {
    "nothing": 0, "one_octet": 1, "two_octets": 2, "a_line": 78, "a_block_less_one": 4_095, "a_block": 4_096,
    "a_block_and_one": 4_097, "64_KiB": 64 * _K, "256_KiB_less_one": 256 * _K - 1, "256_KiB": 256 * _K,
    "256_KiB_and_one": 256 * _K + 1, "512_KiB_and_one": 512 * _K + 1, "1_MiB": _K * _K, "3_MiB_and_seven": 3 * _K * _K + 7,
}
_STEPS = {"whole": 1 << 40, "in_pieces_as_from_a_socket": CHUNK, "in_odd_pieces": 7_919, "in_large_pieces": 300_001}
_LONG = 600_001
_OFFSETS = (0, 1, 4_095, 256 * _K - 1, 256 * _K, 256 * _K + 1, _LONG - 1, _LONG, _LONG + 1, 1 << 40)
_READS = (0, 1, 1_000, 256 * _K, _LONG, 1 << 31)
_STRANGE = {
    "empty": "", "a_number": "1", "a_minus": "-1", "a_long_number": "9" * 30, "a_path_up": "../../etc/passwd", "the_root": "/",
    "a_zero_octet": "\0", "words": "no such id", "beyond_ascii": "é٣", "very_long": "a" * 10_000, "a_sum": "0" * 64,
    "a_sum_and_more": "0" * 64 + "-" + "0" * 16,
}


class ContentReading(ContentBase):
    """`IContent`, `IStaged.write` and `seal`, and `IReadableContent.read`."""

    @cases({f"{size}_{way}": (_SIZES[size], step) for size in _SIZES for way, step in _STEPS.items()})
    async def test_octets_come_back(self, size: int, step: int) -> None:
        store, octets = await self.opened(), self.octets(size)
        content_id = await self.kept(store, octets, step)
        self.assertIsInstance(content_id, str)
        self.assertEqual(octets, await self.whole(store, content_id))
        self.assertEqual([content_id], await self.all_ids(store))

    @cases({f"from_{offset}_so_many_{size}": (offset, size) for offset in _OFFSETS for size in _READS})
    async def test_a_slice(self, offset: int, size: int) -> None:
        store, octets = await self.opened(), self.octets(_LONG)
        content_id = await self.kept(store, octets)
        for _ in range(2):                      # the second time perhaps from somewhere nearer
            self.assertEqual(octets[offset:offset + size], await settled(store.read(content_id, offset, size)))

    @cases({f"of_{size}": (size,) for size in (0, 1, 5_000, 256 * _K + 1)})
    async def test_reading_past_the_end(self, size: int) -> None:
        store = await self.opened()
        content_id = await self.kept(store, self.octets(size))
        for offset in (size, size + 1, size + 256 * _K, 1 << 50):
            self.assertEqual(b"", await settled(store.read(content_id, offset, 10)))

    @cases({word: (name,) for word, name in _STRANGE.items()})
    async def test_an_id_that_never_was(self, name: str) -> None:
        store = await self.opened()
        kept = await self.kept(store, b"other")
        await self.refused(NoSuchMessage, lambda: store.read(name, 0, 10))
        await settled(store.remove([name]))
        self.assertEqual(b"other", await self.whole(store, kept))

    async def test_octet_by_octet(self) -> None:
        store, octets = await self.opened(), self.octets(2_000)
        self.assertEqual(octets, await self.whole(store, await self.kept(store, octets, 1)))

    async def test_writing_nothing_changes_nothing(self) -> None:
        store, octets = await self.opened(), self.octets(600_000)
        chunks = [part for chunk in cut(octets, CHUNK) for part in (b"", chunk, b"")]
        self.assertEqual(octets, await self.whole(store, await settled((await self.staged(store, chunks)).seal())))

    async def test_what_was_written_may_be_used_again_by_the_writer(self) -> None:
        """The octets count as they were when they were handed over."""
        store = await self.opened()
        staged = await settled(store.stage())
        buffer = bytearray(b"a" * 1_000)
        await settled(staged.write(bytes(buffer)))
        buffer[:] = b"b" * 1_000
        self.assertEqual(b"a" * 1_000, await self.whole(store, await settled(staged.seal())))

    async def test_a_reader_goes_through_it_in_slices(self) -> None:
        store, octets = await self.opened(), self.octets(1_500_000)
        content_id, found = await self.kept(store, octets), b""
        while len(found) <= len(octets) and (part := await settled(store.read(content_id, len(found), 100_003))):
            found += part
        self.assertEqual(octets, found)

    async def test_it_may_be_read_backwards(self) -> None:
        store, octets = await self.opened(), self.octets(1_000_000)
        content_id = await self.kept(store, octets)
        for offset in range(999_000, -1, -111_000):
            self.assertEqual(octets[offset:offset + 1_000], await settled(store.read(content_id, offset, 1_000)))
