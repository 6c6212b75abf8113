"""The SMTP client without a network: patience by the clock, and servers that say anything at all."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from mailframe.model.address import Address
from mailframe.model.envelope import Envelope, Recipient
from mailframe.smtp.client import PeerGone, PeerRefused, SmtpClient
from mailframe.smtp.client_plan import Stage

ENVELOPE = Envelope("id", Address.parse("alice@example.com"))
BOB = Recipient(Address.parse("bob@example.org"))


class Wire(StringTransport):
    def setTcpNoDelay(self, enabled: bool) -> None:
        self.no_delay = enabled

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None


class Source:
    size = 13

    def read(self, offset: int, size: int) -> bytes:
        return b"Hello\r\n.you\r\n"[offset:offset + size]


def connected() -> tuple[SmtpClient, Wire, Clock]:
    clock = Clock()
    client, wire = SmtpClient(clock), Wire()
    client.makeConnection(wire)
    return client, wire, clock


def run(work: Any) -> list[Any]:
    """Start it; its result, or the exception, is in the list once there is one."""
    results: list[Any] = []
    Deferred.fromCoroutine(work).addBoth(results.append)
    return results


def said(results: list[Any]) -> Any:
    (result,) = results
    return result.value if isinstance(result, Failure) else result


def test_every_connection_is_without_nagle() -> None:
    assert connected()[1].no_delay is True


def test_patience_at_each_stage_is_at_least_the_rfcs() -> None:
    """RFC 5321 section 4.5.3.2."""
    steps = (("220 hi", 300), ("250 hi", 300), ("250 ok", 300), ("250 ok", 300), ("354 go", 120), ("250 ok", 600))
    for silent_at in range(len(steps)):
        client, wire, clock = connected()

        async def work(client: SmtpClient = client) -> Any:
            await client.greet("me.example")
            return await client.send(ENVELOPE, [BOB], Source())

        results = run(work())
        for reply, _ in steps[:silent_at]:
            client.dataReceived(reply.encode() + b"\r\n")
        clock.advance(steps[silent_at][1] - 1)
        client.dataReceived(b"2")           # a trickle does not count as an answer
        assert not results and not wire.disconnecting
        clock.advance(1)
        assert wire.disconnected
        result = said(results)
        assert isinstance(result, PeerGone) if silent_at < 2 else not result[BOB].accepted
        assert not clock.getDelayedCalls()


def test_a_server_that_is_slow_for_ever_is_left_in_the_end() -> None:
    """I3."""
    client, wire, clock = connected()
    run(client.greet("me.example"))
    client.dataReceived(b"220 hi\r\n")
    client.dataReceived(b"250-mx\r\n250 PIPELINING\r\n")
    crowd = [Recipient(Address.parse(f"user{n}@example.org")) for n in range(100)]
    results = run(client.send(ENVELOPE, crowd, Source()))
    for _ in range(3_600 // 290):
        client.dataReceived(b"250 well\r\n")
        clock.advance(290)
    assert not results
    clock.advance(290)
    assert {outcome.reply.code for outcome in said(results).values()} == {421}
    assert wire.disconnected


def test_the_message_on_the_wire() -> None:
    client, wire, _ = connected()
    results = run(client.greet("me.example"))
    client.dataReceived(b"220 hi\r\n")
    assert wire.value() == b"EHLO me.example\r\n"
    client.dataReceived(b"250-mx\r\n250 PIPELINING\r\n")
    assert said(results) is None
    wire.clear()
    results = run(client.send(ENVELOPE, [BOB], Source(), b"A: b\r\n"))
    assert wire.value() == b"MAIL FROM:<alice@example.com>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n"
    wire.clear()
    client.dataReceived(b"250 ok\r\n250 ok\r\n354 go\r\n")
    assert wire.value() == b"A: b\r\nHello\r\n..you\r\n.\r\n"
    client.dataReceived(b"250 2.0.0 taken\r\n")
    assert said(results)[BOB].accepted


def test_a_server_that_speaks_while_nothing_is_asked_is_left() -> None:
    client, wire, _ = connected()
    run(client.greet("me.example"))
    client.dataReceived(b"220 hi\r\n")
    client.dataReceived(b"250 mx\r\n")
    assert client.usable
    client.dataReceived(b"421 4.4.2 idle too long\r\n")
    assert not client.usable
    assert wire.disconnected


REPLIES = st.sampled_from([
    b"220 hi\r\n", b"250 ok\r\n", b"250-mx\r\n", b"250-PIPELINING\r\n250 SIZE 9\r\n", b"250 8BITMIME\r\n", b"354 go\r\n",
    b"334 x\r\n", b"421 4.3.2 bye\r\n", b"450 4.2.1 later\r\n", b"550 5.1.1 no\r\n", b"554\r\n", b"\r\n", b"250", b"\x00\xff",
    b"x" * 5_000, b"250-\n",
])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(REPLIES, st.binary(max_size=8)), max_size=14), st.booleans())
def test_whatever_a_server_says_the_outcome_is_clean(octets: list[bytes], ends: bool) -> None:
    """I3, I8: never a traceback, never a hang, and acceptance only after the whole message was sent."""
    client, wire, clock = connected()

    async def work() -> Any:
        await client.greet("me.example")
        return await client.send(ENVELOPE, [BOB], Source())

    results = run(work())
    for piece in octets:
        if wire.disconnected:
            break
        client.dataReceived(piece)
    if ends or wire.disconnected:
        client.connectionLost(Failure(ConnectionDone()))
    clock.advance(10_000)
    clock.advance(10_000)
    result = said(results)
    if isinstance(result, dict):
        outcome = result[BOB]
        assert not outcome.accepted or wire.value().endswith(b"\r\n.\r\n")
        assert outcome.accepted == (outcome.stage is Stage.END and outcome.reply.code == 250)
    else:
        assert isinstance(result, PeerGone | PeerRefused), result
    assert not clock.getDelayedCalls()
