"""A connection behind a proxy: refused, or handed over as if the client itself had made it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.memory import MemoryTransport
from support.smtpworld import SmtpWorld
from support.transcripts import Player
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher
from twisted.python.failure import Failure

from mailframe.proxied.factory import ProxiedFactory
from mailframe.proxied.settings import ProxySettings

HEADER = b"PROXY TCP4 198.51.100.7 203.0.113.1 40000 25\r\n"
LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"


class Inner(Protocol):
    """Remembers what it is told."""

    def __init__(self, address: Any) -> None:
        self.address = address
        self.octets = b""
        self.lost = 0

    def dataReceived(self, data: bytes) -> None:
        self.octets += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost += 1


class InnerFactory(Factory):
    noisy = False

    def __init__(self) -> None:
        self.made: list[Inner] = []
        self.full = False

    def buildProtocol(self, addr: Any) -> Inner | None:
        if self.full:
            return None
        self.made.append(Inner(addr))
        return self.made[-1]


class World:
    """The proxies are at 192.0.2.0/24."""

    def __init__(self, *trusted: str) -> None:
        self.clock = Clock()
        self.inner = InnerFactory()
        self.front = ProxiedFactory(
            self.inner, ProxySettings(trusted or ("192.0.2.0/24",), 10.0), clock=self.clock, name="smtp")  # type: ignore[arg-type]

    def connect(self, transport: MemoryTransport | None = None) -> MemoryTransport:
        transport = transport or MemoryTransport("192.0.2.1")
        protocol: Any = self.front.buildProtocol(transport.getPeer())
        transport.protocol = protocol           # type: ignore[attr-defined]
        protocol.makeConnection(transport)
        return transport


def send(transport: Any, *pieces: bytes) -> None:
    for piece in pieces:
        transport.protocol.dataReceived(piece)


@pytest.fixture
def lines() -> Iterator[list[str]]:
    found: list[str] = []

    def observe(event: Any) -> None:
        if str(event.get("log_namespace")).startswith("mailframe.proxied"):
            found.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    yield found
    globalLogPublisher.removeObserver(observe)


def test_the_client_takes_the_proxys_place() -> None:
    world = World()
    transport: Any = world.connect()
    send(transport, HEADER[:20])
    assert world.inner.made == [] and world.clock.getDelayedCalls(), "nothing begins before the header is whole"
    send(transport, HEADER[20:] + b"EHLO client\r\n")
    [inner] = world.inner.made
    assert (inner.address.host, inner.address.port, inner.address.via) == ("198.51.100.7", 40_000, "192.0.2.1")
    assert transport.getPeer() == inner.address and transport.getHost().host == "203.0.113.1"
    assert inner.octets == b"EHLO client\r\n" and world.clock.getDelayedCalls() == [] and not world.front.waiting


def test_afterwards_nothing_of_ours_is_between_the_transport_and_the_protocol() -> None:
    world = World()
    transport: Any = world.connect()
    send(transport, HEADER)
    assert transport.protocol is world.inner.made[0] and world.inner.made[0].transport is transport


def test_a_transport_that_goes_on_calling_the_first_protocol_is_served_as_well() -> None:
    world = World()
    transport: Any = world.connect()
    first = transport.protocol
    for octets in (HEADER, b"NOOP\r\n"):
        first.dataReceived(octets)
    first.connectionLost(Failure(connectionDone.value))
    assert world.inner.made[0].octets == b"NOOP\r\n" and world.inner.made[0].lost == 1


def test_a_proxy_that_speaks_for_itself_keeps_its_own_address() -> None:
    for octets in (LOCAL, b"PROXY UNKNOWN\r\n"):
        world = World()
        transport: Any = world.connect()
        send(transport, octets)
        assert world.inner.made[0].address == transport.getPeer() == IPv4Address("TCP", "192.0.2.1", 40_000)


@pytest.mark.parametrize("octets", [
    b"EHLO client\r\n", b"PROXY TCP4 1.2.3.4\r\n", b"\x16\x03\x01\x02\0", b"\r\n\r\n\0\r\nQUIT\n\x11"])
def test_what_is_no_header_closes_the_connection_with_one_line(octets: bytes, lines: list[str]) -> None:
    world = World()
    transport: Any = world.connect()
    send(transport, octets, b"more")
    assert transport.disconnected and transport.value() == b"" and world.inner.made == []
    assert len(lines) == 1 and lines[0].startswith("proxy refused ip=192.0.2.1 listener=smtp: ")
    assert world.clock.getDelayedCalls() == []


def test_a_header_that_does_not_come_in_time_closes_the_connection(lines: list[str]) -> None:
    """A slow one does not gain time by saying a little."""
    world = World()
    transport: Any = world.connect()
    for octet in HEADER[:9]:
        world.clock.advance(1)
        send(transport, bytes((octet,)))
    assert not transport.disconnected
    world.clock.advance(1)
    assert transport.disconnected and lines == ["proxy refused ip=192.0.2.1 listener=smtp: no PROXY header within 10 s"]


@pytest.mark.parametrize("address", [IPv4Address("TCP", "198.51.100.9", 1), UNIXAddress(None)])
def test_nobody_else_may_connect(address: Any, lines: list[str]) -> None:
    """Whoever could say anything would be anybody."""
    world = World()
    assert world.front.buildProtocol(address) is None
    assert len(lines) == 1 and lines[0].endswith("listener=smtp: is not in proxy_from")


def test_a_proxy_at_a_unix_socket() -> None:
    world = World("unix")
    transport = MemoryTransport()
    transport.peerAddr = UNIXAddress(None)     # type: ignore[assignment]
    send(world.connect(transport), HEADER)
    assert world.inner.made[0].address.via == "unix"


def test_a_factory_that_takes_nobody_ends_the_connection() -> None:
    world = World()
    world.inner.full = True
    transport: Any = world.connect()
    send(transport, HEADER + b"NOOP\r\n", b"NOOP\r\n")
    assert transport.disconnected and transport.value() == b""


def test_who_leaves_or_is_still_silent_at_the_end_leaves_nothing_behind() -> None:
    world = World()
    gone: Any = world.connect()
    gone.protocol.connectionLost(Failure(connectionDone.value))
    silent: Any = world.connect()
    world.front.doStart()
    world.front.doStop()
    assert silent.disconnected and not world.front.waiting and world.clock.getDelayedCalls() == []


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, len(HEADER) + 40), max_size=6))
def test_any_split_gives_the_same(cuts: list[int]) -> None:
    """I4."""
    octets = HEADER + b"EHLO client\r\nMAIL FROM:<>\r\nQUIT\r\n"
    places = sorted({0, len(octets), *(min(cut, len(octets)) for cut in cuts)})
    world = World()
    transport: Any = world.connect()
    send(transport, *(octets[a:b] for a, b in pairwise(places)))
    assert world.inner.made[0].octets == octets[len(HEADER):] and transport.getPeer().host == "198.51.100.7"


def test_smtp_sees_and_counts_the_client() -> None:
    world = SmtpWorld(max_connections_per_ip=1)
    front = ProxiedFactory(world.factory, ProxySettings(("192.0.2.1",)), clock=world.clock)  # type: ignore[arg-type]

    def connect(ip: str) -> Player:
        transport = MemoryTransport("192.0.2.1")
        player = Player(front.buildProtocol(transport.getPeer()), transport, world.clock)    # type: ignore[arg-type]
        player.play("S: <nothing>")
        player.send(f"PROXY TCP4 {ip} 203.0.113.1 40000 25\r\n".encode())
        return player

    first = connect("198.51.100.7")
    first.play("S: 220 *\nC: EHLO c.example\nS: ...\nC: MAIL FROM:<>\nS: 250 *")
    peer = world.reception.deliveries[0].envelope.peer
    assert (peer.ip, peer.port, peer.via) == ("198.51.100.7", 40_000, "192.0.2.1")
    connect("198.51.100.7").play("S: 421 4.7.0 Too many connections*\nS: <closed>")
    connect("198.51.100.8").play("S: 220 *")


def test_the_time_for_a_header_is_some() -> None:
    with pytest.raises(ValueError, match="proxy_timeout_s must be greater than 0"):
        ProxySettings(("192.0.2.1",), 0)
