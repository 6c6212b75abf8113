"""The end of a server: idle sessions go, messages in hand are finished."""

from __future__ import annotations

from support.smtpworld import DATA, HELLO, MAIL, RCPT, TEXT, SmtpWorld, settle


def test_stop_ends_idle_sessions_and_lets_messages_finish(world: SmtpWorld) -> None:
    idle, waiting, busy, committing = (world.connect() for _ in range(4))
    idle.play(HELLO)
    waiting.play(HELLO + MAIL + RCPT)
    busy.play(HELLO + MAIL + RCPT + DATA)
    held = world.reception.hold("commit")
    committing.play(HELLO + MAIL + RCPT + DATA + TEXT)
    stopped = world.factory.stop()
    for player in (idle, waiting, busy, committing):
        settle(player)
    idle.play("S: 421 4.3.2 *\nS: <closed>")
    waiting.play("S: <nothing>")
    world.connect().play("S: 421 4.3.2 *\nS: <closed>")
    assert not stopped.called
    del world.reception.obstacles["commit"]
    held.callback(None)
    settle(committing)
    committing.play("S: 250 *\nS: 421 4.3.2 *\nS: <closed>")
    busy.play(TEXT + "S: 250 *\nS: 421 4.3.2 *\nS: <closed>")
    waiting.play(DATA + TEXT + "S: 250 *\nS: 421 4.3.2 *\nS: <closed>")
    assert stopped.called and len(world.reception.committed) == 3


def test_stop_without_sessions_is_done_at_once(world: SmtpWorld) -> None:
    assert world.factory.stop().called


def test_three_hundred_silent_connections_cost_one_timer_for_all(world: SmtpWorld) -> None:
    world = SmtpWorld(max_connections_per_ip=300)
    players = [world.connect() for _ in range(300)]
    assert len(world.clock.getDelayedCalls()) == 1 and world.factory.connections == 300
    world.clock.advance(300)
    for player in players:
        settle(player)
    assert world.factory.connections == 0 and world.clock.getDelayedCalls() == []
