"""The store contract about what a store may offer beyond the minimum; what it does not offer is skipped by name."""

from __future__ import annotations

import random
from array import array

from mailframe.interfaces.content import IContent
from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import (
    IAttributeCache,
    ICopyable,
    IMailbox,
    IMailboxFinder,
    IMailStore,
    IMovable,
    IRecent,
    ISpecialUses,
)
from mailframe.model.flags import FLAGGED, SEEN, FlagChange, keyword_bit
from mailframe.model.mailbox import Attributes, Field, New, NewMailbox
from mailframe.model.refusal import NoSuchMailbox

from .store_base import MESSAGE, StoreBase

LARGE = 5 * 2**20


class OptionalContract(StoreBase):
    """IMailboxFinder, IContent, ICopyable, IMovable, IAttributeCache, IRecent."""

    async def staged(self, store: IMailStore, octets: bytes) -> str:
        self.need(IContent, store)
        content: IContent = store  # type: ignore[assignment]
        staged = await settled(content.stage())
        for offset in range(0, len(octets), 100_000):
            await settled(staged.write(octets[offset:offset + 100_000]))
        return await settled(staged.seal())

    async def test_a_mailbox_is_found_by_exactly_its_name(self) -> None:
        account = await self.account()
        self.need(IMailboxFinder, account)
        finder: IMailboxFinder = account  # type: ignore[assignment]
        made = await settled(account.create(NewMailbox("a/b", "\\Junk")))
        self.assertEqual(made, await settled(finder.find_mailbox("a/b")))
        for name in ("a", "A/b", "a/%", "a/b/", ""):
            self.assertIsNone(await settled(finder.find_mailbox(name)))
        await settled(account.rename([(made.id, "c")]))
        self.assertIsNone(await settled(finder.find_mailbox("a/b")))
        renamed = await settled(finder.find_mailbox("c"))
        self.assertEqual((made.id, "c"), renamed and (renamed.id, renamed.name))
        await settled(account.delete(made.id))
        self.assertIsNone(await settled(finder.find_mailbox("c")))

    async def test_special_uses_change_together_or_not_at_all(self) -> None:
        store = await self.opened()
        account = await self.account(store)
        self.need(ISpecialUses, account)
        special: ISpecialUses = account  # type: ignore[assignment]
        sent = (await self.infos(account))["Sent"]
        made = await settled(account.create(NewMailbox("more")))
        heard: list[str] = []
        self.addCleanup(account.subscribe(heard.append))
        await settled(special.set_special_uses({sent.id: None, made.id: "\\Sent"}))
        self.assertIn("", heard)
        for changes in ({made.id: "\\Junk", "9999999": None}, {"no such id": None, made.id: None}):
            with self.assertRaises(NoSuchMailbox):
                await settled(special.set_special_uses(changes))
        wanted = {"Sent": None, "more": "\\Sent", "Junk": "\\Junk"}
        infos = await self.infos(account)
        self.assertEqual(wanted, {name: infos[name].special_use for name in wanted})
        infos = await self.infos(await self.account(await self.reopened(store)))
        self.assertEqual(wanted, {name: infos[name].special_use for name in wanted})

    async def test_large_messages_come_in_pieces(self) -> None:
        store = await self.opened()
        octets = random.Random(5).randbytes(LARGE)
        mailbox = await self.mailbox(await self.account(store))
        name = await self.staged(store, octets)
        uid, = await settled(mailbox.append([New(name, b"Head: 1\r\n")]))
        whole = b"Head: 1\r\n" + octets
        self.assertEqual([len(whole)], list((await self.rows(mailbox, Field.SIZE)).sizes))
        self.assertEqual(whole, await self.whole(mailbox, uid))
        for offset, size in ((0, 5), (5, 10), (9, 1), (262_140, 20), (3_000_000, 600_000), (LARGE, 100), (LARGE + 9, 100)):
            self.assertEqual(whole[offset:offset + size], await settled(mailbox.read(uid, offset, size)))

    async def test_staged_content_may_be_small_or_empty(self) -> None:
        store = await self.opened()
        mailbox = await self.mailbox(await self.account(store))
        names = [await self.staged(store, octets) for octets in (b"", MESSAGE)]
        uids = await settled(mailbox.append([New(name) for name in names]))
        self.assertEqual([b"", MESSAGE], [await self.whole(mailbox, uid) for uid in uids])

    async def test_one_content_serves_many_messages(self) -> None:
        store = await self.opened()
        name = await self.staged(store, MESSAGE)
        ada, bob = [await self.mailbox(await self.account(store, who)) for who in ("ada", "bob")]
        await settled(ada.append([New(name, b"To: ada\r\n"), New(name)]))
        await settled(bob.append([New(name, b"To: bob\r\n")]))
        await settled(ada.expunge(None, False))
        self.assertEqual(b"To: bob\r\n" + MESSAGE, await self.whole(bob, 1))

    async def test_an_aborted_content_leaves_no_trace(self) -> None:
        store = await self.opened()
        self.need(IContent, store)
        content: IContent = store  # type: ignore[assignment]
        staged = await settled(content.stage())
        await settled(staged.write(b"x" * 700_000))
        staged.abort()

    async def test_staged_content_outlives_the_store(self) -> None:
        """I1"""
        store = await self.opened()
        octets = random.Random(6).randbytes(700_000)
        name = await self.staged(store, octets)
        mailbox = await self.mailbox(await self.account(await self.reopened(store)))
        uid, = await settled(mailbox.append([New(name)]))
        self.assertEqual(octets, await self.whole(mailbox, uid))

    async def test_an_expunged_message_can_be_read_to_its_end(self) -> None:
        store = await self.opened()
        name = await self.staged(store, octets := random.Random(7).randbytes(700_000))
        mailbox = await self.mailbox(await self.account(store))
        uid, = await settled(mailbox.append([New(name, b"Head: 1\r\n")]))
        begun = await settled(mailbox.read(uid, 0, 1000))
        await settled(mailbox.expunge(None, False))
        self.assertEqual([], await self.uids(mailbox))
        self.assertEqual(b"Head: 1\r\n" + octets, begun + await settled(mailbox.read(uid, 1000, 2**31)))

    async def _two(self) -> tuple[IMailbox, IMailbox, array[int]]:
        account = await self.account()
        source, target = await self.mailbox(account), await self.mailbox(account, "target")
        await settled(target.keywords(["other"]))
        await settled(source.keywords(["unused", "mine"]))
        uids = await settled(source.append([
            New(self.octets(number), b"Head: 1\r\n", FLAGGED | keyword_bit(1), 1_000 + number) for number in range(4)]))
        return source, target, uids

    async def _arrived(self, target: IMailbox, pairs: tuple[array[int], array[int]], uids: list[int]) -> None:
        existing, new = pairs
        self.assertEqual(uids, list(existing))
        rows = await self.rows(target, Field.FLAGS | Field.DATE | Field.SIZE)
        self.assertEqual(list(new), list(rows.uids))
        words = await settled(target.keywords([]))
        self.assertEqual([FLAGGED | keyword_bit(words.index("mine"))] * len(new), list(rows.flags))
        self.assertEqual([1_000, 1_002], list(rows.dates))
        self.assertEqual([b"Head: 1\r\n" + self.octets(0), b"Head: 1\r\n" + self.octets(2)],
                         [await self.whole(target, uid) for uid in new])

    async def test_copies_take_flags_dates_and_octets_along(self) -> None:
        source, target, uids = await self._two()
        if not ICopyable.providedBy(source):
            self.need(ICopyable, source)
        copyable: ICopyable = source  # type: ignore[assignment]
        chosen = [uids[0], uids[2]]
        await self._arrived(target, await settled(copyable.copy([*chosen, 99_999], target.id)), chosen)
        self.assertEqual(list(uids), await self.uids(source))
        before, after = await self.rows(source, Field.EMAILID), await self.rows(target, Field.EMAILID)
        self.assertEqual([before.email_ids[0], before.email_ids[2]], after.email_ids)
        await self.refused(NoSuchMailbox, lambda: copyable.copy(uids, "no such id"))

    async def test_a_copy_outlives_its_original(self) -> None:
        source, target, uids = await self._two()
        self.need(ICopyable, source)
        copyable: ICopyable = source  # type: ignore[assignment]
        await settled(copyable.copy(uids, target.id))
        await settled(source.expunge(None, False))
        self.assertEqual(b"Head: 1\r\n" + self.octets(3), await self.whole(target, (await self.uids(target))[3]))

    async def test_moves_are_copies_whose_originals_are_gone(self) -> None:
        """RFC 6851"""
        source, target, uids = await self._two()
        self.need(IMovable, source)
        movable: IMovable = source  # type: ignore[assignment]
        before = (await settled(source.status())).cursor
        await self._arrived(target, await settled(movable.move([uids[0], uids[2]], target.id)), [uids[0], uids[2]])
        self.assertEqual([uids[1], uids[3]], await self.uids(source))
        self.assertEqual([uids[0], uids[2]], list((await self.changed(source, before)).vanished))
        await self.refused(NoSuchMailbox, lambda: movable.move(uids, "no such id"))
        self.assertEqual([uids[1], uids[3]], await self.uids(source))
        status = await settled(source.status())
        self.assertEqual((2, 2), (status.messages, status.unseen))

    async def test_attributes_are_kept_beside_the_messages(self) -> None:
        mailbox, uids = await self.filled(3)
        self.need(IAttributeCache, mailbox)
        cache: IAttributeCache = mailbox  # type: ignore[assignment]
        one, two = Attributes(1, b"(envelope)", b"(structure)", b"\x00index"), Attributes(1, b"e", b"s", b"i")
        given, = await settled(mailbox.append([New(MESSAGE, attributes=two)]))
        await settled(cache.remember([uids[0], given + 5], [one, two]))
        await settled(mailbox.set_flags(uids, FlagChange.add(SEEN), None))
        rows = await self.rows(mailbox, Field.ENVELOPE | Field.STRUCTURE | Field.INDEX)
        self.assertEqual([*uids, given], list(rows.uids))
        self.assertEqual([b"(envelope)", b"", b"", b"e"], rows.envelopes)
        self.assertEqual([b"(structure)", b"", b"", b"s"], rows.structures)
        self.assertEqual([b"\x00index", b"", b"", b"i"], rows.indexes)

    async def test_a_message_is_recent_for_one_session(self) -> None:
        """RFC 3501 section 2.3.2"""
        mailbox, uids = await self.filled(2)
        self.need(IRecent, mailbox)
        recent: IRecent = mailbox  # type: ignore[assignment]
        self.assertLessEqual(await settled(recent.recent_from()), uids[0])
        self.assertLessEqual(await settled(recent.claim_recent()), uids[0])
        self.assertEqual(2**32, await settled(recent.recent_from()))
        self.assertEqual(2**32, await settled(recent.claim_recent()))
        more = await settled(mailbox.append([New(MESSAGE)]))
        first = await settled(recent.claim_recent())
        self.assertTrue(uids[-1] < first <= more[0])
