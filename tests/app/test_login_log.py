"""What the log says of logins: the same words in all protocols, and no password (I9)."""

from __future__ import annotations

import contextlib
import imaplib
import poplib
import smtplib
from pathlib import Path

from support.servers import ANY_PORTS, PATIENCE_S, MailServer


def log_in(server: MailServer, password: str) -> None:
    with contextlib.suppress(imaplib.IMAP4.error), imaplib.IMAP4("127.0.0.1", server.ports["imap"], PATIENCE_S) as imap:
        imap.login("dev@localhost", password)
    pop3 = poplib.POP3("127.0.0.1", server.ports["pop3"], PATIENCE_S)
    with contextlib.suppress(poplib.error_proto):
        pop3.user("dev@localhost")
        pop3.pass_(password)
    pop3.quit()
    smtp = smtplib.SMTP("127.0.0.1", server.ports["submission"], timeout=PATIENCE_S)
    with smtp, contextlib.suppress(smtplib.SMTPException):
        smtp.login("dev@localhost", password)


def test_logins_read_alike_in_all_protocols(tmp_path: Path) -> None:
    server = MailServer(tmp_path, *ANY_PORTS)
    try:
        log_in(server, "sesame open")
        log_in(server, (tmp_path / "mailframe-data" / "password").read_text().strip())
    finally:
        assert server.stop() == 0, server.output
    for protocol in ("imap", "pop3", "smtp"):
        assert f"login failed ip=127.0.0.1 user='dev@localhost' protocol={protocol}: Wrong user name or password" in server.output
        assert f"login ip=127.0.0.1 user='dev@localhost' protocol={protocol}\n" in server.output
    assert "sesame" not in server.output
