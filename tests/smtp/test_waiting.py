"""Who waits for whom: answers for a slow plugin, a fast sender for a slow store, and nobody for who has gone (I3)."""

from __future__ import annotations

import pytest
from support.smtpworld import DATA, HELLO, MAIL, RCPT, TEXT, SmtpWorld, settle


def test_answers_wait_for_a_slow_plugin_and_keep_their_order(world: SmtpWorld) -> None:
    held = world.reception.hold("rcpt bob@mx.example")
    player = world.connect()
    player.play(HELLO)
    group = "MAIL FROM:<a@far.example>", "RCPT TO:<bob@mx.example>", "NOOP", "XYZZY", ""
    player.play("C| " + "\\r\\n".join(group) + "\nS: 250 2.1.0 *\nS: <nothing>")
    held.callback(None)
    player.play("S: 250 2.1.5 *\nS: 250 2.0.0 *\nS: 500 *")


def test_an_answer_does_not_wait_for_the_next_command(world: SmtpWorld) -> None:
    first, second = world.reception.hold("rcpt bob@mx.example"), world.reception.hold("rcpt carol@mx.example")
    player = world.connect()
    player.play(HELLO + MAIL + "C| RCPT TO:<bob@mx.example>\\r\\nRCPT TO:<carol@mx.example>\\r\\n")
    first.callback(None)
    player.play("S: 250 2.1.5 *")
    second.callback(None)
    player.play("S: 250 2.1.5 *")


def test_a_slow_answer_is_not_the_client_idling(world: SmtpWorld) -> None:
    held = world.reception.hold("mail")
    player = world.connect()
    player.play(HELLO + "C: MAIL FROM:<a@far.example>\nT: 269")
    held.callback(None)
    player.play("S: 250 *\nT: 299\nC: NOOP\nS: 250 *")


def test_pipelined_answers_are_one_write(world: SmtpWorld) -> None:
    player = world.connect()
    player.play(HELLO)
    player.transport.writes.clear()
    player.send(b"MAIL FROM:<a@far.example>\r\nRCPT TO:<bob@mx.example>\r\nDATA\r\n")
    assert len(player.transport.writes) == 1


def test_a_slow_store_holds_the_sender_back(world: SmtpWorld) -> None:  # I3
    player = world.connect()
    player.play(HELLO + MAIL + RCPT + DATA)
    held = world.reception.hold("write")
    for _ in range(4):
        if player.transport.producerState == "producing":
            player.send(b"x" * 40_000)
    assert player.transport.producerState == "paused" and player.protocol.framer.waiting <= 131_072
    del world.reception.obstacles["write"]
    held.callback(None)
    assert player.transport.producerState == "producing"
    player.play("C|\\r\\n.\\r\\n\nS: 250 *")
    assert len(world.reception.committed[0].octets) == 120_002


def test_a_client_that_does_not_read_is_not_served_more() -> None:  # I3
    world = SmtpWorld(max_idle_commands=20_000)
    player = world.connect()
    player.play(HELLO)
    player.protocol.pauseProducing()
    player.send(b"NOOP\r\n" * 20_000)
    assert player.transport.value() == b"" and player.transport.producerState == "paused"
    player.protocol.resumeProducing()
    assert 0 < len(player.transport.value()) < 10_000, "others have their turn (I2)"
    for _ in range(50):
        world.clock.advance(0)
    assert player.transport.value() == b"250 2.0.0 Ok\r\n" * 20_000 and player.transport.producerState == "producing"
    player.transport.clear()
    player.protocol.pauseProducing()
    world.clock.advance(301)
    settle(player)
    assert player.transport.lost


@pytest.mark.parametrize("moment", ["mail", "rcpt bob@mx.example", "write"])
def test_a_connection_lost_while_a_plugin_thinks_delivers_nothing(world: SmtpWorld, moment: str) -> None:
    player = world.connect()
    player.play(HELLO)
    held = world.reception.hold(moment)
    player.send(b"MAIL FROM:<a@far.example>\r\nRCPT TO:<bob@mx.example>\r\nDATA\r\nhello\r\n.\r\n")
    player.transport.drop(player.protocol)
    assert world.factory.connections == 1, "still at work"
    held.callback(None)
    assert [delivery.state for delivery in world.reception.deliveries] == ["aborted"]
    assert world.factory.connections == 0 and world.clock.getDelayedCalls() == []


def test_a_connection_lost_in_mid_data_delivers_nothing(world: SmtpWorld) -> None:
    player = world.connect()
    player.play(HELLO + MAIL + RCPT + DATA + "C: half a message\nC| \\r\\n.\nD:")
    assert [delivery.state for delivery in world.reception.deliveries] == ["aborted"]


def test_a_connection_lost_during_commit_lets_it_finish(world: SmtpWorld) -> None:
    held = world.reception.hold("commit")
    player = world.connect()
    player.play(HELLO + MAIL + RCPT + DATA + TEXT + "D:")
    held.callback(None)
    assert len(world.reception.committed) == 1 and world.factory.connections == 0


def test_a_client_that_never_takes_the_last_words_is_cut(world: SmtpWorld) -> None:
    player = world.connect()
    player.protocol.dataReceived(b"QUIT\r\n")
    assert player.transport.disconnecting and not player.transport.disconnected
    world.clock.advance(11)
    assert player.transport.disconnected
    settle(player)
    assert world.clock.getDelayedCalls() == []
