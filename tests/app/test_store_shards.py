"""`shards = N`: a whole server over several files, its check, backup and stats, and from one number of files to another."""

from __future__ import annotations

import imaplib
import json
import os
import shutil
import smtplib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import apsw
import pytest
from support.sampledata import ADA, BOB, digests, fill
from support.servers import PATIENCE_S, MailServer, listeners, running
from support.storecommand import run, run_child

from mailframe.app.config import load
from mailframe.app.storefiles import files_of
from mailframe.app.storereshard import reshard
from mailframe.auth.accountedit import add
from mailframe.auth.hashing import hash_password
from mailframe.sqlite import files
from mailframe.stores.sqlite.sharding import shard_paths

USERS = [f"user{number}@example.org" for number in range(4)]
PASSWORD = "correct horse"
CONFIG = """
hostname = "mail.example.org"
domains = ["example.org"]
data = "data"
[storage]
plugin = "sqlite"
shards = {shards}
""" + listeners("smtp", "imap")


def configure(folder: Path, shards: int) -> Path:
    path = folder / "mailframe.toml"
    path.write_text(CONFIG.format(shards=shards))
    return path


def send(server: MailServer, to: list[str], subject: str) -> None:
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=PATIENCE_S) as client:
        assert client.sendmail("eve@example.net", to, f"Subject: {subject}\r\n\r\n" + "line\r\n" * 60_000) == {}


def inboxes(server: MailServer) -> dict[str, list[bytes]]:
    """Each user's (UIDs and sizes)."""
    found = {}
    for user in USERS:
        client = imaplib.IMAP4("127.0.0.1", server.ports["imap"], timeout=PATIENCE_S)
        client.login(user, PASSWORD)
        client.select("INBOX")
        found[user] = [line for line in client.fetch("1:*", "(UID RFC822.SIZE ENVELOPE)")[1] if isinstance(line, bytes)]
        client.logout()
    return found


def mail(folder: Path) -> dict[tuple[str, str, int], str]:
    """All files' mail; the same account is in one of them only."""
    found: dict[tuple[str, str, int], str] = {}
    for path in folder.glob("mailframe*.db"):
        more = digests(path)
        assert not found.keys() & more.keys()
        found |= more
    return found


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("mailframe*") if not path.name.endswith((".lock", "-wal", "-shm")))


def test_a_server_over_four_files(tmp_path: Path) -> None:
    config = configure(tmp_path, 4)
    (tmp_path / "data").mkdir()
    for user in USERS:
        add(tmp_path / "data" / "accounts", user, hash_password(PASSWORD))
    with running(MailServer(tmp_path, "--config", str(config))) as server:
        assert isinstance(server, MailServer)
        send(server, USERS, "to all")
        send(server, USERS[:2], "to two")
        before = inboxes(server)
        assert [len(lines) for lines in before.values()] == [2, 2, 1, 1]
        assert run("check", "-c", config)[0] == 0
        found = json.loads(run("stats", "-c", config, "--json")[1])
        assert (found["accounts"], found["messages"], len(found["databases"])) == (4, 6, 4)
        assert run("backup", "-c", config, tmp_path / "copy")[0] == 0
        code, _, wrong = run("reshard", "-c", config, "2")
        assert code == 1 and "A server runs on" in wrong
    assert names(tmp_path / "data") == ["mailframe-2of4.db", "mailframe-3of4.db", "mailframe-4of4.db", "mailframe.db"]
    assert mail(tmp_path / "data") == mail(tmp_path / "copy")
    shutil.rmtree(tmp_path / "data")
    (tmp_path / "copy").rename(tmp_path / "data")
    with pytest.raises(AssertionError, match="is in 4 files and not in 2 files: set shards = 4, or stop the server"):
        MailServer(tmp_path, "--config", str(configure(tmp_path, 2)))
    code, said, wrong = run_child("reshard", "-c", config, "2")
    assert (code, wrong) == (0, "") and "Set shards = 2" in said
    with running(MailServer(tmp_path, "--config", str(config))) as server:
        assert isinstance(server, MailServer)
        assert inboxes(server) == before
        send(server, USERS, "to all again")
        assert [len(lines) for lines in inboxes(server).values()] == [3, 3, 2, 2]


