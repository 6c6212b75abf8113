"""How long a client may take, and what becomes of those that take longer when the server stops."""

from __future__ import annotations

import pytest
from support.smtpworld import DATA, HELLO, MAIL, RCPT, SmtpWorld, make_portal
from twisted.internet.defer import Deferred
from twisted.internet.testing import StringTransport

from mailframe.model.envelope import Peer
from mailframe.smtp.settings import SmtpSettings

SLOW = "S: 421 4.4.2 The transaction takes too long\nS: <closed>"


@pytest.fixture
def world() -> SmtpWorld:
    return SmtpWorld()


def test_an_octet_now_and_then_keeps_no_command_alive(world: SmtpWorld) -> None:  # I3, RFC 5321 section 4.5.3.2.7
    player = world.connect()
    player.play(HELLO)
    for _ in range(299):
        player.send(b"N")
        world.clock.advance(1.0)
    player.play("S: <nothing>")
    world.clock.advance(1.0)
    player.transport.settle(player.protocol)
    player.play("S: 421 4.4.2 Idle for too long\nS: <closed>")


def test_an_octet_a_second_keeps_no_message_alive(world: SmtpWorld) -> None:  # I3
    player = world.connect()
    player.play(HELLO + MAIL + RCPT + DATA)
    begun = world.clock.seconds()
    while not player.transport.lost and world.clock.seconds() < begun + 5_000:
        player.send(b"x\r\n")
        world.clock.advance(10.0)
        player.transport.settle(player.protocol)
    assert 3_600 <= world.clock.seconds() - begun < 3_640
    player.play(SLOW)
    assert [delivery.state for delivery in world.reception.deliveries] == ["aborted"]


def test_commands_that_lead_nowhere_keep_no_transaction_alive(world: SmtpWorld) -> None:
    player = world.connect()
    player.play(HELLO + MAIL)
    for _ in range(17):
        player.play("T: 200\nC: NOOP\nS: 250 *")
    player.play("T: 200\n" + SLOW)


def test_a_long_message_has_the_time_it_needs(world: SmtpWorld) -> None:
    world = SmtpWorld(min_octets_per_s=100)
    player = world.connect()
    player.play(HELLO + MAIL + RCPT + DATA)
    for _ in range(500):                       # 50,000 octets in 5,000 s: slower than most, and no slower than allowed
        player.send(b"x" * 998 + b"\r\n")
        world.clock.advance(9.9)
    player.play("S: <nothing>\nC: .\nS: 250 *\nC: QUIT\nS: 221 *\nS: <closed>")


def test_a_kept_connection_may_last_for_hours(world: SmtpWorld) -> None:
    player = world.connect()
    player.play(HELLO + ("T: 299\n" + MAIL + "C: RSET\nS: 250 *\n") * 30 + "C: QUIT\nS: 221 *\nS: <closed>")


@pytest.mark.parametrize(("moment", "script"), [
    ("connected", ""), ("hello", "S: 220 *\nC: EHLO c.example\n"), ("mail", HELLO + "C: MAIL FROM:<a@far.example>\n"),
    ("rcpt bob@mx.example", HELLO + MAIL + "C: RCPT TO:<bob@mx.example>\n"),
])
def test_every_answer_but_the_last_comes_before_a_client_gives_up(world: SmtpWorld, moment: str, script: str) -> None:
    """Clients wait 5 minutes for the greeting, for MAIL and for RCPT (RFC 5321 sections 4.5.3.2.1 to 4.5.3.2.3)."""
    held = world.reception.hold(moment)
    player = world.connect()
    player.play(script + "T: 269\nS: <nothing>\nT: 2\nS: 451 4.3.0 *")
    assert held.called, "the plugin was cancelled (I7)"
    player.transport.drop(player.protocol) if not player.transport.lost else None
    assert world.clock.getDelayedCalls() == []


@pytest.mark.parametrize("moment", ["rcpt bob@mx.example", "commit"])
def test_a_user_is_answered_within_two_minutes(moment: str) -> None:
    """RFC 6409 section 5.3: mail programs wait no longer, for DATA neither."""
    world = SmtpWorld(role="submission", require_login=False)
    world.reception.hold(moment)
    player = world.connect()
    last = "C: RCPT TO:<bob@mx.example>\n" if moment != "commit" else RCPT + DATA + "C: hello\nC: .\n"
    player.play(HELLO + MAIL + last + "T: 109\nS: <nothing>\nT: 2\nS: 451 4.3.0 *\nC: QUIT\nS: 221 *\nS: <closed>")
    assert SmtpSettings(role="submission", commit_timeout_s=300, answer_timeout_s=7).answers_within_s == 7


