"""SIGTERM with clients in the middle of things, over real sockets."""

from __future__ import annotations

import poplib
import signal
from pathlib import Path

import pytest
from support.servers import ANY_PORTS, PATIENCE_S, MailServer, until
from support.smtptalk import Talk


def test_a_message_under_way_is_delivered_and_acknowledged(tmp_path: Path) -> None:  # I1
    server = MailServer(tmp_path, *ANY_PORTS)
    port = server.ports["smtp"]
    idle, begun, sending, stuck = (Talk("127.0.0.1", port) for _ in range(4))
    with idle, begun, sending, stuck:
        for client in (begun, sending, stuck):
            assert client.say("MAIL FROM:<a@example.org>").startswith("250")
        for client in (sending, stuck):
            assert client.say("RCPT TO:<dev@localhost>").startswith("250") and client.say("DATA").startswith("354")
        stuck.send(b"Subject: never ended\r\n")
        sending.send(b"Subject: the first half\r\n\r\n")
        server.process.send_signal(signal.SIGTERM)
        assert idle.reply().startswith("421 4.3.2"), "who does nothing is told at once"
        assert sending.say("the second half\r\n.").startswith("250 2.0.0"), "who sends may end it"
        assert sending.reply().startswith("421 4.3.2")
        assert begun.say("RCPT TO:<dev@localhost>").startswith("250"), "who is between two commands of a message, as well"
        assert begun.say("DATA").startswith("354")
        assert begun.say("Subject: another\r\n\r\n.").startswith("250 2.0.0") and begun.reply().startswith("421 4.3.2")
        assert stuck.reply().startswith("421 4.3.2"), "who does not come to an end, after the patience of the stop"
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


def again(server: MailServer, number: signal.Signals) -> bool:
    """Ask once more; whether it has ended."""
    if server.process.poll() is None:
        server.process.send_signal(number)
    return server.process.poll() is not None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_asks_twice_waits_for_nobody(tmp_path: Path, number: signal.Signals) -> None:  # I1
    """What was acknowledged is there at the next start, what was not is not, and the log has one plain line about it."""
    server = MailServer(tmp_path, *ANY_PORTS)
    stuck, silent = Talk("127.0.0.1", server.ports["smtp"]), Talk("127.0.0.1", server.ports["imap"])
    with stuck, silent:
        for body in ("Subject: acknowledged\r\n\r\n.", "Subject: never ended\r\n"):
            assert stuck.say("MAIL FROM:<a@example.org>").startswith("250")
            assert stuck.say("RCPT TO:<dev@localhost>").startswith("250") and stuck.say("DATA").startswith("354")
            stuck.send(body.encode() + b"\r\n")
            if body.endswith("."):
                assert stuck.reply().startswith("250 2.0.0")
        silent.send(b"a APPEND INBOX {20}\r\n")
        for _ in range(2):
            server.process.send_signal(number)      # `timeout` sends it twice at once, and means it once
        server.wait_for("Received SIG")
        assert "stopping at once" not in server.output
        until(lambda: again(server, number), "the end of a server that is asked again and again")
        assert server.process.wait(PATIENCE_S) in (0, -number)
    server.stop()
    assert "Traceback" not in server.output and "Unhandled" not in server.output, server.output
    assert server.output.count("stopping at once") == 1, server.output
    server = MailServer(tmp_path, *ANY_PORTS)
    try:
        pop = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=PATIENCE_S)
        pop.user("dev")
        pop.pass_(server.password)
        assert pop.stat()[0] == 1 and b"Subject: acknowledged" in pop.retr(1)[1]
        pop.quit()
    finally:
        assert server.stop() == 0, server.output
