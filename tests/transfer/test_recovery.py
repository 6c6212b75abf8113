"""An import that ends at any instant goes on where it was: nothing twice, nothing missing (I1)."""

from __future__ import annotations

import imaplib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support.announced import PASSWORD, USER, anybody, real_server
from support.content_stores import Later
from support.servers import PATIENCE_S, Child, MailServer
from support.transfers import FRESH, TransferCase, contents
from twisted.internet import reactor

from mailframe.auth.accountedit import add
from mailframe.auth.hashing import hash_password
from mailframe.model.refusal import OverQuota
from mailframe.sqlite.content import GRACE_S
from mailframe.stores.memory import MemoryStore
from mailframe.transfer import filing
from mailframe.transfer.journal import Filed, Journal, matched, path_for
from mailframe.transfer.maildir_source import MaildirSource
from mailframe.transfer.mbox_source import MboxSource
from mailframe.transfer.source import Listed, TransferError

PROGRAM = (sys.executable, "-m", "mailframe.app.command")


def fill(root: Path, count: int) -> None:
    """A Maildir with so many messages, each another."""
    for part in ("cur", "new", "tmp"):
        (root / part).mkdir(parents=True)
    for number in range(count):
        (root / "cur" / f"{number:05}.host:2,S").write_bytes(b"Subject: %d\n\n%s\n" % (number, b"x" * 2_000))


class Killed(Exception):
    """As a kill -9 would, as far as one process can tell."""


class Stumbling(Journal):
    """Dies at the n-th durable step: even ones before it, odd ones after it."""

    def __init__(self, path: Path, step: int) -> None:
        super().__init__(path, reactor)
        self.left_steps = step

    def die(self) -> None:
        self.left_steps -= 1
        if self.left_steps < 0:
            raise Killed

    async def underway(self, folder: int, messages: Sequence[Filed], first_uid: int) -> None:
        self.die()
        await super().underway(folder, messages, first_uid)
        self.die()

    async def done(self, folder: int, messages: Sequence[Filed]) -> None:
        self.die()
        await super().done(folder, messages)
        self.die()


class RecoveryTests(TransferCase):
    async def dying(self, source: Any, wanted: list[bytes]) -> None:
        """A death at each step in turn, on one store and one journal, until a run gets through."""
        store = await self.store()
        self.patch(filing, "BATCH_MESSAGES", 4)
        for step in range(40):
            try:
                journal = Stumbling(path_for(self.folder, "m", source.title, "alice", ""), step)
                report = await self.imported(store, source, journal=journal)
                break
            except Killed:
                continue
        self.assertGreater(step, 3)
        self.assertEqual([], report.problems)
        kept = (await contents(await store.open_account("alice", FRESH)))["INBOX"]
        self.assertEqual(wanted, [one.octets for one in kept])

    async def test_a_maildir_death_at_every_step(self) -> None:
        fill(self.folder / "Maildir", 19)
        await self.dying(MaildirSource(self.folder / "Maildir", reactor),
                         [b"Subject: %d\r\n\r\n%s\r\n" % (number, b"x" * 2_000) for number in range(19)])

    async def test_an_mbox_with_messages_alike_death_at_every_step(self) -> None:
        one = b"From - Mon Jan  1 10:00:00 2024\nSubject: same\n\nx\n\n"
        (self.folder / "inbox").write_bytes(one * 19)
        await self.dying(MboxSource(self.folder / "inbox", reactor), [b"Subject: same\r\n\r\nx\r\n"] * 19)

    async def test_a_store_that_is_full_ends_it_with_a_sentence_and_a_later_run_goes_on(self) -> None:
        fill(self.folder / "Maildir", 10)
        store = MemoryStore()
        account: Any = await store.open_account("alice", FRESH)
        box = next(iter(account.by_id.values()))
        real, full = box.append, [True]

        async def append(messages: Any) -> Any:
            if full[0] and len(box._messages) + len(messages) > 4:
                raise OverQuota()
            return await real(messages)

        box.append = append
        self.patch(filing, "BATCH_MESSAGES", 4)
        source = MaildirSource(self.folder / "Maildir", reactor)
        with self.assertRaisesRegex(TransferError, "The store takes no more messages for INBOX: Mailbox is full"):
            await self.imported(store, source)
        full.clear()
        full.append(False)
        report = await self.imported(store, source)
        self.assertEqual((6, 4, 10, []), (report.copied, report.already, report.verified, report.problems))

    async def test_a_source_that_takes_ten_minutes_for_each_large_message(self) -> None:
        """Staged content that nothing refers to for so long is swept."""
        root = self.folder / "Maildir"
        fill(root, 0)
        for number in range(3):
            (root / "cur" / f"large{number}.host:2,").write_bytes(b"Subject: %d\n\n" % number + b"x" * 300_000)
        store = await self.store()
        clock: Any = Later(reactor)
        store.content.clock = clock

        class Slow(MaildirSource):
            async def _give(self, one: Any, taker: Any) -> None:
                await super()._give(one, taker)
                clock.ahead += GRACE_S + 1
                await store.content.sweep()

        report = await self.imported(store, Slow(root, reactor))
        self.assertEqual((3, []), (report.copied, report.problems))

    async def test_a_message_the_store_does_not_give_back_is_named_and_comes_again(self) -> None:
        fill(self.folder / "Maildir", 3)
        store = MemoryStore()
        account: Any = await store.open_account("alice", FRESH)
        box = next(iter(account.by_id.values()))
        real = box.append

        async def forgetful(messages: Any) -> Any:
            uids = await real(messages)
            await box.expunge(uids[:1], False)
            return uids

        box.append = forgetful
        source = MaildirSource(self.folder / "Maildir", reactor)
        report = await self.imported(store, source)
        self.assertEqual((1, 2), (report.troubles, report.verified))
        self.assertIn("INBOX: 1 messages are not in the mailbox any more", report.problems[0])
        box.append = real
        report = await self.imported(store, source)
        self.assertEqual((1, 1, []), (report.copied, report.verified, report.problems))

    async def test_a_mailbox_that_was_deleted_meanwhile_is_filled_anew(self) -> None:
        fill(self.folder / "Maildir" / ".Work", 3)
        store = await self.store()
        source = MaildirSource(self.folder / "Maildir", reactor)
        await self.imported(store, source)
        account = await store.open_account("alice", FRESH)
        (work,) = [info for info in (await account.mailboxes()).mailboxes if info.name == "Work"]
        await account.delete(work.id)
        self.assertEqual(3, (await self.imported(store, source)).copied)

    async def test_two_imports_of_the_same_at_once_are_one_too_many(self) -> None:
        journal = Journal(self.folder / "imports" / "x.db", reactor)
        await journal.start()
        self.addCleanup(journal.close)
        with self.assertRaisesRegex(Exception, "another process is using"):
            await Journal(self.folder / "imports" / "x.db", reactor).start()


