"""What a listener's role changes, and what a trusted client may say of others."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from support.memory import MemoryTransport
from support.reception import Recorder
from support.smtpworld import Realm, SmtpWorld, make_portal
from support.transcripts import Player
from twisted.internet.address import UNIXAddress
from twisted.logger import formatEvent, globalLogPublisher

from mailframe.model.refusal import OverQuota, Refusal, TryAgainLater
from mailframe.smtp.server import SmtpServerFactory
from mailframe.smtp.settings import SmtpSettings

MESSAGE = ("C: MAIL FROM:<a@far.example>{}\nS: 250 *\nC: RCPT TO:<bob@mx.example>\nS: 250 *\nC: DATA\nS: 354 *\nC: hello\nC: .\n"
           "S: 250 *\n")
LOGIN = "C: AUTH PLAIN AGJvYgBzZWNyZXQ=\nS: 235 *\n"
TRUSTED: dict[str, Any] = {"xclient_from": ("192.0.2.0/24",), "xforward_from": ("192.0.2.0/24",)}


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """The SMTP wing's log."""
    found: list[str] = []

    def observe(event: Any) -> None:
        if event.get("log_namespace") == "mailframe.smtp":
            found.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    yield found
    globalLogPublisher.removeObserver(observe)


def announced(world: SmtpWorld, verb: str = "EHLO", **options: Any) -> list[str]:
    player = world.connect(**options)
    player.transport.clear()
    player.send(f"{verb} c.example\r\n".encode())
    return [line[4:] for line in player.transport.value().decode().splitlines()]


def through_unix_socket(world: SmtpWorld) -> Player:
    transport = MemoryTransport()
    transport.peerAddr = UNIXAddress(None)     # type: ignore[assignment]
    return Player(world.factory.buildProtocol(None), transport, world.clock)


# LMTP.

def test_lmtp_announces_what_it_must() -> None:
    """RFC 2033 section 5: PIPELINING and ENHANCEDSTATUSCODES must be there, 8BITMIME should."""
    assert {"PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME", "SIZE 1000000", "SMTPUTF8", "DSN", "STARTTLS"} <= set(
        announced(SmtpWorld(role="lmtp"), "LHLO"))


def test_help_names_the_greeting_of_the_role() -> None:
    for role, there, absent in (("lmtp", "LHLO", "EHLO"), ("mx", "EHLO", "LHLO")):
        player = SmtpWorld(role=role).connect()
        player.transport.clear()
        player.send(b"HELP\r\n")
        words = player.transport.value().decode().split()
        assert there in words and absent not in words


@pytest.mark.parametrize(("tls", "login", "utf8", "word"), [
    (False, False, False, "LMTP"), (True, False, False, "LMTPS"), (False, True, False, "LMTPA"), (True, True, False, "LMTPSA"),
    (False, False, True, "UTF8LMTP"), (True, True, True, "UTF8LMTPSA"),
])
def test_the_with_words_of_lmtp(tls: bool, login: bool, utf8: bool, word: str) -> None:
    """RFC 3848 section 2, RFC 6531 section 4.3."""
    world = SmtpWorld(role="lmtp", portal=make_portal(), plaintext_login="always")
    player = world.connect(encrypted=tls)
    player.play("S: 220 mx.example LMTP\nC: LHLO c.example\nS: ...\n" + LOGIN * login + MESSAGE.format(" SMTPUTF8" * utf8))
    [delivery] = world.reception.committed
    assert delivery.envelope.peer.protocol == word and delivery.envelope.peer.role == "lmtp"
    assert not delivery.envelope.submitted, "who logs in to hand on is not the author"


