"""REQUIRETLS as the server takes it (RFC 8689 section 4.1); the words themselves are in the transcripts."""

from __future__ import annotations

from support.smtpworld import SmtpWorld


def test_the_message_is_marked_and_its_neighbours_are_not() -> None:
    world = SmtpWorld()
    world.reception.honours |= {"REQUIRETLS"}
    player = world.connect(encrypted=True)
    player.send(b"EHLO client.example\r\nMAIL FROM:<a@far.example> REQUIRETLS\r\nRSET\r\nMAIL FROM:<a@far.example>\r\n")
    assert [delivery.envelope.require_tls for delivery in world.reception.deliveries] == [True, False]


def test_nobody_is_promised_what_nobody_behind_us_keeps() -> None:
    world = SmtpWorld()
    player = world.connect(encrypted=True)
    player.send(b"EHLO client.example\r\nMAIL FROM:<a@far.example> REQUIRETLS\r\n")
    assert world.reception.deliveries == []
