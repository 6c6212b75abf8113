"""The backup of docs/operating.md brings everything back."""

from __future__ import annotations

import poplib
import shutil
from pathlib import Path
from smtplib import SMTP

from support.announced import PASSWORD, USER, anybody, real_server
from support.documents import ROOT, blocks, mailframe
from support.servers import PATIENCE_S, MailServer


def test_a_backup_brings_mail_and_accounts_back(tmp_path: Path) -> None:
    (block,) = [block.text for block in blocks(ROOT / "docs" / "operating.md", "sh") if "store backup" in block.text]
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    server = real_server(here)
    try:
        with SMTP("127.0.0.1", server.ports["smtp"], timeout=PATIENCE_S) as client:
            client.sendmail("a@example.com", USER, "Subject: kept\r\n\r\nHello\r\n")
        command = block.replace("/etc/mailframe", str(here)).replace("/backup/monday", str(there / "mailframe-data"))
        mailframe(*command.split()[1:], cwd=tmp_path)
    finally:
        assert server.stop() == 0
    shutil.copy(here / "mailframe.toml", there / "mailframe.toml")
    assert (there / "mailframe-data" / "mailframe.db").stat().st_mode & 0o777 == 0o600
    server = MailServer(there, "--config", "mailframe.toml")
    try:
        reader = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=PATIENCE_S)
        reader.stls(anybody())
        reader.user(USER)
        reader.pass_(PASSWORD)
        assert b"Subject: kept" in reader.retr(1)[1]
        reader.quit()
    finally:
        assert server.stop() == 0, server.output
