"""Each limit of a session and of a listener, crossed."""

from __future__ import annotations

import pytest
from support.smtpworld import DATA, HELLO, MAIL, RCPT, TEXT, SmtpWorld

from mailframe.model.refusal import StorageFull, UnknownRecipient


def test_more_recipients_than_allowed(world: SmtpWorld) -> None:
    world = SmtpWorld(max_recipients=2)
    world.connect().play(
        HELLO + MAIL + "".join(f"C: RCPT TO:<u{n}@mx.example>\nS: 250 *\n" for n in range(2))
        + "C: RCPT TO:<u3@mx.example>\nS: 452 4.5.3 Too many recipients\n" + DATA + TEXT + "S: 250 *")
    assert len(world.reception.committed[0].recipients) == 2


def test_the_same_recipient_twice_is_one(world: SmtpWorld) -> None:
    world.connect().play(HELLO + MAIL + RCPT + RCPT + DATA + TEXT + "S: 250 *")
    assert len(world.reception.committed[0].recipients) == 1


def test_a_message_too_big_is_read_to_its_end_and_refused() -> None:
    world = SmtpWorld(max_message_octets=100)
    world.connect().play(
        HELLO + MAIL + RCPT + DATA + "C: MAIL FROM:<x@y>\n" * 20 + "C: .\nS: 552 5.3.4 Message is too big\nC: NOOP\nS: 250 *")
    assert [delivery.state for delivery in world.reception.deliveries] == ["aborted"]


def test_a_store_that_is_full_in_the_middle_costs_only_this_message(world: SmtpWorld) -> None:
    world.reception.obstacles["write"] = StorageFull()
    player = world.connect()
    player.play(HELLO + MAIL + RCPT + DATA + "C: a\nC: b\nC: .\nS: 452 4.3.1 *")
    world.reception.obstacles.clear()
    player.play(MAIL + RCPT + DATA + TEXT + "S: 250 *")
    assert [delivery.state for delivery in world.reception.deliveries] == ["aborted", "committed"]


def test_too_many_connections() -> None:
    world = SmtpWorld(max_connections=3, max_connections_per_ip=2)
    players = [world.connect("192.0.2.1"), world.connect("192.0.2.1")]
    world.connect("192.0.2.1").play("S: 421 4.7.0 Too many connections*\nS: <closed>")
    players.append(world.connect("192.0.2.2"))
    world.connect("192.0.2.3").play("S: 421 4.7.0 *\nS: <closed>")
    players[0].transport.drop(players[0].protocol)
    world.connect("192.0.2.3").play("S: 220 *")


def test_an_ipv6_peer_is_its_whole_network() -> None:
    world = SmtpWorld(max_connections_per_ip=1)
    world.connect("2001:db8::1").play("S: 220 *")
    world.connect("2001:db8::2").play("S: 421 *\nS: <closed>")
    world.connect("2001:db8:0:1::2").play("S: 220 *")


def test_bare_newlines_can_be_normalised() -> None:
    world = SmtpWorld(bare_newlines="normalise")
    world.connect().play(HELLO + MAIL + RCPT + DATA + "C| a\\n.\\nb\\rc\\r\\n.\\r\\n\nS: 250 *")
    assert world.reception.committed[0].octets == b"a\r\n.\r\nb\r\nc\r\n"


@pytest.mark.parametrize("wrong", [
    {"hostname": "two words"}, {"role": "relay"}, {"max_errors": 0}, {"idle_timeout_s": -1.0}, {"banner": "a\r\nb"},
    {"plaintext_login": "never"}, {"bare_newlines": "ignore"}, {"max_message_octets": -1},
])
def test_a_wrong_setting_is_named(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SmtpWorld(**wrong)


@pytest.mark.parametrize("verb", ["VRFY", "EXPN"])
def test_guessing_by_other_words_ends_as_guessing_recipients_does(verb: str) -> None:
    world = SmtpWorld(max_refused_recipients=3)
    world.reception.known["nobody@mx.example"] = False
    world.reception.obstacles["expand nobody"] = UnknownRecipient()
    player = world.connect()
    player.play(HELLO + f"C: {verb} nobody@mx.example\nS: 550 5.1.1 *\n" * 3 + "S: 421 4.7.0 Too many errors\nS: <closed>")
