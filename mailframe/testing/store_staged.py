"""The store contract about staged content: sealed or aborted at each step, shared, outliving, and as long as 100 MiB."""

from __future__ import annotations

import hashlib
import random
import tracemalloc
from functools import partial

from mailframe.interfaces.content import IContent, IReadableContent, IStaged
from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IMailStore
from mailframe.model.mailbox import Field, New
from mailframe.model.refusal import NoSuchMessage, Refusal

from .cases import cases
from .store_base import MESSAGE, StoreBase

#: The sizes of the pieces in which content comes.
PIECES: dict[str, tuple[int, ...]] = {
    "nothing": (), "an_empty_piece": (0,), "one_octet": (1,), "small": (100, 200), "one_by_one": (1,) * 300,
    "with_empty_ones": (0, 10, 0, 10, 0),
    "just_below_a_quarter_mib": (262_143,), "a_quarter_mib": (262_144,), "just_above": (262_145,),
    "over_the_border": (262_000, 300),
    "half_a_mib_at_once": (524_288,), "uneven": (100_000, 7, 200_000, 65_536, 1), "large_and_small": (900_000, 1),
    "small_and_large": (1, 900_000),
    "many": (65_536,) * 24,
}
LARGE = 100 * 2**20
_STEP = 256 * 1024
#: Python memory that a store may use on top while such a message passes through it.
_EXTRA = 32 * 2**20