def test_all_replies_of_a_message_are_one_write() -> None:
    world = SmtpWorld(role="lmtp")
    player = world.connect()
    player.play("S: ...\nC: LHLO c.example\nS: ...\nC: MAIL FROM:<>\nS: ...\n" + "".join(
        f"C: RCPT TO:<u{n}@mx.example>\nS: ...\n" for n in range(50)) + "C: DATA\nS: ...\n")
    player.transport.writes.clear()
    player.send(b"hello\r\n.\r\n")
    assert [octets.count(b"\r\n") for octets in player.transport.writes] == [50]


def test_an_outcome_of_several_lines_names_its_recipient_once() -> None:
    world = SmtpWorld(role="lmtp")
    world.reception.outcomes["bob@mx.example"] = Refusal("First\nSecond", smtp=(550, "5.7.1"))
    world.connect().play("S: ...\nC: LHLO c\nS: ...\n" + MESSAGE.format("").replace(
        "S: 250 *\n", "S: ...\n").removesuffix("S: ...\n") + "S: 550-5.7.1 <bob@mx.example> First\nS: 550 5.7.1 Second\n")


def test_a_commit_that_fails_is_told_to_each_and_an_outcome_of_421_is_the_end() -> None:
    world = SmtpWorld(role="lmtp")
    world.reception.obstacles["commit"] = TryAgainLater()
    message = MESSAGE.format("").removesuffix("S: 250 *\n")
    world.connect().play(
        f"S: ...\nC: LHLO c\nS: ...\n{message}S: 451 4.3.0 <bob@mx.example> Temporary failure*\nC: NOOP\nS: 250 *\n")
    del world.reception.obstacles["commit"]
    world.reception.outcomes["bob@mx.example"] = Refusal("Go away", smtp=(421, "4.7.0"))
    world.connect().play(f"S: ...\nC: LHLO c\nS: ...\n{message}S: 421 4.7.0 <bob@mx.example> Go away\nS: <closed>\n")


def test_the_log_tells_of_each_refused_recipient(lines: list[str]) -> None:
    world = SmtpWorld(role="lmtp")
    world.reception.outcomes["bob@mx.example"] = OverQuota(detail="5 of 5 octets")
    world.connect().play("S: ...\nC: LHLO c\nS: ...\n" + MESSAGE.format("").removesuffix("S: 250 *\n") + "S: 452 *\n")
    assert [line.split()[0] for line in lines] == ["refused", "refused"]
    assert lines[0].endswith("reply=452 4.2.2 Mailbox is full (5 of 5 octets)") and "to=bob@mx.example reply=452 4.2.2" in lines[1]


# relay-in, and networks.

@pytest.mark.parametrize(("role", "networks", "ip", "greeting"), [
    ("relay-in", ("192.0.2.0/24",), "192.0.2.7", b"220"), ("relay-in", ("192.0.2.0/24",), "198.51.100.7", b"554"),
    ("relay-in", ("192.0.2.0/24",), "::ffff:192.0.2.7", b"220"), ("relay-in", ("2001:db8::/32",), "2001:db8::7", b"220"),
    ("relay-in", (), "127.0.0.1", b"554"), ("mx", (), "198.51.100.7", b"220"), ("mx", ("192.0.2.1",), "198.51.100.7", b"554"),
])
def test_who_may_connect(role: str, networks: tuple[str, ...], ip: str, greeting: bytes) -> None:
    """A relay-in listener without networks is nobody's, and never everybody's."""
    player = SmtpWorld(role=role, networks=networks).connect(ip)
    player.send(b"EHLO client.example\r\n")
    assert player.transport.value().startswith(greeting) and (b"\r\n503 " in player.transport.value()) == (greeting == b"554")


def test_a_unix_socket_is_in_the_network_of_that_name() -> None:
    assert through_unix_socket(SmtpWorld(role="relay-in", networks=("unix",))).transport.value().startswith(b"220")
    assert through_unix_socket(SmtpWorld(role="relay-in", networks=("127.0.0.1",))).transport.value().startswith(b"554")


