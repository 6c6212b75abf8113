"""The store contract about messages: octets, UIDs, flags, expunges, changes."""

from __future__ import annotations

import random
from array import array

from twisted.internet.defer import Deferred, gatherResults

from mailframe.interfaces.content import IContent
from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IMailbox, IModSequenced
from mailframe.model.flags import DELETED, FLAGGED, MAX_KEYWORDS, SEEN, FlagChange, keyword_bit
from mailframe.model.mailbox import Field, New
from mailframe.model.refusal import LimitReached, NoSuchMessage, Refusal

from .store_base import MESSAGE, StoreBase


class MessagesContract(StoreBase):
    """What `IMailbox` promises to everyone."""

    async def test_head_and_content_are_read_as_one(self) -> None:
        mailbox = await self.mailbox()
        head, content = b"Delivered-To: ada\r\n", b"Subject: x\r\n\r\nbody\r\n"
        uid, = await settled(mailbox.append([New(content, head)]))
        both = head + content
        self.assertEqual([len(both)], list((await self.rows(mailbox, Field.SIZE)).sizes))
        for offset in range(len(both) + 2):
            for size in (0, 1, len(head), len(both)):
                self.assertEqual(both[offset:offset + size], await settled(mailbox.read(uid, offset, size)))

    async def test_a_missing_message_is_refused(self) -> None:
        mailbox, _ = await self.filled(1)
        await self.refused(NoSuchMessage, lambda: mailbox.read(2, 0, 10))

    async def test_uids_grow_and_status_counts(self) -> None:
        mailbox = await self.mailbox()
        first = await settled(mailbox.append([New(MESSAGE, flags=SEEN), New(MESSAGE)]))
        second = await settled(mailbox.append([New(MESSAGE, flags=DELETED)]))
        uids = [*first, *second]
        self.assertEqual(sorted(set(uids)), uids)
        status = await settled(mailbox.status())
        self.assertEqual((3, 2, 1), (status.messages, status.unseen, status.deleted))
        self.assertGreater(status.uidnext, uids[-1])
        self.assertEqual(3 * len(MESSAGE), status.size)

    async def test_a_uid_is_never_used_again(self) -> None:
        store = await self.opened()
        mailbox, uids = await self.filled(3, await self.account(store))
        await settled(mailbox.expunge(None, False))
        again = await settled(mailbox.append([New(MESSAGE)]))
        self.assertGreater(again[0], uids[-1])
        await settled(mailbox.expunge(None, False))
        mailbox = await self.mailbox(await self.account(await self.reopened(store)))
        self.assertGreater((await settled(mailbox.append([New(MESSAGE)])))[0], again[0])

    async def test_rows_hold_the_columns_that_were_asked_for(self) -> None:
        mailbox = await self.mailbox()
        await settled(mailbox.append([New(MESSAGE, flags=FLAGGED | SEEN, date=-5), New(MESSAGE, date=1_700_000_000)]))
        rows = await self.rows(mailbox, Field.FLAGS | Field.SIZE | Field.DATE)
        self.assertEqual(([FLAGGED | SEEN, 0], [len(MESSAGE)] * 2, [-5, 1_700_000_000]),
                         (list(rows.flags), list(rows.sizes), list(rows.dates)))
        for column in (rows.modseqs, rows.saved, rows.envelopes, rows.structures, rows.indexes, rows.email_ids, rows.thread_ids):
            self.assertEqual(0, len(column))
        everything = ~Field.NONE
        rows = await self.rows(mailbox, everything)
        for column in (rows.flags, rows.modseqs, rows.sizes, rows.dates, rows.saved, rows.envelopes, rows.structures, rows.indexes,
                       rows.email_ids, rows.thread_ids):
            self.assertEqual(len(rows), len(column))
        self.assertEqual(([b"", b""], [b"", b""], [b"", b""]), (rows.envelopes, rows.structures, rows.indexes))

    async def test_flags_are_kept_set_and_removed(self) -> None:
        mailbox, uids = await self.filled(4)
        stored = await settled(mailbox.set_flags(uids[:2], FlagChange.add(SEEN | FLAGGED), None))
        self.assertEqual((list(uids[:2]), [SEEN | FLAGGED] * 2), (list(stored.rows.uids), list(stored.rows.flags)))
        self.assertEqual([], list(stored.refused))
        await settled(mailbox.set_flags(array("I", [uids[1], uids[2], uids[3] + 7]), FlagChange.replace(DELETED), None))
        stored = await settled(mailbox.set_flags(uids, FlagChange.remove(SEEN), None))
        expected = [FLAGGED, DELETED, DELETED, 0]
        self.assertEqual((list(uids), expected), (list(stored.rows.uids), list(stored.rows.flags)))
        self.assertEqual(dict(zip(uids, expected, strict=True)), await self.flags(mailbox))
        status = await settled(mailbox.status())
        self.assertEqual((4, 2), (status.unseen, status.deleted))

    async def test_keywords_live_in_a_table_that_only_grows(self) -> None:
        mailbox, uids = await self.filled(1)
        self.assertEqual(("$Forwarded", "later"), await settled(mailbox.keywords(["$Forwarded", "later", "LATER"])))
        self.assertEqual(("$Forwarded", "later"), await settled(mailbox.keywords(["$forwarded"])))
        table = await settled(mailbox.keywords([f"word{number}" for number in range(MAX_KEYWORDS - 2)]))
        self.assertEqual(MAX_KEYWORDS, len(table))
        await self.refused(LimitReached, lambda: mailbox.keywords(["one more"]))
        self.assertEqual(table, await settled(mailbox.keywords([])))
        mask = keyword_bit(MAX_KEYWORDS - 1) | keyword_bit(0) | SEEN
        await settled(mailbox.set_flags(uids, FlagChange.add(mask), None))
        self.assertEqual({uids[0]: mask}, await self.flags(mailbox))

    async def test_expunge_takes_what_it_is_told_to(self) -> None:
        mailbox, uids = await self.filled(6)
        await settled(mailbox.set_flags(array("I", [uids[0], uids[2], uids[4]]), FlagChange.add(DELETED), None))
        self.assertEqual([uids[2]], list(await settled(mailbox.expunge(uids[1:4], True))))
        self.assertEqual([uids[1]], list(await settled(mailbox.expunge(array("I", [uids[1], uids[2]]), False))))
        self.assertEqual([uids[0], uids[4]], list(await settled(mailbox.expunge(None, True))))
        self.assertEqual([uids[3], uids[5]], await self.uids(mailbox))
        status = await settled(mailbox.status())
        self.assertEqual((2, 2, 0), (status.messages, status.unseen, status.deleted))
        self.assertEqual([uids[3], uids[5]], list(await settled(mailbox.expunge(None, False))))
        self.assertEqual([], list(await settled(mailbox.expunge(None, False))))
        self.assertEqual((0, 0), ((await settled(mailbox.status())).messages, (await settled(mailbox.status())).size))

    async def test_changes_tell_the_truth(self) -> None:
        """Whoever applies them to what he knew, knows what is."""
        mailbox, _ = await self.filled(10)
        rng = random.Random(4)
        known, cursor = await self.flags(mailbox), (await settled(mailbox.status())).cursor
        for _ in range(40):
            for _ in range(rng.randrange(3)):
                await self._something(mailbox, rng)
            changes = await self.changed(mailbox, cursor)
            self.assertEqual(sorted(changes.rows.uids), list(changes.rows.uids))
            for uid in changes.vanished:
                known.pop(uid, None)
            known.update(zip(changes.rows.uids, changes.rows.flags, strict=True))
            cursor = changes.cursor
            self.assertEqual(await self.flags(mailbox), known)
        quiet = await self.changed(mailbox, cursor)
        self.assertEqual((0, 0), (len(quiet.rows), len(quiet.vanished)))

    async def _something(self, mailbox: IMailbox, rng: random.Random) -> None:
        uids = await self.uids(mailbox)
        some = array("I", sorted(rng.sample(uids, min(3, len(uids)))))
        match rng.randrange(3):
            case 0:
                await settled(mailbox.append([New(MESSAGE, flags=rng.randrange(32)) for _ in range(rng.randrange(1, 4))]))
            case 1:
                await settled(mailbox.set_flags(some, FlagChange(rng.randrange(32), rng.randrange(32)), None))
            case _:
                await settled(mailbox.expunge(some[:2], False))

    async def test_unchanged_since_protects_what_changed_later(self) -> None:
        """RFC 7162 section 3.1.3"""
        mailbox, uids = await self.filled(3)
        self.need(IModSequenced, mailbox)
        before = (await settled(mailbox.status())).highest_modseq
        await settled(mailbox.set_flags(uids[1:2], FlagChange.add(FLAGGED), None))
        stored = await settled(mailbox.set_flags(uids, FlagChange.add(SEEN), before))
        self.assertEqual(([uids[0], uids[2]], [uids[1]]), (list(stored.rows.uids), list(stored.refused)))
        self.assertEqual({uids[0]: SEEN, uids[1]: FLAGGED, uids[2]: SEEN}, await self.flags(mailbox))

    async def test_mod_sequences_grow_with_each_change(self) -> None:
        """RFC 7162 section 3.1"""
        mailbox, uids = await self.filled(2)
        self.need(IModSequenced, mailbox)
        seen = [(await settled(mailbox.status())).highest_modseq]
        await settled(mailbox.set_flags(uids[:1], FlagChange.add(SEEN), None))
        seen.append((await settled(mailbox.status())).highest_modseq)
        await settled(mailbox.append([New(MESSAGE)]))
        seen.append((await settled(mailbox.status())).highest_modseq)
        await settled(mailbox.expunge(uids[:1], False))
        seen.append((await settled(mailbox.status())).highest_modseq)
        self.assertEqual(sorted(set(seen)), seen)
        rows = await self.rows(mailbox, Field.MODSEQ)
        self.assertTrue(all(0 < modseq <= seen[-1] for modseq in rows.modseqs))

    async def test_many_at_once_all_arrive(self) -> None:
        account = await self.account()
        boxes = [await self.mailbox(account, name) for name in ("a", "b", "c")]
        octets = [self.octets(number) for number in range(120)]
        answers = await gatherResults([
            Deferred.fromCoroutine(settled(boxes[number % 3].append([New(body)]))) for number, body in enumerate(octets)])
        for place, mailbox in enumerate(boxes):
            uids = [uid for answer in answers[place::3] for uid in answer]
            self.assertEqual(sorted(uids), await self.uids(mailbox))
            for uid, body in zip(uids, octets[place::3], strict=True):
                self.assertEqual(body, await self.whole(mailbox, uid))

    async def test_appending_is_all_or_none(self) -> None:
        store = await self.opened()
        self.need(IContent, store)
        mailbox, uids = await self.filled(1, await self.account(store))
        await self.refused(Refusal, lambda: mailbox.append([New(MESSAGE), New("987654321"), New(MESSAGE)]))
        self.assertEqual(list(uids), await self.uids(mailbox))
        self.assertEqual(1, (await settled(mailbox.status())).messages)

    async def test_mail_outlives_the_store(self) -> None:
        """I1"""
        store = await self.opened()
        mailbox, uids = await self.filled(5, await self.account(store))
        table = await settled(mailbox.keywords(["kept"]))
        await settled(mailbox.set_flags(uids[:2], FlagChange.add(SEEN | keyword_bit(0)), None))
        await settled(mailbox.expunge(uids[4:], False))
        known, status = await self.flags(mailbox), await settled(mailbox.status())
        mailbox = await self.mailbox(await self.account(await self.reopened(store)))
        self.assertEqual(known, await self.flags(mailbox))
        self.assertEqual(table, await settled(mailbox.keywords([])))
        self.assertEqual(self.octets(3), await self.whole(mailbox, uids[3]))
        after = await settled(mailbox.status())
        self.assertEqual((status.uidvalidity, status.uidnext, status.messages, status.unseen, status.size),
                         (after.uidvalidity, after.uidnext, after.messages, after.unseen, after.size))

    async def test_a_cursor_from_before_is_answered_truly_or_not_at_all(self) -> None:
        store = await self.opened()
        mailbox, uids = await self.filled(3, await self.account(store))
        cursor = (await settled(mailbox.status())).cursor
        await settled(mailbox.expunge(uids[:1], False))
        await settled(mailbox.set_flags(uids[1:2], FlagChange.add(SEEN), None))
        mailbox = await self.mailbox(await self.account(await self.reopened(store)))
        changes = await self.changed(mailbox, cursor)
        self.assertIn(uids[0], changes.vanished)
        self.assertIn(uids[1], changes.rows.uids)
