"""SIGTERM with clients in the middle of things, over real sockets."""

from __future__ import annotations

import poplib
import signal
from pathlib import Path

from support.servers import ANY_PORTS, PATIENCE_S, MailServer
from support.smtptalk import Talk


def test_a_message_under_way_is_delivered_and_acknowledged(tmp_path: Path) -> None:  # I1
    server = MailServer(tmp_path, *ANY_PORTS)
    port = server.ports["smtp"]
    with Talk("127.0.0.1", port) as idle, Talk("127.0.0.1", port) as begun, Talk("127.0.0.1", port) as sending:
        for client in (begun, sending):
            assert client.say("MAIL FROM:<a@example.org>").startswith("250")
        assert sending.say("RCPT TO:<dev@localhost>").startswith("250") and sending.say("DATA").startswith("354")
        sending.send(b"Subject: the first half\r\n\r\n")
        server.process.send_signal(signal.SIGTERM)
        assert idle.reply().startswith("421 4.3.2"), "who does nothing is told at once"
        assert sending.say("the second half\r\n.").startswith("250 2.0.0"), "who sends may end it"
        assert sending.reply().startswith("421 4.3.2")
        assert begun.say("RCPT TO:<dev@localhost>").startswith("250"), "who is between two commands of a message, as well"
        assert begun.say("DATA").startswith("354")
        assert begun.say("Subject: another\r\n\r\n.").startswith("250 2.0.0") and begun.reply().startswith("421 4.3.2")
    assert server.process.wait(PATIENCE_S) in (0, -signal.SIGTERM)
    server.stop()
    assert "Traceback" not in server.output
    server = MailServer(tmp_path, *ANY_PORTS)
    try:
        pop = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=PATIENCE_S)
        pop.user("dev")
        pop.pass_(server.password)
        assert pop.stat()[0] == 2 and b"the second half" in pop.retr(1)[1]
        pop.quit()
    finally:
        assert server.stop() == 0, server.output


def test_a_message_that_does_not_come_to_its_end_keeps_nobody_waiting(tmp_path: Path) -> None:
    server = MailServer(tmp_path, *ANY_PORTS)
    with Talk("127.0.0.1", server.ports["smtp"]) as client:
        assert client.say("MAIL FROM:<a@example.org>").startswith("250") and client.say("RCPT TO:<dev@localhost>").startswith("250")
        assert client.say("DATA").startswith("354")
        client.send(b"Subject: never ended\r\n")
        server.process.send_signal(signal.SIGTERM)
        assert client.reply().startswith("421 4.3.2"), "after the patience of the stop"
    assert server.process.wait(PATIENCE_S) in (0, -signal.SIGTERM)
    assert server.stop() == 0 and "Traceback" not in server.output