def test_a_unix_socket_is_no_local_origin_and_no_one_address() -> None:
    world = SmtpWorld(role="lmtp", max_connections_per_ip=1)
    players = [through_unix_socket(world) for _ in range(2)]
    for player in players:
        player.play("S: 220 *\nC: LHLO mta.example\nS: ...\n" + MESSAGE.format(""))
    assert [delivery.envelope.peer.local_origin for delivery in world.reception.committed] == [False, False]


@pytest.mark.parametrize("key", ["networks", "xclient_from", "xforward_from"])
def test_a_network_that_cannot_be_read_names_its_key(key: str) -> None:
    with pytest.raises(ValueError, match=f"{key} has '192.0.2.7/24', which is no network"):
        SmtpSettings(**{key: ("192.0.2.7/24",)})       # type: ignore[arg-type]


# XCLIENT.

def test_xclient_and_xforward_are_announced_to_who_may_use_them() -> None:
    lists = {ip: announced(SmtpWorld(**TRUSTED), ip=ip)[1:] for ip in ("192.0.2.7", "198.51.100.7")}
    extra = set(lists["192.0.2.7"]) - set(lists["198.51.100.7"])
    assert extra == {"XCLIENT NAME ADDR PORT PROTO HELO DESTADDR DESTPORT", "XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE"}
    with_login = announced(SmtpWorld(portal=make_portal(), **TRUSTED))
    assert "XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT" in with_login


def test_a_message_after_xclient_is_the_clients(lines: list[str]) -> None:
    world = SmtpWorld(role="submission", portal=make_portal(), **TRUSTED)
    world.connect().play(
        "S: 220 *\nC: XCLIENT ADDR=IPV6:2001:db8::7 PORT=4000 NAME=c.far.example LOGIN=bob\nS: 220 *\nC: EHLO c\nS: ...\n"
        + MESSAGE.format(""))
    peer = world.reception.committed[0].envelope.peer
    assert (peer.ip, peer.port, peer.name, peer.account, peer.protocol, peer.via) == (
        "2001:db8::7", 4000, "c.far.example", "bob", "ESMTPA", "192.0.2.7")
    assert lines[0] == "xclient via=192.0.2.7 ip=2001:db8::7 addr=2001:db8::7 port=4000 name=c.far.example login=bob"


def test_connections_are_counted_for_the_client_and_not_for_the_proxy() -> None:
    world = SmtpWorld(max_connections_per_ip=1, **TRUSTED)
    first = world.connect()
    first.play("S: 220 *\nC: XCLIENT ADDR=198.51.100.7\nS: 220 *")
    second = world.connect()
    second.play("S: 220 *\nC: XCLIENT ADDR=198.51.100.8\nS: 220 *")
    world.connect().play("S: 220 *\nC: XCLIENT ADDR=198.51.100.7\nS: 421 4.7.0 Too many connections*\nS: <closed>")
    world.connect("198.51.100.8").play("S: 421 *\nS: <closed>")
    first.transport.drop(first.protocol)
    world.connect("198.51.100.7").play("S: 220 *")
    second.transport.drop(second.protocol)
    assert world.factory.connections == 1


def test_filters_are_asked_again_about_the_client() -> None:
    world = SmtpWorld(**TRUSTED)
    player = world.connect()
    world.reception.obstacles["connected"] = Refusal("Listed", smtp=(554, "5.7.1"))
    player.play("S: 220 *\nC: XCLIENT ADDR=198.51.100.7\nS: 554 5.7.1 Listed\n"
                "C: XCLIENT ADDR=192.0.2.9\nS: 503 *\nC: QUIT\nS: 221 *\nS: <closed>")
    del world.reception.obstacles["connected"]
    player = world.connect()
    world.reception.obstacles["hello"] = Refusal("Strange name", smtp=(550, "5.7.1"))
    player.play("S: 220 *\nC: XCLIENT ADDR=198.51.100.7 HELO=friend\nS: 550 5.7.1 Strange name\nC: QUIT\nS: 221 *\nS: <closed>")
    assert world.reception.hellos[-1].helo == "friend"


