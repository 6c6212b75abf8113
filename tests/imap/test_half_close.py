"""A client that sends all it has and half-closes is answered all it sent whole; what it left unfinished never was."""

from __future__ import annotations

from typing import Any

import pytest
from support.halfclose import converse
from support.imap_world import Client, World, portal, run
from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from mailframe.imap.server import ImapServerFactory
from mailframe.imap.settings import ImapSettings
from mailframe.stores.memory import MemoryStore

LOGIN = b"l LOGIN alice secret\r\n"
MESSAGE = b"Subject: hello\r\n\r\n" + b"line\r\n" * 30_000
APPEND = b"a APPEND INBOX {%d+}\r\n" % len(MESSAGE) + MESSAGE + b"\r\n"


async def tagged(client: Client) -> list[str]:
    """The tagged answers up to the end of the connection."""
    for _ in range(100):
        client.world.clock.advance(0)
    assert client.closed
    return [line[:4] for line in client.pending() if line[0] not in "*+"]


async def messages(world: World) -> str:
    return (await (await world.login()).command("s STATUS INBOX (MESSAGES)"))[0]


def test_all_that_was_sent_whole_is_run_and_answered() -> None:
    async def talk(world: World) -> None:
        client = world.connect()
        client.send(LOGIN + APPEND + b"b SELECT INBOX\r\nc FETCH 1 BODY.PEEK[HEADER]\r\nd NOO")
        client.end()
        assert await tagged(client) == ["l OK", "a OK", "b OK", "c OK"]
        assert b"Subject: hello" in client.transcript and b"BYE" not in client.transcript
        assert await messages(world) == "* STATUS INBOX (MESSAGES 1)"

    run(talk)


@pytest.mark.parametrize("unfinished", [
    APPEND[:-2], APPEND[:-3], APPEND[:50_000], APPEND[:26], b"a APPEND INBOX {5}\r\n", b"a APPEND INBOX {1000000}\r\n12",
])
def test_an_unfinished_append_leaves_nothing(unfinished: bytes) -> None:
    async def talk(world: World) -> None:
        client = world.connect()
        client.send(LOGIN + unfinished)
        client.end()
        assert await tagged(client) == ["l OK"]
        assert await messages(world) == "* STATUS INBOX (MESSAGES 0)"

    run(talk)


@pytest.mark.parametrize("moment", ["a IDLE", "a AUTHENTICATE PLAIN"])
def test_who_was_to_say_more_is_let_go(moment: str) -> None:
    async def talk(world: World) -> None:
        client = await world.login() if "IDLE" in moment else world.connect()
        client.pending()
        client.send(moment.encode() + b"\r\n")
        assert client.pending()[0].startswith("+")
        client.end()
        assert await tagged(client) == []
        assert world.clock.getDelayedCalls() == []

    run(talk)


def test_idle_with_its_done_is_answered() -> None:
    async def talk(world: World) -> None:
        client = world.connect()
        client.send(LOGIN + b"a IDLE\r\nDONE\r\nb LOGOUT\r\n")
        client.end()
        assert await tagged(client) == ["l OK", "a OK", "b OK"]

    run(talk)


def test_a_wrong_password_takes_its_time_all_the_same() -> None:
    async def talk(world: World) -> None:
        client = world.connect()
        client.send(b"a LOGIN alice wrong\r\nb NOOP\r\n")
        client.end()
        world.clock.advance(1)
        assert len(client.pending()) == 1 and not client.closed
        world.clock.advance(60)
        assert await tagged(client) == ["a NO", "b OK"]
        assert world.clock.getDelayedCalls() == []

    run(talk)


def test_starttls_is_answered_and_no_handshake_awaited() -> None:
    async def talk(world: World) -> None:
        client = world.connect()
        client.send(b"a LOGIN alice wrong\r\nb STARTTLS\r\n")
        client.end()
        world.clock.advance(60)
        assert await tagged(client) == ["a NO", "b OK"]

    run(talk, World(tls=object()))


def test_who_reads_slowly_gets_all_answers() -> None:
    """I3."""
    async def talk(world: World) -> None:
        client = world.connect()
        client.send(LOGIN)
        client.pending()
        client.protocol.pauseProducing()
        client.send(b"a NOOP\r\n")
        client.send(b"b NOOP\r\n" * 20_000)
        client.end()
        world.clock.pump([0] * 20)
        assert not client.closed
        client.protocol.resumeProducing()
        assert await tagged(client) == ["a OK"] + ["b OK"] * 20_000
        assert world.clock.getDelayedCalls() == []

    run(talk)


def test_who_reads_nothing_is_cut_off() -> None:
    """I3."""
    async def talk(world: World) -> None:
        client = await world.login()
        client.protocol.pauseProducing()
        client.send(b"a NOOP\r\n")
        client.end()
        assert not client.closed
        world.clock.pump([60] * 7)
        assert client.closed and world.clock.getDelayedCalls() == []

    run(talk)


class Sockets(TestCase):
    timeout = 20

    async def setUp(self) -> None:
        clock: Any = reactor
        store: Any = MemoryStore()
        self.factory = ImapServerFactory(portal(store), ImapSettings(), clock=clock, content=store)
        self.port = clock.listenTCP(0, self.factory, interface="127.0.0.1")

    async def tearDown(self) -> None:
        await self.port.stopListening()
        await self.factory.stop(0.5)

    async def converse(self, octets: bytes, window: int = 0) -> bytes:
        return await deferToThread(converse, self.port.getHost().port, octets, window=window)

    async def test_a_visit_in_one_breath(self) -> None:
        answers = await self.converse(LOGIN + APPEND + b"b SELECT INBOX\r\nc FETCH 1 RFC822.SIZE\r\nd LOGOUT\r\n")
        assert b"* 1 FETCH (RFC822.SIZE %d)\r\nc OK" % len(MESSAGE) in answers
        assert answers.endswith(b"\r\nd OK LOGOUT completed\r\n")

    async def test_half_a_message_leaves_nothing(self) -> None:
        assert b"\r\na " not in await self.converse(LOGIN + APPEND[:-100])
        assert b"(MESSAGES 0)" in await self.converse(LOGIN + b"s STATUS INBOX (MESSAGES)\r\n")

    async def test_who_reads_slowly_gets_all_answers(self) -> None:  # I3
        fetches = b"b SELECT INBOX\r\n" + b"c FETCH 1 BODY.PEEK[]\r\n" * 40
        answers = await self.converse(LOGIN + APPEND + fetches + b"d NOOP\r\n", 4_096)
        assert answers.count(MESSAGE) == 40 and answers.endswith(b"\r\nd OK NOOP completed\r\n")
