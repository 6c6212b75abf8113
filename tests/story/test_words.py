"""The smaller words of SMTP, asked of a whole server over sockets."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

from support.servers import PATIENCE_S, MailServer, listeners
from support.smtptalk import Talk

from mailframe.auth import accountedit
from mailframe.auth.hashing import hash_password

CONFIG = """
hostname = "mx.one.example"
domains = ["one.example"]
data = "post"
[pipeline]
answer_vrfy = true
answer_expn = true
no_soliciting = ["net.example:ADV"]
max_recipients = 7
relay_networks = ["127.0.0.0/8"]
[pipeline.route]
relay_domains = ["backup.example"]
[smtp]
max_mails = 9
[queue]
[relay]
[relay.routes."backup.example"]
host = "127.0.0.1"
port = {port}
tls = "none"
[[auth]]
plugin = "file"
path = "accounts"
"""
FIELD = b"Require-Recipient-Valid-Since: alice@one.example; Thu, 1 Jan 2026 00:00:00 +0000\r\n"


def accounts(folder: Path) -> None:
    accountedit.add(folder / "accounts", "alice@one.example", hash_password("wonderland"), 1_700_000_000.0)      # November 2023
    with (folder / "accounts").open("a") as file:
        file.write("staff@one.example -> alice@one.example, bob@far.example\n")


def test_a_server_keeps_what_it_announces(tmp_path: Path) -> None:
    accounts(tmp_path)
    with socket.socket() as away:                       # a next hop that refuses every connection
        away.bind(("127.0.0.1", 0))
        (tmp_path / "mailframe.toml").write_text(CONFIG.format(port=away.getsockname()[1]) + listeners("smtp", "submission"))
        server = MailServer(tmp_path, "--config", "mailframe.toml")
        try:
            _talk(server, server.ports["smtp"])
            _curl(server.ports["smtp"])
            with Talk("127.0.0.1", server.ports["submission"]) as user:
                assert "NO-SOLICITING" not in user.hello and "LIMITS RCPTMAX=7" in user.hello
        finally:
            assert server.stop() == 0, server.output
    assert "Traceback" not in server.output


def _curl(port: int) -> None:
    """A client that is not ours."""
    def asked(*words: str) -> str:
        command = ["curl", "--silent", "--max-time", "20", f"smtp://127.0.0.1:{port}/client.example", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False).stdout

    if shutil.which("curl"):
        assert "250 2.1.5 <alice@one.example>" in asked("--mail-rcpt", "alice")
        assert "<bob@far.example>" in asked("--request", "EXPN", "--mail-rcpt", "staff")
        assert "HELP command tells more" in asked("--request", "HELP")


def _talk(server: MailServer, port: int) -> None:
    with Talk("127.0.0.1", port) as client:
        for word in ("LIMITS MAILMAX=9 RCPTMAX=7", "NO-SOLICITING net.example:ADV", "RRVS", "ETRN", "HELP", "VRFY", "EXPN"):
            assert f"250-{word}" in client.hello or f"250 {word}" in client.hello, word
        assert client.say("VRFY alice") == "250 2.1.5 <alice@one.example>"
        assert client.say("EXPN staff") == "250-2.1.5 <alice@one.example>\n250 2.1.5 <bob@far.example>"
        assert client.say("MAIL FROM:<a@far.example> SOLICIT=net.example:ADV").startswith("550 5.7.1")
        message, alice = b"Subject: x\r\n\r\nhello\r\n", ["alice@one.example"]
        assert client.mail("a@far.example", alice, b"Solicitation: net.example:ADV\r\n" + message).startswith("550 5.7.1")
        assert client.say("MAIL FROM:<a@far.example>").startswith("250")
        assert client.say("RCPT TO:<alice@one.example> RRVS=2023-01-01T00:00:00Z").startswith("550 5.7.17")
        assert client.say("RCPT TO:<staff@one.example> RRVS=2024-01-01T00:00:00Z").startswith("550 5.7.19")
        assert client.say("RCPT TO:<alice@one.example> RRVS=2024-01-01T00:00:00Z").startswith("250")
        assert client.message(message).startswith("250")
        assert client.mail("a@far.example", alice, FIELD + message).startswith("250")
        assert client.mail("a@far.example", alice, FIELD.replace(b"2026", b"2023") + message).startswith("550 5.7.17")
        assert client.say("ETRN backup.example").startswith("251")
        assert client.mail("a@far.example", ["x@backup.example"], message).startswith("250")
        server.wait_for("x@backup.example.*(deferred|waits|tried|later|again|failed)")
        answers = (client.say("ETRN backup.example") for _ in range(100))     # what it logs it writes down a moment later
        assert next(each for each in answers if not each.startswith("251")) == \
            "253 2.0.0 1 pending messages for backup.example started"

