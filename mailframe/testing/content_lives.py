"""The content contract about lives: ids, removal, staging that is given up, many at once, and opening again."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from mailframe.interfaces.maybe import settled
from mailframe.model.refusal import NoSuchMessage

from .cases import cases
from .content_base import ContentBase, cut

_SIZES = {"nothing": (0,), "a_few": (100,), "256_KiB": (262_144,), "more": (600_001,)}


class ContentLives(ContentBase):
    """`IContentStore`: who may take what away, and what is there afterwards."""

    @cases(_SIZES)
    async def test_two_of_the_same_octets_are_two(self, size: int) -> None:
        store, octets = await self.opened(), self.octets(size)
        first, second = await self.kept(store, octets), await self.kept(store, octets)
        self.assertNotEqual(first, second)
        self.assertEqual(sorted((first, second)), await self.all_ids(store))
        for content_id in (first, second):
            self.assertEqual(octets, await self.whole(store, content_id))

    @cases({f"{which}_{word}": (number, *size)
           for number, which in enumerate(("first", "second", "third")) for word, size in _SIZES.items()})
    async def test_removing_one_of_three_equal_ones_the(self, number: int, size: int) -> None:
        store, octets = await self.opened(), self.octets(size)
        names = [await self.kept(store, octets) for _ in range(3)]
        gone = names.pop(number)
        await settled(store.remove([gone]))
        await self.gone(store, [gone])
        for content_id in names:
            self.assertEqual(octets, await self.whole(store, content_id))
        self.assertEqual(sorted(names), await self.all_ids(store))

    @cases(_SIZES)
    async def test_removing_it_twice(self, size: int) -> None:
        store = await self.opened()
        gone, stays = await self.kept(store, self.octets(size)), await self.kept(store, b"stays")
        for _ in range(3):
            await settled(store.remove([gone, gone]))
        await self.gone(store, [gone])
        self.assertEqual(b"stays", await self.whole(store, stays))

    @cases(_SIZES)
    async def test_the_same_octets_after_the_last_was_removed(self, size: int) -> None:
        store, octets = await self.opened(), self.octets(size)
        seen: set[str] = set()
        for _ in range(4):
            content_id = await self.kept(store, octets)
            self.assertNotIn(content_id, seen, "no id is given twice")
            seen.add(content_id)
            self.assertEqual(octets, await self.whole(store, content_id))
            await settled(store.remove([content_id]))

    @cases(_SIZES)
    async def test_a_delivery_while_the_last_of_its_octets_goes(self, size: int) -> None:
        store, octets = await self.opened(), self.octets(size)
        for turn in range(8):
            old = await self.kept(store, octets)
            staged = await self.staged(store, cut(octets, 200_000))
            racing: list[Any] = [_run(staged.seal()), _run(store.remove([old]))]
            new = (await gatherResults(racing if turn % 2 else racing[::-1]))[0 if turn % 2 else 1]
            await self.gone(store, [old])
            self.assertEqual(octets, await self.whole(store, new))
            await settled(store.remove([new]))
        self.assertEqual([], await self.all_ids(store))

    @cases({"before_the_first_write": (0,), "after_a_few_octets": (10,), "after_256_KiB": (262_144,), "after_1_MiB": (2**20,)})
    async def test_abort(self, size: int) -> None:
        store = await self.opened()
        staged = await self.staged(store, cut(self.octets(size), 65_536))
        staged.abort()
        staged.abort()
        await self.refused(RuntimeError, lambda: staged.write(b"more"))
        await self.refused(RuntimeError, staged.seal)
        self.assertEqual([], await self.all_ids(store))
        octets = self.octets(size)
        self.assertEqual(octets, await self.whole(store, await self.kept(store, octets)))

    @cases(_SIZES)
    async def test_after_seal(self, size: int) -> None:
        store, octets = await self.opened(), self.octets(size)
        staged = await self.staged(store, [octets])
        content_id = await settled(staged.seal())
        await self.refused(RuntimeError, lambda: staged.write(b"more"))
        await self.refused(RuntimeError, staged.seal)
        staged.abort()
        self.assertEqual(octets, await self.whole(store, content_id))

    @cases({"two": (2, 500_000), "ten": (10, 300_000), "fifty_small": (50, 1_000)})
    async def test_staging_at_the_same_time(self, count: int, size: int) -> None:
        store = await self.opened()
        every = [self.octets(size + number % 3, number) for number in range(count)]
        names = await gatherResults([_run(self.kept(store, octets, 50_000)) for octets in every])
        self.assertEqual(count, len(set(names)))
        for content_id, octets in zip(names, every, strict=True):
            self.assertEqual(octets, await self.whole(store, content_id))
        self.assertEqual(sorted(names), await self.all_ids(store))

    @cases({"two": (2,), "ten": (10,)})
    async def test_staging_the_same_at_the_same_time(self, count: int) -> None:
        store, octets = await self.opened(), self.octets(400_000)
        names = await gatherResults([_run(self.kept(store, octets, 50_000)) for _ in range(count)])
        self.assertEqual(count, len(set(names)))
        await settled(store.remove(names[1:]))
        self.assertEqual(octets, await self.whole(store, names[0]))

    @cases({str(limit): (limit,) for limit in (1, 2, 7, 29, 30, 31, 1_000)})
    async def test_ids_by_pages_of(self, limit: int) -> None:
        store = await self.opened()
        names = [await self.kept(store, self.octets(10, number // 2)) for number in range(30)]
        self.assertEqual(sorted(names), await self.all_ids(store, limit))
        middle = sorted(names)[14]
        self.assertEqual(sorted(names)[15:15 + limit], list(await settled(store.ids(middle, limit))))

    @cases(_SIZES)
    async def test_opening_again(self, size: int) -> None:
        store, octets = await self.opened(), self.octets(size)
        names = [await self.kept(store, octets) for _ in range(2)]
        gone = await self.kept(store, octets)
        await settled(store.remove([gone]))
        for _ in range(2):
            store = await self.reopened(store)
            await self.gone(store, [gone])
            self.assertEqual(sorted(names), await self.all_ids(store))
            for content_id in names:
                self.assertEqual(octets, await self.whole(store, content_id))
        self.assertNotIn(await self.kept(store, octets), {*names, gone})

    @cases({"a_few_octets": (10,), "256_KiB": (262_144,), "1_MiB": (2**20,)})
    async def test_what_was_half_staged_is_gone_after(self, size: int) -> None:
        store = await self.opened()
        await self.staged(store, cut(self.octets(size), 65_536))
        store = await self.reopened(store)
        self.assertEqual([], await self.all_ids(store))

    async def test_an_empty_store_has_no_ids(self) -> None:
        store = await self.opened()
        self.assertEqual([], list(await settled(store.ids("", 10))))
        self.assertEqual([], list(await settled(store.ids("zzz", 10))))

    async def test_what_is_staged_has_no_id_yet(self) -> None:
        store = await self.opened()
        staged = await self.staged(store, [self.octets(600_000)])
        self.assertEqual([], await self.all_ids(store))
        self.assertEqual([await settled(staged.seal())], await self.all_ids(store))

    async def test_removing_none_and_many(self) -> None:
        store = await self.opened()
        names = [await self.kept(store, self.octets(100, number)) for number in range(40)]
        await settled(store.remove([]))
        self.assertEqual(sorted(names), await self.all_ids(store))
        await settled(store.remove(names[:39]))
        self.assertEqual(names[39:], await self.all_ids(store))

    async def test_a_reader_in_the_middle_sees_the_right_octets_or_none(self) -> None:
        """It may be let finish for some minutes, but is never shown something else or a false end."""
        store, octets = await self.opened(), self.octets(900_000)
        content_id = await self.kept(store, octets)
        self.assertEqual(octets[:100_000], await settled(store.read(content_id, 0, 100_000)))
        await settled(store.remove([content_id]))
        for offset in range(100_000, 900_000, 100_000):
            try:
                part = await settled(store.read(content_id, offset, 100_000))
            except NoSuchMessage:
                break
            self.assertEqual(octets[offset:offset + 100_000], part)

    async def test_many_readers_at_the_same_time(self) -> None:
        store, octets = await self.opened(), self.octets(500_000)
        content_id = await self.kept(store, octets)
        parts = await gatherResults([_run(store.read(content_id, offset, 60_000)) for offset in range(0, 500_000, 10_000)])
        self.assertEqual([octets[offset:offset + 60_000] for offset in range(0, 500_000, 10_000)], parts)

    async def test_two_hundred_contents_are_read_in_turn(self) -> None:
        """More than a store may keep open."""
        store = await self.opened()
        names = await gatherResults([_run(self.kept(store, b"%d" % number)) for number in range(200)])
        for _ in range(2):
            for number, content_id in enumerate(names):
                self.assertEqual(b"%d" % number, await self.whole(store, content_id))

    async def test_closing_while_something_is_staged(self) -> None:
        store = await self.opened()
        for size in (10, 300_000):
            await self.staged(store, [self.octets(size)])
        await self.closed(store)


def _run(awaitable: Any) -> Deferred[Any]:
    return Deferred.fromCoroutine(settled(awaitable))


