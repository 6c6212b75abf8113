"""What the delivery agent learns of a message besides its octets."""

from __future__ import annotations

import pytest
from support.smtpworld import HELLO, MAIL, SmtpWorld, make_portal


@pytest.mark.parametrize(("hello", "encrypted", "login", "utf8", "word"), [
    ("HELO", False, False, False, "SMTP"), ("EHLO", False, False, False, "ESMTP"), ("EHLO", True, False, False, "ESMTPS"),
    ("EHLO", True, True, False, "ESMTPSA"), ("EHLO", False, True, False, "ESMTPA"), ("EHLO", True, True, True, "UTF8SMTPSA"),
    ("EHLO", False, False, True, "UTF8SMTP"),
])
def test_the_trace_word(hello: str, encrypted: bool, login: bool, utf8: bool, word: str) -> None:  # RFC 3848, RFC 6531 section 4.3
    world = SmtpWorld(portal=make_portal(), plaintext_login="always")
    auth = "C: AUTH PLAIN AGJvYgBzZWNyZXQ=\nS: 235 *\n" if login else ""
    world.connect(encrypted=encrypted).play(
        f"S: 220 *\nC: {hello} c.example\nS: ...\n{auth}C: MAIL FROM:<a@far.example>{' SMTPUTF8' if utf8 else ''}\nS: 250 *")
    peer = world.reception.deliveries[0].envelope.peer
    assert (peer.protocol, peer.helo, peer.account) == (word, "c.example", "bob" if login else None)
    assert peer.tls == ("TLSv1.3 TLS_AES_256_GCM_SHA384" if encrypted else "")


def test_the_envelope_carries_all_parameters(world: SmtpWorld) -> None:
    world.connect().play(
        HELLO + "C: MAIL FROM:<> SIZE=77 BODY=8BITMIME RET=FULL ENVID=q+2B1\nS: 250 *\n"
        "C: RCPT TO:<Bob@MX.example> NOTIFY=DELAY,failure ORCPT=rfc822;b+3Db@x.example\nS: 250 *")
    delivery = world.reception.deliveries[0]
    envelope, recipient = delivery.envelope, delivery.recipients[0]
    assert envelope.sender is None
    assert (envelope.size, envelope.body, envelope.ret, envelope.envid) == (77, "8BITMIME", "FULL", "q+1")
    assert envelope.received_at == 1_800_000_000
    assert recipient.notify == {"DELAY", "FAILURE"} and recipient.orcpt == "rfc822;b=b@x.example"
    assert str(recipient) == "Bob@mx.example"


def test_ids_differ_and_sort_by_time(world: SmtpWorld) -> None:
    player = world.connect()
    player.play(HELLO)
    for _ in range(50):
        world.clock.advance(0.01)
        player.play(MAIL + "C: RSET\nS: 250 *\n")
    ids = [delivery.envelope.id for delivery in world.reception.deliveries]
    assert ids == sorted(set(ids)) and all(len(name) == 16 for name in ids)


@pytest.mark.parametrize(("switch", "parameter"), [("dsn", "RET=FULL"), ("smtputf8", "SMTPUTF8")])
def test_what_is_switched_off_is_neither_announced_nor_understood(switch: str, parameter: str) -> None:
    player = SmtpWorld(**{switch: False}).connect()
    player.send(b"EHLO c.example\r\n")
    assert switch.upper().encode() not in player.transport.value()
    player.play(f"S: ...\nC: MAIL FROM:<a@far.example> {parameter}\nS: 555 5.5.4 *")
