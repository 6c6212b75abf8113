"""`mailframe store backup` and `stats`: while mail flows; and what was backed up serves again, misleading no mail program."""

from __future__ import annotations

import fcntl
import imaplib
import json
import os
import poplib
import re
import shutil
import smtplib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
from support.sampledata import ADA, digests, fill
from support.servers import ANY_PORTS, PATIENCE_S, MailServer, running
from support.storecommand import run, run_child

from mailframe.stores.sqlite.backup import UIDS

DEV = "dev@localhost"


class Load(threading.Thread):
    """Sends numbered messages on one connection until told to stop; `acknowledged` of them were answered with 250."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.acknowledged = 0
        self._port = port
        self._over = threading.Event()
        self._news = threading.Condition()

    def run(self) -> None:
        with smtplib.SMTP("127.0.0.1", self._port, timeout=PATIENCE_S) as client:
            while not self._over.is_set():
                number = self.acknowledged
                filling = "line of text\r\n" * (30_000 if number % 50 == 49 else 20)
                client.sendmail("eve@example.net", [DEV], f"Subject: number {number}\r\n\r\n{filling}")
                with self._news:
                    self.acknowledged += 1
                    self._news.notify_all()

    def wait_for(self, count: int) -> int:
        with self._news:
            assert self._news.wait_for(lambda: self.acknowledged >= count, PATIENCE_S)
            return self.acknowledged

    def stop(self) -> None:
        self._over.set()
        self.join(PATIENCE_S)


@contextmanager
def imap(server: MailServer) -> Iterator[imaplib.IMAP4]:
    client = imaplib.IMAP4("127.0.0.1", server.ports["imap"], timeout=PATIENCE_S)
    client.login(DEV, server.password)
    client.select("INBOX")
    yield client
    client.logout()


def subjects(client: imaplib.IMAP4) -> dict[int, int]:
    """UID to the number in the subject."""
    _, answer = client.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    found = {}
    for item in answer:
        if isinstance(item, tuple) and (number := re.search(rb"number (\d+)", item[1])):
            found[int(re.search(rb"UID (\d+)", item[0])[1])] = int(number[1])  # type: ignore[index]
    return found


def uidls(server: MailServer) -> set[bytes]:
    client = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=PATIENCE_S)
    client.user(DEV)
    client.pass_(server.password)
    lines = client.uidl()[1]
    client.quit()
    return {line.split()[1] for line in lines}


def test_a_backup_under_load_becomes_a_server_again(tmp_path: Path) -> None:
    """I1, and RFC 3501 section 2.3.1.1: what the original gave out after the backup is never given to something else."""
    target = tmp_path / "backups" / "monday"
    with running(MailServer(tmp_path, "--data", "data", *ANY_PORTS)) as server:
        assert isinstance(server, MailServer)
        load = Load(server.ports["smtp"])
        load.start()
        before = load.wait_for(60)
        code, said, wrong = run_child("backup", "-d", tmp_path / "data", target)
        assert (code, wrong) == (0, ""), wrong
        assert said.endswith(f"{target}: complete.\n")
        load.wait_for(load.acknowledged + 20)
        load.stop()
        with imap(server) as client:
            old = subjects(client)
            validity = client.response("UIDVALIDITY")[1]
            modseq = int(re.search(rb"\d+", client.status("INBOX", "(HIGHESTMODSEQ)")[1][0])[0])  # type: ignore[index]
        old_names = uidls(server)
    assert [path.name for path in target.parent.iterdir()] == ["monday"]
    for path in (target, *target.rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
    shutil.copytree(target, tmp_path / "restored")
    with running(MailServer(tmp_path, "--data", "restored", *ANY_PORTS)) as server:
        assert isinstance(server, MailServer)
        with imap(server) as client:
            found = subjects(client)
            assert set(range(before)) <= set(found.values())
            assert all(old[uid] == number for uid, number in found.items())
            assert client.response("UIDVALIDITY")[1] == validity
            assert int(re.search(rb"\d+", client.status("INBOX", "(HIGHESTMODSEQ)")[1][0])[0]) > modseq  # type: ignore[index]
            with smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=PATIENCE_S) as sender:
                sender.sendmail("eve@example.net", [DEV], "Subject: number 999999\r\n\r\nnew\r\n")
            client.noop()
            new, = (uid for uid, number in subjects(client).items() if number == 999_999)
            assert new > max(old) and new > UIDS
        assert len(uidls(server) & old_names) == len(found)     # nothing is collected a second time
    assert run("check", "-d", tmp_path / "restored")[0] == 0


def test_without_a_server(tmp_path: Path) -> None:
    fill(tmp_path / "data")
    (tmp_path / "data" / "accounts").write_text("ada@example.org:x\n")
    assert run("backup", "-d", "data", "copy", cwd=tmp_path)[0] == 0
    assert (tmp_path / "copy/accounts").read_text() == "ada@example.org:x\n"
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == ["accounts", "backup.json", "mailframe.db"]
    assert digests(tmp_path / "data/mailframe.db") == digests(tmp_path / "copy/mailframe.db")


def test_an_existing_folder_is_replaced_only_if_it_is_a_backup_and_that_is_asked_for(tmp_path: Path) -> None:
    fill(tmp_path / "data")
    (tmp_path / "mine").mkdir()
    code, _, wrong = run("backup", "-d", "data", "mine", "--replace", cwd=tmp_path)
    assert code == 1 and wrong.endswith("mine is there and is no backup of mailframe's; name a folder that is not there yet.\n")
    assert run("backup", "-d", "data", "copy", cwd=tmp_path)[0] == 0
    made = json.loads((tmp_path / "copy/backup.json").read_text())["made"]
    code, _, wrong = run("backup", "-d", "data", "copy", cwd=tmp_path)
    assert code == 1 and wrong.endswith(f"copy is a backup of {made}; with --replace it is replaced.\n")
    (tmp_path / "copy/marker").touch()
    assert run("backup", "-d", "data", "copy", "--replace", cwd=tmp_path)[0] == 0
    assert not (tmp_path / "copy/marker").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "data", "mine"]


def test_mail_that_another_plugin_keeps_is_said_to_be_left_out(tmp_path: Path) -> None:
    """Whoever reads "complete" relies on it."""
    with running(MailServer(tmp_path, "--data", "data", "--storage", "memory", *ANY_PORTS)):
        code, said, _ = run("backup", "--data", "data", "copy", cwd=tmp_path)
        assert code == 0 and "Mailboxes are not in it" in said
    code, _, wrong = run("reshard", "--data", "data", "2", cwd=tmp_path)
    assert code == 1 and "only the sqlite storage is dealt out" in wrong
    fill(tmp_path / "other")
    assert "not in it" not in run("backup", "--data", "other", "second", cwd=tmp_path)[1]


def test_what_is_backed_up_is_never_replaced_by_its_backup(tmp_path: Path) -> None:
    """A restored backup still says that it is one; and a copy within what is copied would have no end."""
    fill(tmp_path / "data")
    assert run("backup", "--data", tmp_path / "data", tmp_path / "backup")[0] == 0
    (tmp_path / "backup").rename(tmp_path / "restored")
    for target in ("restored", "restored/content/it", "restored/it", "."):
        code, _, errors = run("backup", "--data", tmp_path / "restored", tmp_path / target, "--replace")
        assert code == 1 and "name a folder elsewhere" in errors, target
    assert run("check", "--data", tmp_path / "restored")[0] == 0


def test_what_is_wrong_is_said_and_never_replaces_an_older_backup(tmp_path: Path) -> None:
    path = fill(tmp_path / "data")
    assert run("backup", "-d", "data", "copy", cwd=tmp_path)[0] == 0
    con = apsw.Connection(str(path))
    con.execute("UPDATE mailbox SET messages = 77 WHERE name = 'INBOX'")
    con.close()
    older = (tmp_path / "copy/backup.json").read_text()
    code, _, wrong = run("backup", "-d", "data", "copy", "--replace", cwd=tmp_path)
    assert code == 1 and "2 things are wrong in the database" in wrong and "stays the older backup" in wrong
    assert (tmp_path / "copy/backup.json").read_text() == older
    code, _, wrong = run("backup", "-d", "data", "other", cwd=tmp_path)
    assert code == 1 and "other is complete, but 2 things are wrong" in wrong
    assert digests(tmp_path / "other/mailframe.db") == digests(path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["copy", "data", "other"]


def test_a_link_that_waits_where_the_backup_is_made_leads_nowhere(tmp_path: Path) -> None:
    """In a folder that others may write to, it would be emptied."""
    fill(tmp_path / "data")
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("kept")
    (tmp_path / ".copy.unfinished").symlink_to(tmp_path / "precious")
    code, _, wrong = run("backup", "-d", tmp_path / "data", tmp_path / "copy")
    assert code == 1 and "annot use the folder" in wrong
    assert (tmp_path / "precious" / "file").read_text() == "kept" and not (tmp_path / "copy").exists()


def test_two_to_one_place_do_not_mix(tmp_path: Path) -> None:
    fill(tmp_path / "data")
    (tmp_path / ".copy.unfinished").mkdir()
    (tmp_path / ".copy.unfinished" / "rest").write_text("of one that was killed")
    lock = os.open(tmp_path / ".copy.unfinished", os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    code, _, wrong = run("backup", "-d", "data", "copy", cwd=tmp_path)
    assert code == 1 and "is being made" in wrong and (tmp_path / ".copy.unfinished" / "rest").exists()
    os.close(lock)
    assert run("backup", "-d", "data", "copy", cwd=tmp_path)[0] == 0
    assert not (tmp_path / "copy" / "rest").exists()


def test_numbers_for_people_and_programs(tmp_path: Path) -> None:
    path = fill(tmp_path / "data")
    code, said, _ = run_child("stats", "-d", "data", "--json", cwd=tmp_path)
    found = json.loads(said)
    assert code == 0
    mail = digests(path)
    assert (found["accounts"], found["messages"]) == (2, len(mail))
    assert found["octets"] == sum(int(value.split()[1]) for value in mail.values())
    assert (found["queue_messages"], found["queue_recipients"], found["expunge_log"]) == (2, 2, 4)
    assert found["saved_by_sharing"] > 640_000 and found["to_be_swept"] == 4
    assert found["largest_mailboxes"][0]["mailbox"] == "INBOX" and found["databases"][0]["octets"] == path.stat().st_size
    code, said, _ = run("stats", "-d", "data", cwd=tmp_path)
    assert code == 0 and f"{len(mail):>20,}  messages\n" in said and f"{ADA} INBOX" in said
    with running(MailServer(tmp_path, "--data", "live", *ANY_PORTS)):
        assert json.loads(run("stats", "-d", "live", "--json", cwd=tmp_path)[1])["messages"] == 0
