"""A whole server over Maildir: mail comes in by SMTP, lies there as a file, and is read and deleted by IMAP and POP3."""

from __future__ import annotations

import imaplib
import poplib
from pathlib import Path

import pytest
from support.servers import PATIENCE_S, MailServer, listeners, running
from support.smtptalk import Talk

from mailframe.auth.accountedit import add
from mailframe.auth.hashing import hash_password

PASSWORD = "correct horse"
USERS = ("ann", "bob")
CONFIG = """
hostname = "mail.one.example"
data = "data"
domains = ["one.example"]
storage = "maildir:mail"
""" + listeners("smtp", "imap", "pop3")
LARGE = b"Subject: large\r\n\r\n" + b"0123456789abcdef\r\n" * 40_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "mailframe.toml").write_text(CONFIG)
    hashed = hash_password(PASSWORD)
    for user in USERS:
        add(tmp_path / "data" / "accounts", f"{user}@one.example", hashed)
    return tmp_path


def imap(server: MailServer, user: str) -> imaplib.IMAP4:
    client = imaplib.IMAP4("127.0.0.1", server.ports["imap"], timeout=PATIENCE_S)
    client.login(f"{user}@one.example", PASSWORD)
    return client


def files(folder: Path, user: str, where: str) -> list[Path]:
    return sorted((folder / "mail" / f"{user}@one.example" / where).iterdir())


def test_from_smtp_to_a_file_to_imap_and_pop3(folder: Path) -> None:
    server = MailServer(folder, "--config", "mailframe.toml")
    with running(server):
        with Talk("127.0.0.1", server.ports["smtp"]) as talk:
            everyone = [f"{user}@one.example" for user in USERS]
            assert talk.mail("far@away.example", everyone, b"Subject: hello\r\n\r\nworld\r\n").startswith("250")
            assert talk.mail("far@away.example", everyone[:1], LARGE).startswith("250")
        hello, large = sorted(files(folder, "ann", "new"), key=lambda path: path.stat().st_size)
        assert hello.read_bytes().startswith(b"Return-Path: <far@away.example>\n")
        assert hello.read_bytes().endswith(b"\nSubject: hello\n\nworld\n")
        assert hello.samefile(*files(folder, "bob", "new")), "one file under two names"
        assert large.read_bytes().endswith(LARGE.replace(b"\r\n", b"\n"))
        client = imap(server, "ann")
        assert client.select()[1] == [b"2"]
        whole = client.fetch("2", "(BODY.PEEK[])")[1][0]
        assert isinstance(whole, tuple) and whole[1].endswith(LARGE)
        client.store("1", "+FLAGS", "(\\Flagged $Forwarded)")
        assert any(path.name.endswith(":2,Fa") for path in files(folder, "ann", "cur"))
        client.uid("MOVE", "1", "Archive")
        client.logout()
        assert len(files(folder, "ann", ".Archive/cur")) == 1
        pop = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=PATIENCE_S)
        pop.user("bob@one.example")
        pop.pass_(PASSWORD)
        assert pop.retr(1)[1][-1] == b"world"
        pop.dele(1)
        pop.quit()
        assert files(folder, "bob", "new") + files(folder, "bob", "cur") == []
    with running(MailServer(folder, "--config", "mailframe.toml")) as again:
        assert isinstance(again, MailServer)
        client = imap(again, "ann")
        assert client.select("Archive")[1] == [b"1"]
        assert b"$Forwarded" in client.fetch("1", "(FLAGS)")[1][0]      # type: ignore[operator]
        client.logout()