def test_networks_hold_for_the_client_too() -> None:
    world = SmtpWorld(role="relay-in", networks=("192.0.2.0/24",), **TRUSTED)
    world.connect().play("S: 220 *\nC: XCLIENT ADDR=198.51.100.7\nS: 554 5.7.1 *\nC: QUIT\nS: 221 *\nS: <closed>")


def test_starttls_forgets_what_xclient_said_in_the_clear() -> None:
    """RFC 3207 section 4.2; who is in between could have said it."""
    world = SmtpWorld(**TRUSTED)
    player = world.connect()
    player.play("S: 220 *\nC: XCLIENT ADDR=198.51.100.7 NAME=friend.example\nS: 220 *\nC: EHLO c\nS: ...\nC: STARTTLS\nS: 220 *\n"
                "C: EHLO c\nS: ...\n" + MESSAGE.format(""))
    peer = world.reception.committed[0].envelope.peer
    assert (peer.ip, peer.name, peer.via, peer.protocol) == ("192.0.2.7", "", "", "ESMTPS")
    player.transport.drop(player.protocol)
    assert world.factory.connections == 0


def test_a_login_ends_when_another_client_speaks() -> None:
    realm = Realm()
    world = SmtpWorld(role="submission", portal=make_portal(realm), plaintext_login="always", **TRUSTED)
    world.connect().play(f"S: 220 *\nC: EHLO c\nS: ...\n{LOGIN}C: XCLIENT ADDR=198.51.100.7\nS: 220 *\nC: EHLO c\nS: ...\n"
                         "C: MAIL FROM:<bob@mx.example>\nS: 530 *")
    assert realm.logouts == 1


def test_loopback_is_the_clients_and_not_the_proxys() -> None:
    """A proxy on this machine does not make a password in the clear harmless."""
    world = SmtpWorld(role="submission", portal=make_portal(), plaintext_login="loopback", xclient_from=("127.0.0.1",))
    player = world.connect("127.0.0.1")
    player.play("S: 220 *\nC: XCLIENT ADDR=198.51.100.7\nS: 220 *\nC: EHLO c\nS: ...\nC: AUTH PLAIN AGJvYgBzZWNyZXQ=\nS: 538 *")


def test_where_addresses_are_told_through_a_unix_socket() -> None:
    world = SmtpWorld(xclient_from=("unix",))
    through_unix_socket(world).play("S: 220 *\nC: XCLIENT ADDR=198.51.100.7\nS: 220 *\nC: EHLO c\nS: ...\n" + MESSAGE.format(""))
    assert world.reception.committed[0].envelope.peer.via == "unix"


# XFORWARD.

def test_xforward_is_for_the_log_of_one_message(lines: list[str]) -> None:
    world = SmtpWorld(**TRUSTED)
    player = world.connect()
    player.play("S: 220 *\nC: EHLO c\nS: ...\nC: XFORWARD NAME=spike.far.example ADDR=198.51.100.7 PORT=1\nS: 250 *\n"
                "C: XFORWARD IDENT=4ABC PORT=[UNAVAILABLE]\nS: 250 *\n" + MESSAGE.format("") + MESSAGE.format(""))
    assert lines[0].endswith("forwarded_name=spike.far.example forwarded_addr=198.51.100.7 forwarded_ident=4ABC")
    assert "forwarded" not in lines[1]
    assert world.reception.committed[0].envelope.peer.ip == "192.0.2.7", "who hands it in stays who it is"


def test_a_third_party_s_registry_has_the_role_too() -> None:
    factory = SmtpServerFactory(
        Recorder(), SmtpSettings(role="lmtp"), clock=SmtpWorld().clock, random=random.Random(1))
    assert b"LHLO" in factory.registry.commands and b"EHLO" not in factory.registry.commands
