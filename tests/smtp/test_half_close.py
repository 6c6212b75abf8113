"""A client that sends all it has and half-closes is answered all it sent whole; what it left unfinished never was."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from support.certs import server_context
from support.halfclose import converse
from support.reception import Recorder
from support.smtpworld import SmtpWorld, make_portal
from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from mailframe.smtp.server import SmtpServerFactory
from mailframe.smtp.settings import SmtpSettings

ENVELOPE = b"EHLO c.example\r\nMAIL FROM:<a@far.example>\r\nRCPT TO:<bob@mx.example>\r\n"
MESSAGE = b"Subject: hello\r\n\r\nhello\r\n"
SENT = ENVELOPE + b"DATA\r\n" + MESSAGE + b".\r\n"


@pytest.fixture
def world() -> SmtpWorld:
    return SmtpWorld()


def codes(answers: bytes) -> list[int]:
    return [int(line[:3]) for line in answers.split(b"\r\n") if line[3:4] == b" "]


def nothing_is_left(world: SmtpWorld) -> bool:
    return world.factory.connections == 0 and world.clock.getDelayedCalls() == []


@pytest.mark.parametrize("moment", ["", "connected", "mail", "rcpt bob@mx.example", "write", "commit"])
def test_a_message_sent_whole_is_delivered_and_answered(world: SmtpWorld, moment: str) -> None:
    held = world.reception.hold(moment)
    player = world.connect()
    player.send(SENT + b"NOOP\r\n")
    player.transport.end(player.protocol)
    assert player.transport.lost is (moment == "")
    held.callback(None)
    player.transport.settle(player.protocol)
    assert codes(player.transport.value()) == [220, 250, 250, 250, 354, 250, 250] and player.transport.lost
    assert [delivery.octets for delivery in world.reception.committed] == [MESSAGE]
    assert nothing_is_left(world)


@pytest.mark.parametrize("unfinished", [b"DATA\r\n", b"DATA\r\n" + MESSAGE, b"DATA\r\n" + MESSAGE + b".", b"DATA", b""])
@pytest.mark.parametrize("moment", ["", "mail"])
def test_an_unfinished_message_is_given_up(world: SmtpWorld, unfinished: bytes, moment: str) -> None:
    held = world.reception.hold(moment)
    player = world.connect()
    player.send(ENVELOPE + unfinished)
    player.transport.end(player.protocol)
    held.callback(None)
    player.transport.settle(player.protocol)
    assert [delivery.state for delivery in world.reception.deliveries] == ["aborted"]
    assert codes(player.transport.value()) == [220, 250, 250, 250] + [354] * (unfinished[4:] != b"") and player.transport.lost
    assert nothing_is_left(world)


def test_an_unfinished_login_is_given_up() -> None:
    world = SmtpWorld(portal=make_portal())
    world.connect(encrypted=True).play("S: 220 *\nC: EHLO c\nS: ...\nC: AUTH PLAIN\nS: 334 *\nE:\nS: <closed>")
    assert nothing_is_left(world)


def test_a_wrong_password_takes_its_time_all_the_same() -> None:
    world = SmtpWorld(portal=make_portal())
    wrong = base64.b64encode(b"\0bob\0wrong").decode()
    world.connect(encrypted=True).play(
        f"S: 220 *\nC: EHLO c\nS: ...\nC: AUTH PLAIN {wrong}\nE:\nS: <nothing>\nT: 60\nS: 535 *\nS: <closed>")
    assert nothing_is_left(world)


def test_starttls_is_answered_and_no_handshake_awaited(world: SmtpWorld) -> None:
    held = world.reception.hold("hello")
    player = world.connect()
    player.send(b"EHLO c.example\r\nSTARTTLS\r\n")
    player.transport.end(player.protocol)
    held.callback(None)
    player.transport.settle(player.protocol)
    assert codes(player.transport.value()) == [220, 250, 220] and player.transport.lost and player.transport.tls_with is None
    assert nothing_is_left(world)


def test_who_reads_slowly_gets_all_answers() -> None:  # I3
    world = SmtpWorld(max_idle_commands=20_000)
    player = world.connect()
    player.protocol.pauseProducing()
    player.send(b"NOOP\r\n" * 20_000)
    assert player.transport.producerState == "paused"
    player.transport.end(player.protocol)
    assert not player.transport.disconnecting
    player.protocol.resumeProducing()
    for _ in range(50):
        world.clock.advance(0)
    player.transport.settle(player.protocol)
    assert codes(player.transport.value()) == [220] + [250] * 20_000 and player.transport.lost
    assert nothing_is_left(world)


def test_who_reads_nothing_is_cut_off(world: SmtpWorld) -> None:  # I3
    player = world.connect()
    player.protocol.pauseProducing()
    player.send(b"NOOP\r\n")
    player.transport.end(player.protocol)
    player.play("S: 220 *\nT: 301\nS: 421 *\nS: <closed>")
    assert nothing_is_left(world)


class Sockets(TestCase):
    timeout = 20

    async def setUp(self) -> None:
        self.reception = Recorder()
        clock: Any = reactor
        self.factory = SmtpServerFactory(
            self.reception, SmtpSettings(hostname="mx.example"), clock=clock, portal=make_portal(), tls=server_context())
        self.port = clock.listenTCP(0, self.factory, interface="127.0.0.1")

    async def tearDown(self) -> None:
        await self.port.stopListening()
        await self.factory.stop()

    async def converse(self, octets: bytes, window: int = 0) -> list[int]:
        return codes(await deferToThread(converse, self.port.getHost().port, octets, window=window))

    async def test_a_message_is_delivered_and_answered(self) -> None:
        assert await self.converse(SENT) == [220, 250, 250, 250, 354, 250]
        assert [delivery.octets for delivery in self.reception.committed] == [MESSAGE]

    async def test_half_a_message_is_given_up(self) -> None:
        assert await self.converse(SENT[:-3]) == [220, 250, 250, 250, 354]
        assert [delivery.state for delivery in self.reception.deliveries] == ["aborted"]

    async def test_who_reads_slowly_gets_all_answers(self) -> None:  # I3
        assert await self.converse(b"EHLO c.example\r\n" * 8_000 + SENT, 4_096) == [220] + [250] * 8_003 + [354, 250]
