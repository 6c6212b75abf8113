"""A message on its way in that is slow, breaks off, is too much, or comes under TLS: what is delivered, and what is said."""

from __future__ import annotations

import contextlib
import socket
import ssl

import pytest
from support.smtpsockets import Blocking, Served
from support.smtpworld import SmtpWorld
from support.smugglers import EVIL, HEAD, SMUGGLERS

from mailframe.model.refusal import StorageFull

TO_BOB = HEAD[:-6]                  # up to RCPT
BY_DATA = HEAD + b"Subject: x\r\n\r\n.. dots\r\ntext\r\n.\r\n"
BY_BDAT = TO_BOB + b"BDAT 14\r\nSubject: x\r\n\r\nBDAT 0\r\nBDAT 8\r\n. dots\r\nBDAT 6 LAST\r\ntext\r\n"
BINARY = TO_BOB.replace(b"\r\nRCPT", b" BODY=BINARYMIME\r\nRCPT") + b"BDAT 5\r\n\0\r\n.\nBDAT 3 LAST\r\n\r\r\n"


@pytest.mark.parametrize("wire", [BY_DATA, BY_BDAT, BINARY], ids=["DATA", "BDAT", "BINARYMIME"])
@pytest.mark.parametrize("end", ["drop", "end"])
def test_wherever_the_connection_breaks_off_nothing_is_delivered(wire: bytes, end: str) -> None:
    """Lost, or half-closed (RFC 5321 section 3.8, RFC 3030 section 2: only a whole message is one)."""
    for place in range(len(wire)):
        world = SmtpWorld()
        player = world.connect()
        player.send(wire[:place])
        if end == "drop":
            player.transport.drop(player.protocol)
        else:
            player.transport.end(player.protocol)
        assert all(delivery.state == "aborted" for delivery in world.reception.deliveries), place
        assert world.clock.getDelayedCalls() == [] and world.factory.connections == 0
    world = SmtpWorld()
    player = world.connect()
    player.send(wire)
    player.transport.drop(player.protocol)
    assert len(world.reception.committed) == 1


@pytest.mark.parametrize("wire", [BY_DATA, BY_BDAT, BINARY], ids=["DATA", "BDAT", "BINARYMIME"])
def test_an_octet_a_second_is_patiently_taken(wire: bytes) -> None:
    """RFC 5321 section 4.5.3.2.5: the time allowed begins anew with whatever comes."""
    world = SmtpWorld(data_timeout_s=2.0, idle_timeout_s=300.0)
    player = world.connect()
    for place in range(len(wire)):
        player.send(wire[place:place + 1])
        world.clock.advance(1)
    assert len(world.reception.committed) == 1
    player.transport.drop(player.protocol)


@pytest.mark.parametrize("wire", [BY_DATA, BY_BDAT], ids=["DATA", "BDAT"])
def test_who_falls_silent_in_a_message_is_told_and_let_go(wire: bytes) -> None:
    world = SmtpWorld(data_timeout_s=60.0, idle_timeout_s=60.0)
    player = world.connect()
    player.send(wire[:-4])
    player.transport.clear()
    world.clock.advance(59)
    assert player.transport.value() == b""
    world.clock.advance(1)
    assert player.transport.value().startswith(b"421 4.4.2 ")
    player.transport.settle(player.protocol)
    assert [delivery.state for delivery in world.reception.deliveries] == ["aborted"]


def test_a_full_disk_is_told_after_the_chunk_and_the_next_ones_are_dropped() -> None:
    """RFC 3030 section 2: accept and discard the chunk, then 4xx or 5xx, also for what is in the pipeline."""
    world = SmtpWorld()
    player = world.connect()
    world.reception.obstacles["write"] = StorageFull()
    player.send(TO_BOB + b"BDAT 6\r\nQUIT\r\nBDAT 6\r\nRSET\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n")
    said = player.transport.value().split(b"\r\n")[-6:]
    assert [line[:9] for line in said] == [b"250 2.1.5", b"452 4.3.1", b"503 5.5.1", b"503 5.5.1", b"250 2.0.0", b""]
    world.reception.obstacles.clear()
    player.send(b"RSET\r\n" + BY_BDAT.partition(b"\r\n")[2])
    assert len(world.reception.committed) == 1
    player.transport.drop(player.protocol)


def test_a_server_that_stops_lets_a_message_in_chunks_finish() -> None:
    world = SmtpWorld()
    player, idle = world.connect(), world.connect()
    player.send(TO_BOB + b"BDAT 3\r\na\r\n")
    stopped = world.factory.stop()
    idle.transport.settle(idle.protocol)
    assert idle.transport.lost and not player.transport.lost
    player.transport.clear()
    player.send(b"BDAT 3 LAST\r\nb\r\n")
    assert player.transport.value().startswith(b"250 2.0.0 Ok: queued") and b"\r\n421 4.3.2" in player.transport.value()
    player.transport.settle(player.protocol)
    assert stopped.called and world.reception.committed[0].octets == b"a\r\nb\r\n"


def test_a_client_is_held_back_while_the_disk_is_slow() -> None:
    """I3: what a chunk announces is not read before what came of it is written."""
    world = SmtpWorld(max_message_octets=100_000_000)
    player = world.connect()
    held = world.reception.hold("write")
    player.send(TO_BOB + b"BDAT 90000000 LAST\r\n")
    for _ in range(1_000):
        if player.transport.producerState == "producing":
            player.send(b"x" * 65_536)
    assert player.transport.producerState == "paused" and player.protocol.framer.waiting <= 196_608
    world.reception.obstacles.clear()
    held.callback(None)
    player.transport.settle(player.protocol)
    assert player.transport.producerState == "producing" and player.protocol.framer.waiting == 0
    player.transport.drop(player.protocol)


