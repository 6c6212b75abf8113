"""Large messages go out in slices to who takes them (I3); a promised literal is fulfilled or the connection ends."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

from support.imap_talk import Talk, message
from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from mailframe.imap.items.message import SLICE
from mailframe.model.mailbox import New
from mailframe.model.refusal import NoSuchMessage
from mailframe.stores.memory import MemoryStore

reactor: Any = the_reactor
LARGE = b"Subject: large\r\n\r\n" + b"".join(b"line %08d of a large message\r\n" % number for number in range(100_000))


class Streaming(TestCase):
    async def talk(self, messages: Sequence[bytes]) -> Talk:
        talk = Talk(reactor, MemoryStore())
        await talk.start()
        self.addCleanup(lambda: ensureDeferred(talk.stop()))
        await talk.give([New(octets, size=len(octets)) for octets in messages])
        return talk

    async def selected(self, talk: Talk, name: str) -> Any:
        client = await talk.client(name)
        await client.say(b"s", b"SELECT INBOX")
        return client

    async def watch_reads(self, talk: Talk) -> list[tuple[int, int]]:
        """(uid, offset) of each read of the mailbox from now on."""
        mailbox: Any = await talk.mailbox()
        reads: list[tuple[int, int]] = []
        real = mailbox.read

        async def read(uid: int, offset: int, size: int) -> bytes:
            reads.append((uid, offset))
            return bytes(await real(uid, offset, size))

        self.patch(mailbox, "read", read)
        return reads

    async def test_a_large_message_arrives_whole(self) -> None:
        talk = await self.talk([LARGE])
        client = await self.selected(talk, "1")
        answer = await client.say(b"a", b"UID FETCH 1 (BODY.PEEK[] BODY.PEEK[]<1000.400000> FLAGS)")
        start = answer.index(b"BODY[] {%d}\r\n" % len(LARGE)) + len(b"BODY[] {%d}\r\n" % len(LARGE))
        self.assertEqual(answer[start:start + len(LARGE)], LARGE)
        self.assertIn(b" BODY[]<1000> {400000}\r\n" + LARGE[1000:401_000] + b")\r\n", answer)

    async def test_who_does_not_read_is_waited_for_and_delays_nobody(self) -> None:
        talk = await self.talk([LARGE] * 12)
        reads = await self.watch_reads(talk)
        slow, quick = await self.selected(talk, "slow"), await self.selected(talk, "quick")
        slow.transport.pauseProducing()
        answer = ensureDeferred(slow.say(b"a", b"UID FETCH 1:* BODY.PEEK[]"))
        for _ in range(20):
            await deferLater(reactor, 0, lambda: None)
            self.assertIn(b"q OK", await quick.say(b"q", b"FETCH 1 BODY.PEEK[HEADER]"))
        self.assertLess(len([offset for _, offset in reads if offset]), 12 * len(LARGE) // SLICE // 2)
        slow.transport.resumeProducing()
        octets = await answer
        self.assertGreater(len(octets), 12 * len(LARGE))
        self.assertTrue(octets.endswith(b"a OK UID FETCH completed\r\n"))

    async def test_a_large_message_lost_in_the_middle_ends_the_connection(self) -> None:
        talk = await self.talk([LARGE])
        mailbox: Any = await talk.mailbox()
        real = mailbox.read

        async def read(uid: int, offset: int, size: int) -> bytes:
            if offset > 4 * SLICE:
                raise NoSuchMessage
            return bytes(await real(uid, offset, size))

        self.patch(mailbox, "read", read)
        client = await self.selected(talk, "1")
        with self.assertRaises(ConnectionError):
            await client.say(b"a", b"FETCH 1 BODY.PEEK[]")
        self.assertEqual(len(self.flushLoggedErrors(NoSuchMessage)), 1)

    async def test_a_store_that_tells_a_wrong_size_ends_the_connection(self) -> None:
        talk = await self.talk([LARGE])
        mailbox: Any = await talk.mailbox()
        real = mailbox.rows

        async def rows(*arguments: Any) -> Any:
            found = await real(*arguments)
            found.sizes[:] = array("Q", [size + 1 for size in found.sizes])
            return found

        self.patch(mailbox, "rows", rows)
        client = await self.selected(talk, "1")
        with self.assertRaises(ConnectionError):
            await client.say(b"a", b"FETCH 1 BODY.PEEK[]")

    async def test_a_small_message_lost_before_its_literal_costs_only_itself(self) -> None:
        """RFC 2180 section 4.1.2."""
        talk = await self.talk([message(1), message(2), message(3)])
        client = await self.selected(talk, "1")
        mailbox: Any = await talk.mailbox()
        real = mailbox.read

        async def read(uid: int, offset: int, size: int) -> bytes:
            if uid == 2:
                raise NoSuchMessage
            return bytes(await real(uid, offset, size))

        self.patch(mailbox, "read", read)
        answer = await client.say(b"a", b"FETCH 1:3 BODY.PEEK[TEXT]")
        self.assertEqual(answer, (
            b"* 1 FETCH (BODY[TEXT] {11}\r\nbody of 1\r\n)\r\n* 3 FETCH (BODY[TEXT] {11}\r\nbody of 3\r\n)\r\n"
            b"a NO [EXPUNGEISSUED] Some of the messages are gone\r\n"
        ))
        self.assertIn(b"b OK [EXPUNGEISSUED]", await client.say(b"b", b"UID FETCH 2 (ENVELOPE)"))

    async def test_a_faulty_store_costs_one_command(self) -> None:
        """I7, I8."""
        talk = await self.talk([message(1)])
        client = await self.selected(talk, "1")
        mailbox: Any = await talk.mailbox()

        async def rows(*arguments: object) -> object:
            raise RuntimeError("secret detail")

        patch = self.patch(mailbox, "rows", rows)
        answer = await client.say(b"a", b"FETCH 1 RFC822.SIZE")
        self.assertIn(b"a NO [SERVERBUG] ", answer)
        self.assertNotIn(b"secret", answer)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        patch.restore()
        self.assertIn(b"b OK", await client.say(b"b", b"FETCH 1 RFC822.SIZE"))

    async def test_a_client_gone_in_the_middle_of_its_answer_harms_nobody(self) -> None:
        talk = await self.talk([LARGE] * 5)
        client = await self.selected(talk, "1")
        client.transport.pauseProducing()
        answer: Deferred[bytes] = ensureDeferred(client.say(b"a", b"FETCH 1:* RFC822"))
        await deferLater(reactor, 0.01, lambda: None)
        client.transport.abortConnection()
        with self.assertRaises(ConnectionError):
            await answer
        other = await self.selected(talk, "2")
        self.assertIn(b"b OK", await other.say(b"b", b"FETCH 1 FLAGS"))

    async def test_a_search_ends_with_its_client(self) -> None:
        """Else whoever asks and leaves, again and again, could keep the server busy."""
        talk = await self.talk([message(1)] * 3_000)
        client = await self.selected(talk, "1")
        reads = await self.watch_reads(talk)
        answer = ensureDeferred(client.say(b"a", b"SEARCH TEXT missing"))
        while not reads:
            await deferLater(reactor, 0, lambda: None)
        client.transport.abortConnection()
        with self.assertRaises(ConnectionError):
            await answer
        while talk.factory.sessions:
            await deferLater(reactor, 0, lambda: None)
        self.assertLess(len(reads), 3_000)
