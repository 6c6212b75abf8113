"""Every conversation in tests/transcripts/smtp, as it stands and octet by octet (I4)."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.reception import Recorder
from support.smtpworld import SmtpWorld, make_portal
from support.transcripts import Player, bytewise, whole

from mailframe.model.address import Address
from mailframe.model.refusal import OverQuota, Refusal, UnknownRecipient
from mailframe.model.verified import Verified

FOLDER = Path(__file__).parents[1] / "transcripts" / "smtp"

SETTINGS: dict[str, dict[str, Any]] = {
    "too-many-errors": {"max_errors": 3},
    "addresses": {"max_errors": 100},
    "timeouts": {"idle_timeout_s": 300},
    "data-timeout": {"data_timeout_s": 180},
    "submission": {"role": "submission"},
    "chunk-timeout": {"data_timeout_s": 180},
    "no-chunking": {"chunking": False},
    "limits": {"max_mails": 3, "max_recipients": 2, "max_recipient_domains": 2},
    "no-soliciting": {"no_soliciting": ("net.example:ADV", "org.example:ADV:ADLT")},
    "no-soliciting-at-all": {"no_soliciting": ("*",)},
    "verify": {"max_errors": 100},
    "futurerelease": {"role": "submission", "max_hold_s": 3_600},
    "deliverby": {"min_deliver_by_s": 30},
    "mt-priority": {"role": "submission", "priority_profile": "STANAG4406"},
    "not-honoured": {"dsn": False},
    "lmtp": {"role": "lmtp"},
    "lmtp-pipelined": {"role": "lmtp"},
    "lmtp-chunks": {"role": "lmtp"},
    "lmtp-injection": {"role": "lmtp"},
    "lmtp-limits": {"role": "lmtp", "max_recipients": 3},
    "relay-in-stranger": {"role": "relay-in", "networks": ("198.51.100.0/24",)},
    "xclient": {"xclient_from": ("192.0.2.0/24",), "max_errors": 100},
    "xclient-login": {"role": "submission", "xclient_from": ("192.0.2.7",)},
    "xclient-untrusted": {"xclient_from": ("192.0.2.8", "unix"), "xforward_from": ("2001:db8::/32",)},
    "xforward": {"xforward_from": ("192.0.2.0/24",)},
    "rfc5321-paths": {"max_errors": 100},
    "rfc5321-commands": {"max_errors": 100},
    "rfc4954-auth": {"max_errors": 100},
    "rfc9422-digits": {"max_mails": 1_000_000, "max_recipients": 5_000_000, "max_recipient_domains": 7},
}
WITH_LOGIN = {"auth", "submission", "too-many-logins", "futurerelease", "mt-priority", "xclient-login", "rfc4954-auth"}
IMPLICIT_TLS = {"auth", "rfc4954-auth", "too-many-logins", "requiretls", "futurerelease", "mt-priority"}
HONOURED = {         # by whoever is behind, besides DSN
    "requiretls": "REQUIRETLS", "requiretls-in-the-clear": "REQUIRETLS",
    "futurerelease": "FUTURERELEASE DELIVERBY", "futurerelease-mx": "FUTURERELEASE", "deliverby": "DELIVERBY",
    "rrvs": "RRVS", "rfc6531-addresses": "VRFY", "verify": "VRFY EXPN", "etrn": "ETRN",
    "mt-priority": "MT-PRIORITY", "mt-priority-mx": "MT-PRIORITY",
}
WHOLE_ONLY = {"injection", "lmtp-injection"}   # octet by octet the second part goes to the TLS engine, see test_sockets


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
    if name in WHOLE_ONLY and cut is bytewise:
        return
    world = SmtpWorld(portal=make_portal() if name in WITH_LOGIN else None, **SETTINGS.get(name, {}))
    world.reception.obstacles["rcpt nobody@mx.example"] = UnknownRecipient()
    world.reception.outcomes = {
        "full@mx.example": OverQuota(), "gone@mx.example": Refusal("Mailbox is disabled", smtp=(550, "5.2.1"))}
    world.reception.honours |= set(HONOURED.get(name, "").split())
    prepare(world.reception)

    def nothing_delivered() -> None:
        assert [delivery.state for delivery in world.reception.deliveries] == ["aborted"]

    def speaking(ip: str, host: str) -> None:
        assert (player.protocol.peer.ip, player.protocol.peer.name or "-") == (ip, host)   # type: ignore[attr-defined]

    def no_names() -> None:
        world.reception.obstacles["hello"] = Refusal("Strange name", smtp=(550, "5.7.1"))

    actions: dict[str, Callable[[], object]] = {
        "nothing was delivered": nothing_delivered, "names are refused from now on": no_names,
    }
    for who in ("198.51.100.7 spike.far.example", "2001:db8::1 -", "0.0.0.0 -"):
        actions[f"the peer is {who}"] = lambda who=who: speaking(*who.split())
    for text in re.findall(r"^X: the message was (.*)$", (FOLDER / f"{name}.txt").read_text(), re.MULTILINE):
        actions[f"the message was {text}".strip()] = lambda text=text: last_message(world, text)
    for size in (1_001, 999_000, 1_000_001):
        for last in ("", " LAST"):
            octets = b"BDAT %d%s\r\n" % (size, last.encode()) + b"x" * size
            actions[f"announce and send a{last.lower()} chunk of {size} octets"] = lambda octets=octets: send_whole(player, octets)
    for size in (12_288, 12_289):
        actions[f"send an authentication line of {size} octets"] = lambda size=size: player.send(b"!" * size + b"\r\n")
    for size in (3_000, 100_000):
        actions[f"send a line of {size} octets"] = lambda size=size: player.send(b"x" * size + b"\r\n")
    player: Player = world.connect(encrypted=name in IMPLICIT_TLS, cut=cut, actions=actions)
    player.play((FOLDER / f"{name}.txt").read_text())
    if not player.transport.lost:
        player.transport.drop(player.protocol)
    assert world.clock.getDelayedCalls() == [] and world.factory.connections == 0
