"""`mailframe trace`, as an operator uses it: a running server, its log, and no password in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.servers import ANY_PORTS, MailServer
from support.smtptalk import Talk

from mailframe.app.command import main


def test_an_operator_sees_the_sessions_of_one_client(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = MailServer(tmp_path, *ANY_PORTS)
    data = ["-d", str(tmp_path / "mailframe-data")]
    try:
        with Talk("127.0.0.1", server.ports["smtp"], "EHLO too-early.example"):
            pass
        assert main(["trace", "smtp", "127.0.0.0/8", *data, "--minutes", "5"]) == 0
        assert main(["trace", "smtp", "--account", "Dev", *data]) == 0
        assert main(["trace", "list", *data]) == 0
        told = capsys.readouterr().out
        assert told.count("smtp sessions of client 127.0.0.0/8 until 2") == 2 and "smtp sessions of account dev until" in told
        with Talk("127.0.0.1", server.ports["submission"]) as client:
            assert client.log_in("dev", server.password).startswith("235")
            assert client.mail("dev@localhost", ["dev@localhost"], b"Subject: x\r\n\r\nprivate words\r\n").startswith("250")
            client.say("QUIT")
        server.wait_for("trace smtp-1 .* session ends")
        assert main(["trace", "off", *data]) == 0 and "2 taken back" in capsys.readouterr().out
        with Talk("127.0.0.1", server.ports["smtp"], "EHLO too-late.example"):
            pass
        password = server.password
    finally:
        assert server.stop() == 0
    traced = "\n".join(line for line in server.lines if "trace smtp-" in line)
    for line in ("S: 220 ", "C: EHLO client.example", "C: AUTH PLAIN [", "logged in as dev", "C: MAIL FROM:<dev@localhost>",
                 "C: [a message, 29 octets]", "C: QUIT", "S: 221 "):
        assert line in traced, line
    assert "too-" not in traced and "private" not in traced and password not in traced


def test_what_cannot_be_traced_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = MailServer(tmp_path, *ANY_PORTS)
    try:
        for words, why in ((["somewhere"], "neither an address nor a network"), (["192.0.2.1", "--minutes", "0"], "more than 0"),
                           (["192.0.2.1", "--minutes", "100000"], "at most 1440"),
                           (["--listener", "smpt"], "'smpt' is no listener; did you mean 'smtp'?"),
                           (["dev@localhost"], "write --account dev@localhost")):
            assert main(["trace", "smtp", *words, "-d", str(tmp_path / "mailframe-data")]) == 1
            assert why in capsys.readouterr().err
    finally:
        assert server.stop() == 0
    assert "Traceback" not in server.output


def test_without_a_server_there_is_nothing_to_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "list", "-d", str(tmp_path)]) == 1
    assert "No server runs" in capsys.readouterr().err