def test_what_is_there_is_matched_once_each() -> None:
    left = [Filed(Listed("a"), b"1", 1), Filed(Listed("b"), b"2", 1), Filed(Listed("c"), b"1", 1)]
    assert [(one.listed.key, one.uid) for one in matched(left, [(7, b"1"), (8, b"3")])] == [("a", 7)]
    assert [(one.listed.key, one.uid) for one in matched(left, [(7, b"1"), (8, b"1"), (9, b"1")])] == [("a", 7), ("c", 8)]


# -- whole processes


def subjects(server: MailServer, folder: str = "INBOX") -> list[bytes]:
    """Of all messages, in order."""
    client = imaplib.IMAP4("127.0.0.1", server.ports["imap"], timeout=PATIENCE_S)
    client.starttls(anybody())
    client.login(USER, PASSWORD)
    client.select(folder, readonly=True)
    answer = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
    client.logout()
    return [part[1].strip() for part in answer if isinstance(part, tuple)]


def mailframe(folder: Path, *arguments: str, given: str = "", code: int = 0) -> str:
    done = subprocess.run([*PROGRAM, *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False, input=given)
    assert done.returncode == code and "Traceback" not in done.stderr, done.stdout + done.stderr
    return done.stdout + done.stderr


def own_folder(folder: Path) -> None:
    """A configuration and an account, where no server has run yet."""
    (folder / "mailframe.toml").write_text(
        'hostname = "mail.example.org"\ndomains = ["example.org"]\n[listeners.imap]\nrole = "imap"\nendpoint = "127.0.0.1:0"\n')
    (folder / "mailframe-data").mkdir(mode=0o700)
    add(folder / "mailframe-data" / "accounts", USER, hash_password(PASSWORD))


def command(folder: Path) -> list[str]:
    return [*PROGRAM, "import", "maildir", "--config", "mailframe.toml", USER, str(folder / "Maildir")]


@pytest.mark.parametrize("with_server", [True, False], ids=["the server", "the command alone"])
def test_a_real_kill_in_the_middle(tmp_path: Path, with_server: bool, request: pytest.FixtureRequest) -> None:
    moments = ("Looking through INBOX", "Copying INBOX", "Comparing INBOX")
    count = 600
    fill(tmp_path / "Maildir", count)
    own_folder(tmp_path)
    server = MailServer(tmp_path, "--config", "mailframe.toml") if with_server else None
    for moment in moments if request.config.getoption("--long") else moments[1:2]:
        child = Child(command(tmp_path), tmp_path)
        child.wait_for(moment)
        if server is not None:
            server.kill()
            child.process.wait(PATIENCE_S)      # it says that the server is gone
            child.stop()
            server = MailServer(tmp_path, "--config", "mailframe.toml")
        else:
            child.kill()
            assert child.process.stdout is not None
            child.process.stdout.close()
    if server is None:
        mailframe(tmp_path, *command(tmp_path)[3:])
        server = MailServer(tmp_path, "--config", "mailframe.toml")
    try:
        said = mailframe(tmp_path, *command(tmp_path)[3:])
        assert f"into 1 folder of {USER}" in said
        assert subjects(server) == [b"Subject: %d" % number for number in range(count)]
        assert "Imported 0 messages" in mailframe(tmp_path, *command(tmp_path)[3:])
    finally:
        assert server.stop() == 0, server.output


def test_an_import_and_an_export_beside_a_running_server(tmp_path: Path) -> None:
    fill(tmp_path / "Maildir" / ".Work", 30)
    server = real_server(tmp_path)
    place = ("--config", "mailframe.toml")
    try:
        assert "30 messages in 1 folder, of which 0 were imported before. Nothing was changed." in mailframe(
            tmp_path, "import", "maildir", *place, "--dry-run", USER, "Maildir")
        said = mailframe(tmp_path, "import", "maildir", *place, "--into", "Old", USER, "Maildir")
        assert "Imported 30 messages (60.5 kB) into 1 folder of alice@example.org; 0 were there already." in said
        assert "30 were read back and are equal" in said and "Copying Old/Work: 30 of 30" in said
        assert len(subjects(server, '"Old/Work"')) == 30
        assert "30 were read back and are equal" in mailframe(tmp_path, "export", "mbox", *place, "--folder", "Old", USER, "out")
        assert (tmp_path / "out" / "Old.sbd" / "Work").read_bytes().count(b"\nSubject: ") == 30
        said = mailframe(tmp_path, "import", "maildir", *place, "bob@example.org", "Maildir", code=1)
        assert "There is no account bob@example.org here" in said
        assert "There is no directory" in mailframe(tmp_path, "import", "maildir", *place, USER, "nowhere", code=1)
    finally:
        assert server.stop() == 0, server.output
    assert "Traceback" not in server.output
    assert "30 were there already" in mailframe(tmp_path, "export", "mbox", *place, "--folder", "Old", USER, "out")     # without it
    assert "mailframe: There is no data folder" in mailframe(tmp_path, "export", "mbox", "--data", "none", USER, "out", code=1)


def test_from_one_of_our_servers_into_another_with_a_certificate_that_is_checked(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    fill(there / "Maildir", 5)
    other = real_server(there)
    try:
        mailframe(there, *command(there)[3:])
        own_folder(here)
        address = (USER, "127.0.0.1", USER, "--tls", "starttls", "--port", str(other.ports["imap"]), "--config", "mailframe.toml")
        said = mailframe(here, "import", "imap", *address, given=f"{PASSWORD}\n", code=1)
        assert "TLS failed" in said and PASSWORD not in said
        (certificate,) = [path for path in (there / "mailframe-data").rglob("*.pem") if b"CERTIFICATE" in path.read_bytes()]
        (here / "password").write_text(PASSWORD + "\n")
        said = mailframe(here, "import", "imap", *address, "--ca-file", str(certificate), "--password-file", "password")
        assert "Imported 5 messages" in said and "5 were read back and are equal" in said
        said = mailframe(here, "import", "imap", *address[:3], "--tls", "none", *address[5:], given=f"{PASSWORD}\n", code=1)
        assert "takes no password on this connection" in said
    finally:
        assert other.stop() == 0, other.output


def test_an_interrupt_ends_it_quietly(tmp_path: Path) -> None:
    fill(tmp_path / "Maildir", 300)
    own_folder(tmp_path)
    child = Child(command(tmp_path), tmp_path)
    child.wait_for("Copying INBOX")
    os.kill(child.process.pid, signal.SIGINT)
    child.process.wait(PATIENCE_S)
    child.stop()
    assert child.process.returncode in (0, 130), child.output
    assert "Traceback" not in child.output