@pytest.mark.parametrize("steps", [(3,), (3, 2, 5, 1)], ids=str)
def test_from_any_number_to_any_other(steps: tuple[int, ...], tmp_path: Path) -> None:
    fill(tmp_path)
    before, queue = mail(tmp_path), _queue(tmp_path)
    for number in steps:
        code, _, wrong = run("reshard", "-d", tmp_path, number)
        assert (code, wrong) == (0, "")
        assert names(tmp_path) == sorted(["mailframe.db", *(f"mailframe-{place}of{number}.db" for place in range(2, number + 1))])
        assert mail(tmp_path) == before and _queue(tmp_path) == queue
        assert run("check", "-d", tmp_path)[0] == 0
    assert {key[0] for key in before} == {ADA, BOB}


@pytest.mark.parametrize(("module", "call"), [(os, "replace"), (files, "sync"), (Path, "unlink")], ids=lambda each: str(each)[:8])
def test_interrupted_at_any_moment_it_can_be_done_again(
    module: object, call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Either number is whole, and a second try ends well."""
    fill(tmp_path / "sample", 12)
    (tmp_path / "sample/mailframe.toml").write_text('domains = ["example.org"]\ndata = "."\n')
    before = mail(tmp_path / "sample")
    reshard(load(tmp_path / "sample/mailframe.toml"), 2, lambda line: None)
    step = 3 if call == "unlink" else 1
    for moment in range(1, 60, step):
        folder = tmp_path / str(moment)
        shutil.copytree(tmp_path / "sample", folder)
        config = load(folder / "mailframe.toml")
        with monkeypatch.context() as patch:
            fuse = Fuse(getattr(module, call), moment)
            patch.setattr(module, call, lambda *arguments, fuse=fuse, **named: fuse(*arguments, **named))
            with suppress(KeyboardInterrupt):
                reshard(config, 3, lambda line: None)
        number = len(files_of(config).databases)
        assert number in (2, 3)
        assert mail_of(folder, number) == before
        if number == 2:
            reshard(config, 3, lambda line: None)
            assert mail_of(folder, 3) == before
        shutil.rmtree(folder)
        if fuse.left > 0:
            return
    raise AssertionError("it never came to its end")


class Fuse:
    """Calls through, until the call that is never made."""

    def __init__(self, real: Callable[..., object], left: int) -> None:
        self.real = real
        self.left = left

    def __call__(self, *arguments: object, **named: object) -> object:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return self.real(*arguments, **named)


def mail_of(folder: Path, number: int) -> dict[tuple[str, str, int], str]:
    """Of the files that count."""
    found: dict[tuple[str, str, int], str] = {}
    for path in shard_paths(folder / "mailframe.db", number):
        found |= digests(path)
    return found


def test_what_is_wrong_is_mended_first(tmp_path: Path) -> None:
    path = fill(tmp_path)
    con = apsw.Connection(str(path))
    con.execute("UPDATE mailbox SET messages = 1 WHERE name = 'Trash'")
    con.close()
    code, _, wrong = run("reshard", "-d", tmp_path, "3")
    assert code == 1 and "store check --repair first" in wrong and names(tmp_path) == ["mailframe.db"]
    code, _, wrong = run("reshard", "-d", tmp_path, "1")
    assert code == 1 and "the mail is in one file now" in wrong.lower()


def _queue(folder: Path) -> list[tuple[object, ...]]:
    con = apsw.Connection(str(folder / "mailframe.db"))
    try:
        return con.execute("""
            SELECT queue_message.id, envelope, recipient, size, length(octets) FROM queue_message
            JOIN queue_recipient ON message = queue_message.id JOIN piece ON piece.id = content << 16""").fetchall()
    finally:
        con.close()