@pytest.mark.parametrize(("settings", "peer", "kept"), [
    ({}, "127.0.0.1", False), ({}, "192.0.2.7", False),
    ({"bare_newlines": "refuse", "role": "submission"}, "127.0.0.1", False),
    ({"bare_newlines": "local"}, "127.0.0.1", True), ({"bare_newlines": "local"}, "::1", True),
    ({"bare_newlines": "local"}, "192.0.2.7", False), ({"bare_newlines": "normalise"}, "192.0.2.7", True),
    ({"role": "submission"}, "127.0.0.1", True), ({"role": "submission"}, "192.0.2.7", False),
])
@pytest.mark.parametrize("way", [b"DATA\r\na\nb\r\n.\r\n", b"BDAT 5 LAST\r\na\nb\r\n"], ids=["DATA", "BDAT"])
def test_whose_bare_newlines_are_normalised(settings: dict[str, object], peer: str, kept: bool, way: bytes) -> None:
    world = SmtpWorld(**{"require_login": False, **settings})
    player = world.connect(peer)
    player.send(TO_BOB + way)
    assert (b"550 5.6.11 " in player.transport.value()) == (not kept)
    assert [delivery.octets for delivery in world.reception.committed] == ([b"a\r\nb\r\n"] if kept else [])
    player.transport.drop(player.protocol)


def test_nul_and_eight_bits_and_long_lines_are_content() -> None:
    """RFC 5321 section 4.1.1.4 lets data be of all codes; who says 7BIT and sends more is taken at what he sends."""
    world = SmtpWorld()
    player = world.connect()
    line = b"\0\x80\xff" + b"x" * 500_000
    player.send(HEAD + line + b"\r\n.\r\n")
    assert world.reception.committed[0].octets == line + b"\r\n"
    player.transport.drop(player.protocol)


class UnderTls(Served):
    """Real records: each end of one is a border, and the end of the whole may come without warning."""

    def client(self, port: int) -> Blocking:
        client = Blocking(port, tls=True)
        client.reply()
        return client

    async def test_no_record_border_makes_an_end_of_what_is_none(self) -> None:
        port = self.serve(implicit_tls=True, max_connections_per_ip=1_000)

        def talk() -> int:
            borders = 0
            for trick in SMUGGLERS:
                message = b"first" + trick + EVIL + b"\r\n.\r\n"
                client = self.client(port)
                client.say(b"EHLO c.example\r\n")
                for cut in range(4, 7 + len(trick)):
                    for way in (b"DATA\r\n", b"BDAT %d LAST\r\n" % len(message)):
                        client.socket.sendall(b"MAIL FROM:<a@far.example>\r\nRCPT TO:<bob@mx.example>\r\n" + way)
                        client.socket.sendall(message[:cut])
                        client.socket.sendall(message[cut:] + b"NOOP\r\n")
                        said = [client.reply() for _ in range(5 if way == b"DATA\r\n" else 4)]
                        assert said[-1] == b"250 2.0.0 Ok\r\n" and said[-2][:10] in (b"250 2.0.0 ", b"550 5.6.11"), said
                        borders += 1
                client.close()
            return borders

        borders = await self.in_thread(talk)
        assert len(self.reception.deliveries) == borders, "what stands in a message was taken for MAIL"
        assert all(str(each) == "bob@mx.example" for delivery in self.reception.deliveries for each in delivery.recipients)

    async def test_a_connection_that_ends_with_its_tls_delivers_nothing(self) -> None:
        """Within DATA and within the last chunk; with a close_notify, with a reset, with a plain end."""
        port = self.serve(implicit_tls=True)

        def cut_off(way: bytes, how: str) -> None:
            client = self.client(port)
            for line in (b"EHLO c.example\r\n", b"MAIL FROM:<a@far.example>\r\n", b"RCPT TO:<bob@mx.example>\r\n"):
                client.say(line)
            client.socket.sendall(way + b"Subject: x\r\n\r\nhalf a\r\n")
            assert isinstance(client.socket, ssl.SSLSocket)
            if how == "close_notify":
                client.socket.settimeout(0.2)
                with contextlib.suppress(OSError, ssl.SSLError):
                    client.socket.unwrap()
            elif how == "reset":
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.close()

        for way in (b"DATA\r\n", b"BDAT 100 LAST\r\n"):
            for how in ("close_notify", "reset", "end"):
                await self.in_thread(lambda way=way, how=how: cut_off(way, how))
        await self.until(lambda: self.factory.connections == 0)
        assert [delivery.state for delivery in self.reception.deliveries] == ["aborted"] * 6

    async def test_a_chunk_may_be_ahead_of_the_handshakes_end_only_under_tls(self) -> None:
        """I5: what is pipelined behind STARTTLS in the clear never is a chunk of the session under TLS."""
        port = self.serve()

        def inject() -> bytes:
            client = Blocking(port)
            client.reply()
            client.say(b"EHLO c.example\r\n")
            client.socket.sendall(b"STARTTLS\r\nBDAT 3 LAST\r\na\r\n")
            said = client.reply()
            client.close()
            return said

        assert (await self.in_thread(inject)).startswith(b"421 4.7.0 ")
        assert self.reception.deliveries == []