def test_the_last_answer_may_take_longer(world: SmtpWorld) -> None:  # section 4.5.3.2.6
    held = world.reception.hold("commit")
    player = world.connect()
    player.play(HELLO + MAIL + RCPT + DATA + "C: hello\nC: .\nT: 530\nS: <nothing>")
    held.callback(None)
    player.play("S: 250 *\nC: QUIT\nS: 221 *\nS: <closed>")
    world.reception.hold("commit")
    player = world.connect()
    player.play(HELLO + MAIL + RCPT + DATA + "C: hello\nC: .\nT: 541\nS: 451 4.3.0 *\nC: QUIT\nS: 221 *\nS: <closed>")


# The server stops.


def test_a_transaction_that_was_begun_is_finished(world: SmtpWorld) -> None:
    player = world.connect()
    player.play(HELLO + MAIL)
    stopped = world.factory.stop()
    player.play(f"S: <nothing>\n{RCPT}{RCPT}{DATA}C: hello\nS: <nothing>\nC: .\nS: 250 *\nS: 421 4.3.2 *\nS: <closed>")
    assert stopped.called and len(world.reception.committed) == 1


@pytest.mark.parametrize("last", ["RSET", "EHLO c.example", "QUIT"])
def test_a_transaction_that_is_given_up_is_the_end(world: SmtpWorld, last: str) -> None:
    player = world.connect()
    player.play(HELLO + MAIL)
    world.factory.stop()
    player.play(f"C: {last}\nS: ...\nS: <closed>")
    assert world.reception.committed == [] and world.factory.connections == 0


def test_a_login_under_way_is_cut_short(world: SmtpWorld) -> None:
    world = SmtpWorld(portal=make_portal())
    player = world.connect(encrypted=True)
    player.play(HELLO + "C: AUTH PLAIN\nS: 334 *")
    world.factory.stop()
    player.transport.settle(player.protocol)
    player.play("S: 421 4.3.2 *\nS: <closed>")


@pytest.mark.parametrize("script", [MAIL + RCPT, MAIL + RCPT + DATA + "C: half a message\n"])
def test_who_takes_too_long_then_is_told_and_nothing_is_delivered(world: SmtpWorld, script: str) -> None:
    player = world.connect()
    player.play(HELLO + script)
    stopped = world.factory.stop()
    player.play("S: <nothing>")
    world.factory.cut()
    player.transport.settle(player.protocol)
    player.play("S: 421 4.3.2 *\nS: <closed>")
    assert stopped.called and [delivery.state for delivery in world.reception.deliveries] == ["aborted"]
    assert world.clock.getDelayedCalls() == []


def test_who_waits_for_us_then_is_cut(world: SmtpWorld) -> None:
    world.reception.hold("rcpt bob@mx.example")
    player = world.connect()
    player.play(HELLO + MAIL + "C: RCPT TO:<bob@mx.example>")
    world.factory.stop()
    world.factory.cut()
    assert isinstance(player.transport, StringTransport) and player.transport.disconnected
    held = world.reception.obstacles["rcpt bob@mx.example"]
    assert isinstance(held, Deferred) and isinstance(player.protocol.peer, Peer)  # type: ignore[attr-defined]
    player.transport.drop(player.protocol)
    held.callback(None)
    assert world.factory.connections == 0


def test_who_does_not_take_our_last_words_is_cut_then(world: SmtpWorld) -> None:
    player = world.connect()
    player.play("S: 220 *")
    player.send(b"QUIT\r\n")                     # answered, and closing: the transport here has lost it already
    other = world.connect()
    other.protocol.pauseProducing()              # type: ignore[attr-defined]
    world.factory.stop()
    world.factory.cut()
    assert isinstance(other.transport, StringTransport) and other.transport.disconnected
    other.transport.drop(other.protocol)
    assert world.factory.connections == 0 and world.clock.getDelayedCalls() == []
