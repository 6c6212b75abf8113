"""Whatever a client says is answered within the grammar, never "internal error", however it is cut (I4, I7).

    cd tests; python -m fuzz smtp [FOLDER] [-dict=fuzz/smtp.dict] [-max_total_time=600] [libFuzzer's options]
"""

from __future__ import annotations

import re
from typing import Any, cast

from support.memory import MemoryTransport
from support.smtpworld import SmtpWorld, make_portal
from support.transcripts import Player

from mailframe.proxied.factory import ProxiedFactory
from mailframe.proxied.settings import ProxySettings

_REPLIES = re.compile(rb"(?:\d{3}[ -][^\r\n]{0,507}\r\n)*")
_FAULTS = re.compile(rb"^(?:451|421)[ -]4\.3\.0", re.MULTILINE)
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_HELLO = b"EHLO c\r\n"
_LOGIN = _HELLO + b"AUTH PLAIN AGJvYgBzZWNyZXQ=\r\n"
_BEGUN = b"MAIL FROM:<a@far.example>\r\nRCPT TO:<b@mx.example>\r\n"
#: (settings, what was said before, whether in TLS)
WAYS: tuple[tuple[dict[str, Any], bytes, bool], ...] = (
    ({}, _HELLO, False), ({}, _HELLO + _BEGUN, False), ({"xclient_from": ("192.0.2.0/24",)}, _HELLO, False),
    ({"xforward_from": ("192.0.2.0/24",), "bare_newlines": "normalise"}, _HELLO + _BEGUN, False),
    ({"role": "submission"}, b"", True), ({"role": "submission"}, _LOGIN, True),
    ({"role": "lmtp"}, b"LHLO c\r\n" + _BEGUN, False), ({"role": "relay-in", "networks": ("192.0.2.0/24",)}, _HELLO, True),
)
_PROXY = b"PROXY TCP4 203.0.113.9 192.0.2.1 40000 25\r\n"
#: The same for what asks where segments end (I5), or where a connection begins: (settings, before, in TLS, behind a proxy)
OTHER_WAYS: tuple[tuple[dict[str, Any], bytes, bool], ...] = (
    ({}, _HELLO, False), ({"role": "submission"}, _HELLO, False), ({"role": "lmtp"}, b"LHLO c\r\n", False),
    ({"role": "lmtp"}, b"LHLO c\r\nSTARTTLS\r\n", False), ({}, b"", True), ({}, _PROXY, True), ({"role": "lmtp"}, _PROXY, True),
    ({"xclient_from": ("192.0.2.0/24",), "max_idle_commands": 3}, b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", True),
)
_HONOURED = {"DSN", "BINARYMIME", "VRFY", "EXPN", "ETRN", "RRVS", "DELIVERBY", "MT-PRIORITY", "FUTURERELEASE", "REQUIRETLS"}


def one_input(octets: bytes) -> None:
    """Raises when the server did what it must not. The first octet says to whom is spoken, and how octets come."""
    how, octets = (octets[:1] or b"\0")[0], octets[1:]
    if how & 128:
        _begin(how & 7, octets, ((how >> 3) & 15) + 1)
        return
    step = (how >> 3) + 1
    assert _talk(how & 7, octets, step) == _talk(how & 7, octets, len(octets) or 1), "cut otherwise, answered otherwise"


def _talk(way: int, octets: bytes, step: int) -> tuple[object, ...]:
    """What was answered, whether that was the end, and what came of it. Without STARTTLS, which asks where segments end (I5)."""
    settings, before, tls = WAYS[way]
    world = _world(settings, tls=None)
    player = world.connect(encrypted=tls)
    player.send(before)
    for at in range(0, len(octets), step):
        player.send(octets[at:at + step])
        _settle(world, player, 0)
    for _ in range(4):              # three wrong logins are held back, each for a second
        _settle(world, player, 1)
    said = _sound(player)
    ended = player.transport.lost
    _go(world, player)
    taken = [(each.octets, each.envelope.body, tuple(map(str, each.recipients))) for each in world.reception.committed]
    assert all(body == "BINARYMIME" or not _BARE.search(message) for message, body, _ in taken)
    return said, ended, taken, len(world.reception.deliveries)


def _begin(way: int, octets: bytes, step: int) -> None:
    """STARTTLS may come, and a proxy's header: nothing said before the handshake counts after it, and nothing of a bad header."""
    settings, before, proxied = OTHER_WAYS[way]
    world = _world(settings, tls="context")
    transport = MemoryTransport("192.0.2.7")
    front = ProxiedFactory(world.factory, ProxySettings(("192.0.2.0/24",)), clock=cast(Any, world.clock))
    protocol: Any = (front if proxied else world.factory).buildProtocol(transport.getPeer())
    player = Player(protocol, transport, world.clock)
    player.send(before)
    for at in range(0, len(octets), step):
        if transport.tls_with is not None:
            session = protocol._inner if proxied else protocol
            assert session.situation.tls and "STARTTLS" not in session.registry.keywords(session.situation)
        player.send(octets[at:at + step])
        _settle(world, player, 0)
    for _ in range(4):
        _settle(world, player, 1)
    said = _sound(player)
    assert said.count(b"Ready to start TLS") <= 1 + said.count(b"220 mx.example"), said
    if not transport.lost:
        _settle(world, player, 10.1)        # a proxy has no longer to say its header
    _go(world, player)
    assert not front.waiting


def _world(settings: dict[str, Any], tls: str | None) -> SmtpWorld:
    world = SmtpWorld(portal=make_portal(), tls=tls, max_message_octets=2_000, **settings)
    world.reception.honours |= _HONOURED
    return world


def _sound(player: Player) -> bytes:
    """What was said, if it is within the grammar, and no fault of ours is among it."""
    said = player.transport.value()
    assert _REPLIES.fullmatch(said), said
    assert not _FAULTS.search(said), said
    return said


def _settle(world: SmtpWorld, player: Player, seconds: float) -> None:
    """So much time passes, and what waits for its turn has it."""
    world.clock.advance(seconds)
    player.transport.settle(player.protocol)
    while any(call.getTime() <= world.clock.seconds() for call in world.clock.getDelayedCalls()):
        world.clock.advance(0)
        player.transport.settle(player.protocol)


def _go(world: SmtpWorld, player: Player) -> None:
    """Nothing is left of a client that goes, and nobody else is harmed."""
    if not player.transport.lost:
        player.transport.drop(player.protocol)
    assert world.factory.connections == 0 and world.clock.getDelayedCalls() == []
    assert all(each.state in ("committed", "aborted") for each in world.reception.deliveries)
    other = world.connect(encrypted=True)
    other.send(b"NOOP\r\n")
    assert other.transport.value().endswith(b"250 2.0.0 Ok\r\n")
    other.transport.drop(other.protocol)