class StagedContract(StoreBase):
    """`IContent`, where the store provides it."""

    async def _store(self) -> tuple[IMailStore, IContent]:
        store = await self.opened()
        self.need(IContent, store)
        content: IContent = store       # type: ignore[assignment]
        return store, content

    async def _written(self, content: IContent, sizes: tuple[int, ...]) -> tuple[IStaged, bytes]:
        staged = await settled(content.stage())
        rng, whole = random.Random(len(sizes)), b""
        for size in sizes:
            piece = rng.randbytes(size)
            await settled(staged.write(piece))
            whole += piece
        return staged, whole

    @cases({label: (sizes,) for label, sizes in PIECES.items()})
    async def test_content_that_came_in_pieces(self, sizes: tuple[int, ...]) -> None:
        """Whole and in parts, with and without a head, and again after reopening."""
        store, content = await self._store()
        staged, whole = await self._written(content, sizes)
        name = await settled(staged.seal())
        self.assertIsInstance(name, str)
        mailbox = await self.mailbox(await self.account(store))
        bare, headed = await self.append(mailbox, New(name, size=len(whole)), New(name, b"Head: 1\r\n", size=len(whole) + 9))
        self.assertEqual(whole, await self.whole(mailbox, bare))
        self.assertEqual(b"Head: 1\r\n" + whole, await self.whole(mailbox, headed))
        self.assertEqual([len(whole), len(whole) + 9], list((await self.rows(mailbox, Field.SIZE)).sizes))
        for offset in (0, 1, len(whole) // 2, len(whole) - 1, len(whole)):
            if offset >= 0:
                self.assertEqual(whole[offset:offset + 5_000], await settled(mailbox.read(bare, offset, 5_000)))

    @cases({label: (sizes,) for label, sizes in PIECES.items()})
    async def test_content_read_by_its_id(self, sizes: tuple[int, ...]) -> None:
        store, content = await self._store()
        self.need(IReadableContent, store)
        readable: IReadableContent = store      # type: ignore[assignment]
        staged, whole = await self._written(content, sizes)
        name = await settled(staged.seal())
        self.assertEqual(whole, await settled(readable.read(name, 0, 1 << 30)))
        self.assertEqual(whole[3:7], await settled(readable.read(name, 3, 4)))
        self.assertEqual(b"", await settled(readable.read(name, len(whole), 10)))

    @cases({label: (sizes,) for label, sizes in PIECES.items()})
    async def test_content_given_up_after(self, sizes: tuple[int, ...]) -> None:
        """Again and again; what comes next is not harmed by it, nor what has been sealed."""
        store, content = await self._store()
        mailbox = await self.mailbox(await self.account(store))
        kept, _ = await self._written(content, (300_000, 5))
        name = await settled(kept.seal())
        staged, _ = await self._written(content, sizes)
        staged.abort()
        staged.abort()
        other, whole = await self._written(content, sizes)
        uids = await self.append(mailbox, New(await settled(other.seal())), New(name))
        self.assertEqual(whole, await self.whole(mailbox, uids[0]))
        self.assertEqual(300_005, len(await self.whole(mailbox, uids[1])))

    @cases({label: (sizes,) for label, sizes in PIECES.items()})
    async def test_content_sealed_and_never_appended(self, sizes: tuple[int, ...]) -> None:
        """No message comes of it; it can still be used by who opens the store again (its ten minutes are not over)."""
        store, content = await self._store()
        staged, whole = await self._written(content, sizes)
        name = await settled(staged.seal())
        self.assertEqual([], await self.uids(await self.mailbox(await self.account(store))))
        mailbox = await self.mailbox(await self.account(await self.reopened(store)))
        self.assertEqual([], await self.uids(mailbox))
        uid, = await self.append(mailbox, New(name))
        self.assertEqual(whole, await self.whole(mailbox, uid))

    @cases({label: (sizes,) for label, sizes in PIECES.items()})
    async def test_content_left_unfinished_when_the_store_closes(self, sizes: tuple[int, ...]) -> None:
        store, content = await self._store()
        staged, _ = await self._written(content, sizes)
        mailbox = await self.mailbox(await self.account(await self.reopened(store)))
        staged.abort()                  # too late, and no harm
        self.assertEqual([], await self.uids(mailbox))
        await self.append(mailbox, MESSAGE)

    @cases({"a_number": "987654321", "a_word": "no-such-content", "empty": "", "huge": "9" * 40, "umlaut": "ü",
            "path": "../../x", "zero": "0"})
    async def test_content_that_never_was_is_refused_and_nothing_is_added(self, name: str) -> None:
        store, _ = await self._store()
        mailbox = await self.mailbox(await self.account(store))
        await self.append(mailbox, MESSAGE)
        await self.refused(Refusal, lambda: mailbox.append([New(MESSAGE), New(name), New(MESSAGE)]))
        self.assertEqual([1], await self.uids(mailbox))
        if IReadableContent.providedBy(store):
            await self.refused(NoSuchMessage, lambda: store.read(name, 0, 1))

    async def test_many_staged_at_once_do_not_mix(self) -> None:
        store, content = await self._store()
        mailbox = await self.mailbox(await self.account(store))
        staged = [await settled(content.stage()) for _ in range(6)]
        for number in range(40):
            await self.together(*(
                partial(one.write, bytes([n]) * 10_000) for n, one in enumerate(staged) if number or n))
        names = await self.together(*(one.seal for one in staged))
        self.assertEqual(6, len(set(names)))
        uids = await self.append(mailbox, *(New(name) for name in names))
        for number, uid in enumerate(uids):
            self.assertEqual(bytes([number]) * (400_000 if number else 390_000), await self.whole(mailbox, uid))

    async def test_content_lives_as_long_as_one_message_refers_to_it(self) -> None:
        store, content = await self._store()
        staged, whole = await self._written(content, (300_000,))
        name = await settled(staged.seal())
        boxes = [await self.mailbox(await self.account(store, who)) for who in ("ada", "bob", "eve")]
        for mailbox in boxes:
            await self.append(mailbox, New(name), New(name))
        for mailbox in boxes[:2]:
            await self.expunge(mailbox)
        await self.expunge(boxes[2], [1])
        self.assertEqual(whole, await self.whole(boxes[2], 2))

    async def test_a_message_of_100_mib_passes_through_little_memory(self) -> None:
        """Staged, appended, read in parts and expunged, with less than 32 MiB of Python's memory on top."""
        self.need_long()
        store, content = await self._store()
        mailbox = await self.mailbox(await self.account(store))
        given, taken = hashlib.sha256(), hashlib.sha256()
        rng = random.Random(100)
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        before = tracemalloc.get_traced_memory()[0]
        staged = await settled(content.stage())
        for _ in range(LARGE // _STEP):
            piece = rng.randbytes(_STEP)
            given.update(piece)
            await settled(staged.write(piece))
        uid, = await self.append(mailbox, New(await settled(staged.seal()), b"H: 1\r\n"))
        self.assertEqual([LARGE + 6], list((await self.rows(mailbox, Field.SIZE)).sizes))
        for offset in range(6, LARGE + 6, _STEP):
            taken.update(await settled(mailbox.read(uid, offset, _STEP)))
        self.assertEqual(given.digest(), taken.digest())
        await self.expunge(mailbox)
        self.assertEqual(_STEP, len(await settled(mailbox.read(uid, LARGE // 2, _STEP))), "a reader can finish")
        self.assertLess(tracemalloc.get_traced_memory()[1] - before, _EXTRA)
