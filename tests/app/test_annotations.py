"""Annotations of a whole server: they outlive it, a backup and a move between files, and a damaged one is named."""

from __future__ import annotations

import imaplib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest
from support.servers import PATIENCE_S, MailServer, listeners, running
from support.storecommand import run

from mailframe.auth.accountedit import add
from mailframe.auth.hashing import hash_password

ADA = "ada@example.org"
PASSWORD = "correct horse"
CONFIG = """
hostname = "mail.example.org"
domains = ["example.org"]
data = "data"
[storage]
{storage}
[imap]
admins = ["ada@example.org"]
[metadata]
max_value_octets = 2_000
""" + listeners("imap")


def configured(folder: Path, storage: str) -> Path:
    path = folder / "mailframe.toml"
    path.write_text(CONFIG.format(storage=storage))
    (folder / "data").mkdir(exist_ok=True)
    if not (folder / "data" / "accounts").exists():
        add(folder / "data" / "accounts", ADA, hash_password(PASSWORD))
    return path


@contextmanager
def served(folder: Path, storage: str) -> Iterator[imaplib.IMAP4]:
    """A client of a server of its own."""
    with running(MailServer(folder, "--config", str(configured(folder, storage)))) as server:
        assert isinstance(server, MailServer)
        client = imaplib.IMAP4("127.0.0.1", server.ports["imap"], timeout=PATIENCE_S)
        client.login(ADA, PASSWORD)
        yield client
        client.logout()


def told(client: imaplib.IMAP4, *words: str) -> list[bytes]:
    kind, _ = client.xatom("GETMETADATA", *words)
    assert kind == "OK"
    return [line for line in client.response("METADATA")[1] if isinstance(line, bytes)]


def put(client: imaplib.IMAP4, *words: str) -> tuple[str, bytes]:
    kind, data = client.xatom("SETMETADATA", *words)
    return kind, data[0]


@pytest.mark.parametrize(
    "storage", ['plugin = "sqlite"\nshards = 2', 'plugin = "maildir"\npath = "mail"'], ids=["shards", "maildir"])
def test_they_outlive_the_server_whatever_the_storage(storage: str, tmp_path: Path) -> None:
    with served(tmp_path, storage) as client:
        assert {b"METADATA", b"METADATA-SERVER", b"LIST-METADATA", b"FILTERS"} <= set(client.capability()[1][0].split())
        assert told(client, '""', "/shared/admin") == [b'"" (/shared/admin "mailto:postmaster@example.org")']
        assert put(client, "Sent", '(/private/comment "mine" /shared/comment "ours")')[0] == "OK"
        assert put(client, '""', '(/shared/comment "hello" /private/filters/values/new "UNSEEN")')[0] == "OK"
        assert put(client, "Sent", f'(/private/comment "{"x" * 999}{"x" * 1_002}")') == (
            "NO", b"[METADATA MAXSIZE 2000] The annotation is too big")
        assert put(client, "Drafts", '(/private/specialuse NIL)')[0] == "OK"
        client.rename("Sent", "Gesendet")
    with served(tmp_path, storage) as client:
        assert told(client, "Gesendet", "(/private/comment /shared/comment /private/specialuse)") == [
            b'Gesendet (/private/comment "mine" /shared/comment "ours" /private/specialuse "\\\\Sent")']
        assert told(client, '""', "/shared/comment") == [b'"" (/shared/comment "hello")']
        assert told(client, "Drafts", "/private/specialuse") == [b"Drafts (/private/specialuse NIL)"]
        client.select("INBOX")
        assert client.search(None, "FILTER", "new")[0] == "OK"


def test_a_backup_and_another_number_of_files_have_them(tmp_path: Path) -> None:
    with served(tmp_path, 'plugin = "sqlite"') as client:
        assert put(client, "Sent", '(/private/comment "mine")')[0] == "OK"
        assert put(client, '""', '(/private/comment "also mine")')[0] == "OK"
        assert run("check", "-c", tmp_path / "mailframe.toml")[0] == 0
        found = json.loads(run("stats", "-c", tmp_path / "mailframe.toml", "--json")[1])
        assert (found["annotations"], found["annotation_octets"]) == (2, 2 * len("/private/comment") + 13)
        assert run("backup", "-c", tmp_path / "mailframe.toml", tmp_path / "copy")[0] == 0
    shutil.rmtree(tmp_path / "data")
    (tmp_path / "copy").rename(tmp_path / "data")
    for number in (3, 2, 1):
        assert run("reshard", "-c", tmp_path / "mailframe.toml", str(number))[0] == 0
        assert run("check", "-c", tmp_path / "mailframe.toml")[0] == 0
    with served(tmp_path, 'plugin = "sqlite"') as client:
        assert told(client, "Sent", "/private/comment") == [b'Sent (/private/comment "mine")']
        assert told(client, '""', "/private/comment") == [b'"" (/private/comment "also mine")']


def test_a_store_that_forgets_hands_nobody_the_annotations_of_another(tmp_path: Path) -> None:
    with served(tmp_path, 'plugin = "memory"') as client:
        assert put(client, "INBOX", '(/private/comment "mine")')[0] == "OK"
        assert put(client, '""', '(/private/comment "the server stays")')[0] == "OK"
    with served(tmp_path, 'plugin = "memory"') as client:
        assert told(client, "INBOX", "/private/comment") == [b"INBOX (/private/comment NIL)"]
        assert told(client, '""', "/private/comment") == [b'"" (/private/comment "the server stays")']


def test_a_damaged_row_is_named_and_goes(tmp_path: Path) -> None:
    with served(tmp_path, 'plugin = "sqlite"') as client:
        assert put(client, '""', '(/private/comment "kept" /private/vendor/x/y "spoilt")')[0] == "OK"
    database = tmp_path / "data" / "mailframe.db"
    con = apsw.Connection(str(database))
    con.execute("UPDATE metadata_entry SET name = 'spoilt' WHERE name LIKE '%vendor%'")
    con.execute("INSERT INTO metadata_entry (at, actor, name, value) VALUES (77, '', '/shared/comment', x'00')")
    con.close()
    code, said, _ = run("check", "-c", tmp_path / "mailframe.toml")
    assert code == 1
    assert "annotations of the server ada@example.org: 'spoilt' is no entry" in said
    assert "annotations: nobody knows whose number 77 are, 1 of them" in said
    assert run("check", "-c", tmp_path / "mailframe.toml", "--repair")[0] == 0
    assert run("check", "-c", tmp_path / "mailframe.toml")[0] == 0
    con = apsw.Connection(str(database))
    assert con.execute("SELECT name, value FROM metadata_entry").fetchall() == [("/private/comment", b"kept")]
    con.close()
