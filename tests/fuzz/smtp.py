"""Whatever a client says is answered within the grammar, never "internal error", however it is cut (I4, I7).

    cd tests; python -m fuzz smtp [FOLDER] [-dict=fuzz/smtp.dict] [-max_total_time=600] [libFuzzer's options]
"""

from __future__ import annotations

import re
from typing import Any

from support.smtpworld import SmtpWorld, make_portal
from support.transcripts import Player

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
_HONOURED = {"DSN", "BINARYMIME", "VRFY", "EXPN", "ETRN", "RRVS", "DELIVERBY", "MT-PRIORITY", "FUTURERELEASE", "REQUIRETLS"}


def one_input(octets: bytes) -> None:
    """Raises when the server did what it must not. The first octet says to whom is spoken, and how octets come."""
    how, octets = (octets[:1] or b"\0")[0], octets[1:]
    step = (how >> 3) + 1
    assert _talk(how & 7, octets, step) == _talk(how & 7, octets, len(octets) or 1), "cut otherwise, answered otherwise"


def _talk(way: int, octets: bytes, step: int) -> tuple[object, ...]:
    """What was answered, whether that was the end, and what came of it. Without STARTTLS, which asks where segments end (I5)."""
    settings, before, tls = WAYS[way]
    world = SmtpWorld(portal=make_portal(), tls=None, max_message_octets=2_000, **settings)
    world.reception.honours |= _HONOURED
    player = world.connect(encrypted=tls)
    player.send(before)
    for at in range(0, len(octets), step):
        player.send(octets[at:at + step])
        _settle(world, player, 0)
    for _ in range(4):              # three wrong logins are held back, each for a second
        _settle(world, player, 1)
    said = player.transport.value()
    assert _REPLIES.fullmatch(said), said
    assert not _FAULTS.search(said), said
    ended = player.transport.lost
    _go(world, player)
    taken = [(each.octets, each.envelope.body, tuple(map(str, each.recipients))) for each in world.reception.committed]
    assert all(body == "BINARYMIME" or not _BARE.search(message) for message, body, _ in taken)
    return said, ended, taken, len(world.reception.deliveries)


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
