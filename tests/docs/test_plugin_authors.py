"""The plugins of docs/plugin-authors.md serve real clients."""

from __future__ import annotations

import configparser
import imaplib
import os
import re
import smtplib
import sys
from importlib import import_module
from pathlib import Path
from smtplib import SMTP
from typing import Any

import pytest
from support.documents import AUTHORS, ROOT, any_port, blocks, mailframe, write_files
from support.servers import ANY_PORTS, PATIENCE_S, MailServer
from support.talk import Talk

from mailframe.app.plugins import KINDS


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the page shows, on the path of who is started there."""
    write_files(AUTHORS, tmp_path)
    config = tmp_path / "mailframe.toml"
    config.write_text(any_port(config.read_text()))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path), str(ROOT))))
    return tmp_path


def test_the_shortest_store_is_a_whole_imap_server(acme: Path) -> None:
    server = MailServer(acme, "--data", "data", *ANY_PORTS, "--storage", "acme.shortest:ShortestStore")
    try:
        with Talk(server.ports["imap"]) as talk:
            talk.do(f"LOGIN dev@localhost {server.password}")
            assert {"CONDSTORE", "QRESYNC", "SORT", "MOVE"} <= set(talk.do("CAPABILITY")[0].split())
            talk.do("SELECT INBOX")
    finally:
        assert server.stop() == 0, server.output


def install(folder: Path) -> None:
    """As pip would: the entry points that the page shows are found."""
    declared = configparser.ConfigParser()
    declared.read_string("\n".join(block.text for block in blocks(AUTHORS, "ini")))
    groups = "".join(f"[{group}]{lines}\n" for group, lines in declared["options.entry_points"].items())
    metadata = folder / "acme-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(groups)


def test_the_walk_ends_at_a_quota(acme: Path) -> None:
    """NO [OVERQUOTA] for who appends and copies, 452 4.2.2 for who sends; a move is free, and an expunge makes room."""
    install(acme)
    config = acme / "whole.toml"
    config.write_text(any_port(config.read_text()))
    server = MailServer(acme, "--config", "whole.toml")
    large = "Subject: large\r\n\r\n" + ("x" * 70 + "\r\n") * 80         # of 10,000 octets, more than half
    try:
        with SMTP("127.0.0.1", server.ports["smtp"], timeout=PATIENCE_S) as client, Talk(server.ports["imap"]) as talk:
            client.sendmail("a@example.com", "robot@example.org", large)
            client.mail("a@example.com")
            assert client.rcpt("robot@example.org")[0] == 250
            code, words = client.data(large)
            assert (code, words[:5]) == (452, b"4.2.2"), words
            talk.do("LOGIN robot@example.org 5b1c6b0f8a")
            talk.do("SELECT INBOX")
            assert talk.do("COPY 1 Archive", "NO")[-1].startswith("NO [OVERQUOTA]")
            assert talk.do(f"APPEND INBOX {{{len(large)}+}}\r\n{large}", "NO")[-1].startswith("NO [OVERQUOTA]")
            assert any("COPYUID" in line for line in talk.do("MOVE 1 Archive"))
            assert "MESSAGES 1" in talk.do("STATUS Archive (MESSAGES)")[0]
            talk.do("SELECT Archive")
            talk.do("STORE 1 +FLAGS (\\Deleted)")
            talk.do("EXPUNGE")
            client.sendmail("a@example.com", "robot@example.org", large)
    finally:
        assert server.stop() == 0, server.output
    assert "Traceback" not in server.output


def test_a_server_keeps_large_messages_in_the_pages_content_store(acme: Path) -> None:
    server = MailServer(acme, "--data", "data", *ANY_PORTS, "--content", "acme.vault:Vault:vault")
    try:
        with SMTP("127.0.0.1", server.ports["smtp"], timeout=PATIENCE_S) as client:
            client.sendmail("a@example.com", "dev@localhost", "Subject: small\r\n\r\nHello\r\n")
            client.sendmail("a@example.com", "dev@localhost", "Subject: large\r\n\r\n" + "Hello, hello\r\n" * 30_000)
        (file,) = (acme / "vault").iterdir()
        assert file.read_bytes().startswith(b"Subject: large\r\n\r\nHello")
        reader = imaplib.IMAP4("127.0.0.1", server.ports["imap"], timeout=PATIENCE_S)
        reader.login("dev@localhost", server.password)
        reader.select()
        answer: Any = reader.fetch("2", "(BODY[TEXT])")[1]
        assert answer[0][1] == b"Hello, hello\r\n" * 30_000
        reader.logout()
    finally:
        assert server.stop() == 0, server.output
    assert "Traceback" not in server.output


def test_a_server_runs_with_the_pages_plugins(acme: Path) -> None:
    assert "good" in mailframe("check", "mailframe.toml", cwd=acme)
    server = MailServer(acme, "--config", "mailframe.toml")
    try:
        with SMTP("127.0.0.1", server.ports["smtp"], timeout=PATIENCE_S) as client:
            client.sendmail("noreply@example.com", "ada.lovelace@example.org", "Subject: one\r\n\r\nHello\r\n")
            client.sendmail("a@example.com", "robot@example.org", "Subject: two\r\n\r\nHello\r\n")
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                client.sendmail("a@example.com", "nobody@example.org", "Subject: three\r\n\r\nHello\r\n")
            with pytest.raises(smtplib.SMTPDataError) as refused:
                client.sendmail("a@example.com", "robot@example.org", 'Subject: four\r\n\r\nname="run.EXE"\r\n')
            assert b"not accepted here" in refused.value.smtp_error
            client.sendmail("noreply@example.com", "robot@example.org", "Subject: five\r\n\r\nHello\r\n")
        reader = imaplib.IMAP4("127.0.0.1", server.ports["imap"], timeout=PATIENCE_S)
        with pytest.raises(imaplib.IMAP4.error):
            reader.login("robot@example.org", "wrong")
        reader.login("robot@example.org", "5b1c6b0f8a")
        assert reader.select()[1] == [b"2"]
        assert reader.search(None, "HEADER", "X-Automatic", "yes")[1] == [b"2"]
        assert reader.search(None, "HEADER", "Received", "printer.example.org")[1] == [b"1 2"]
        reader.logout()
    finally:
        assert server.stop() == 0, server.output
    assert "Traceback" not in server.output


def test_a_server_delivers_into_the_pages_maildrop(acme: Path) -> None:
    server = MailServer(acme, "--data", "data", *ANY_PORTS, "--delivery", "acme.maildrop:Maildrop:out")
    try:
        with SMTP("127.0.0.1", server.ports["smtp"], timeout=PATIENCE_S) as client:
            client.sendmail("a@example.com", "dev@localhost", "Subject: one\r\n\r\nHello\r\n")
    finally:
        assert server.stop() == 0, server.output
    (file,) = (acme / "out").iterdir()
    assert file.read_bytes().startswith(b"Received:") and file.read_bytes().endswith(b"Subject: one\r\n\r\nHello\r\n")


def test_the_page_drops_a_plugin_in(acme: Path) -> None:
    assert re.search(r"delivery +maildrop +twisted.plugins", mailframe("plugins", cwd=acme))


def test_the_pages_entry_points_name_what_is_there(acme: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(acme))
    declared = configparser.ConfigParser()
    declared.read_string("\n".join(block.text for block in blocks(AUTHORS, "ini")))
    for group, lines in declared["options.entry_points"].items():
        assert group.partition(".")[2] in KINDS
        for line in lines.strip().splitlines():
            module, _, attribute = line.partition("=")[2].strip().partition(":")
            assert callable(getattr(import_module(module), attribute))
    for name in [name for name in sys.modules if name.partition(".")[0] == "acme"]:
        monkeypatch.delitem(sys.modules, name)
