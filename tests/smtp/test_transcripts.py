"""Every conversation in tests/transcripts/smtp, as it stands and octet by octet (I4)."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from support.reception import Recorder
from support.smtp_transcripts import head
from support.smtpworld import SmtpWorld, make_portal
from support.transcripts import Player, bytewise, whole

from mailframe.model.address import Address
from mailframe.model.refusal import OverQuota, Refusal, UnknownRecipient
from mailframe.model.verified import Verified

FOLDER = Path(__file__).parents[1] / "transcripts" / "smtp"

def last_message(world: SmtpWorld, text: str) -> None:
    assert world.reception.committed[-1].octets == text.encode("latin-1").decode("unicode_escape").encode("latin-1")


def send_whole(player: Player, octets: bytes) -> None:
    """A megabyte octet by octet would take a while."""
    player.protocol.dataReceived(octets)
    player.transport.settle(player.protocol)


def prepare(reception: Recorder) -> None:
    """Whom VRFY, EXPN and ETRN find."""
    alice, jürgen = Address("alice", "mx.example"), Address("jürgen", "mx.example")
    reception.known = {
        "known@mx.example": True, "nobody@mx.example": False, "alice": Verified(alice), "jurgen": Verified(jürgen),
        "away@mx.example": Verified(Address("away", "mx.example"), Address("bob", "far.example")),
        "jürgen@mx.example": Verified(jürgen),
    }
    reception.aliases = {"staff": [alice, Address("bob", "far.example")], "tous": [alice, jürgen]}
    reception.obstacles |= {
        "expand nobody": UnknownRecipient(), "etrn secret.example": Refusal("Node secret.example not allowed", smtp=(459, "4.7.1")),
    }


@pytest.mark.parametrize("cut", [whole, bytewise])
@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.txt")))
def test_transcript(name: str, cut: Callable[[bytes], list[bytes]]) -> None:
    transcript = (FOLDER / f"{name}.txt").read_text()
    wanted = head(transcript)
    if wanted.whole and cut is bytewise:
        return
    world = SmtpWorld(portal=make_portal() if wanted.login else None, **wanted.settings)
    world.reception.obstacles["rcpt nobody@mx.example"] = UnknownRecipient()
    world.reception.outcomes = {
        "full@mx.example": OverQuota(), "gone@mx.example": Refusal("Mailbox is disabled", smtp=(550, "5.2.1"))}
    world.reception.honours |= wanted.honours
    prepare(world.reception)

    def nothing_delivered() -> None:
        assert [delivery.state for delivery in world.reception.deliveries] == ["aborted"]

    def speaking(ip: str, host: str) -> None:
        assert (player.protocol.peer.ip, player.protocol.peer.name or "-") == (ip, host)   # type: ignore[attr-defined]

    actions: dict[str, Callable[[], object]] = {"nothing was delivered": nothing_delivered}
    for who in ("198.51.100.7 spike.far.example", "2001:db8::1 -", "0.0.0.0 -"):
        actions[f"the peer is {who}"] = lambda who=who: speaking(*who.split())
    for text in re.findall(r"^X: the message was (.*)$", transcript, re.MULTILINE):
        actions[f"the message was {text}".strip()] = lambda text=text: last_message(world, text)
    for size in (1_001, 999_000, 1_000_001):
        for last in ("", " LAST"):
            octets = b"BDAT %d%s\r\n" % (size, last.encode()) + b"x" * size
            actions[f"announce and send a{last.lower()} chunk of {size} octets"] = lambda octets=octets: send_whole(player, octets)
    for size in (3_000, 100_000):
        actions[f"send a line of {size} octets"] = lambda size=size: player.send(b"x" * size + b"\r\n")
    player: Player = world.connect(encrypted=wanted.tls, cut=cut, actions=actions)
    player.play(transcript)
    if not player.transport.lost:
        player.transport.drop(player.protocol)
    assert world.clock.getDelayedCalls() == [] and world.factory.connections == 0
