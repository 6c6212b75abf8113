"""What the tests of real mail programs share: a server with a recorder before it, mail that comes, and a second client."""

from __future__ import annotations

import imaplib
import os
import re
import shutil
import smtplib
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path

import pytest

from support.recorder import Recorder
from support.servers import ANY_PORTS, PATIENCE_S, MailServer

USER = "dev@localhost"


def needs(*programs: str) -> pytest.MarkDecorator:
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{' and '.join(missing)} not installed")


def run(
    *command: str, text: str = "", env: dict[str, str] | None = None, ok: tuple[int, ...] = (0,), patience_s: float = PATIENCE_S,
) -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=patience_s, check=False,
                          env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})})
    assert done.returncode in ok, (command, done.stdout, done.stderr)
    return done.stdout + done.stderr


def letter(subject: str, body: str = "Hello.\r\n") -> bytes:
    name = re.sub(r"\W", "-", subject)
    return (f"From: Ann <ann@example.org>\r\nTo: {USER}\r\nSubject: {subject}\r\nDate: Mon, 01 Jan 2024 10:00:00 +0000\r\n"
            f"Message-ID: <{name}@example.org>\r\n\r\n{body}").encode()


def deliver(server: MailServer, *subjects: str, body: str = "Hello.\r\n") -> None:
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=PATIENCE_S) as client:
        for subject in subjects:
            client.sendmail("ann@example.org", [USER], letter(subject, body))


@dataclass(frozen=True, slots=True)
class World:
    """`recorder.port` is where the client under test connects."""

    server: MailServer
    recorder: Recorder
    folder: Path

    @property
    def certificate_file(self) -> Path:
        """The server's own certificate, which nobody has signed."""
        return self.folder / "mailframe-data" / "tls" / "localhost.pem"

    @property
    def certificate(self) -> str:
        """The same, in base64 without more."""
        return "".join(line for line in self.certificate_file.read_text().splitlines() if "-----" not in line)

    @contextmanager
    def elsewhere(self, folder: str = "INBOX") -> Iterator[imaplib.IMAP4]:
        """Somebody else's session, with a folder selected."""
        client = imaplib.IMAP4("127.0.0.1", self.server.ports["imap"], timeout=PATIENCE_S)
        client.login(USER, self.server.password)
        assert client.select(quoted(folder))[0] == "OK", folder
        try:
            yield client
        finally:
            client.logout()

    def add(self, folder: str, *subjects: str) -> None:
        """Straight into a folder."""
        with self.elsewhere() as client:
            for subject in subjects:
                assert client.append(quoted(folder), "", None, letter(subject))[0] == "OK"     # type: ignore[arg-type]

    def mail(self, folder: str = "INBOX") -> dict[str, set[str]]:
        """Subject to flags, as the server has it now (\\Recent left out)."""
        found: dict[str, set[str]] = {}
        with self.elsewhere(folder) as client:
            parts = client.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
        for part in parts:
            if isinstance(part, tuple):
                flags = re.search(rb"FLAGS \(([^)]*)\)", part[0])
                assert flags is not None
                found[str(message_from_bytes(part[1])["Subject"])] = set(flags[1].decode().split()) - {"\\Recent"}
        return found

    def uid(self, subject: str, folder: str = "INBOX") -> str:
        with self.elsewhere(folder) as client:
            (found,) = client.uid("SEARCH", "SUBJECT", f'"{subject}"')[1]
        (one,) = found.decode().split()
        return one

    def change(self, subject: str, change: str, folder: str = "INBOX") -> None:
        """`+FLAGS (\\Seen)` to one message."""
        uid = self.uid(subject, folder)
        with self.elsewhere(folder) as client:
            assert client.uid("STORE", uid, *change.split(" ", 1))[0] == "OK"

    def move(self, subject: str, target: str, folder: str = "INBOX") -> None:
        uid = self.uid(subject, folder)
        with self.elsewhere(folder) as client:
            assert client.uid("MOVE", uid, quoted(target))[0] == "OK"

    def folders(self) -> set[str]:
        with self.elsewhere() as client:
            lines = client.list()[1]
        return {re.sub(r'^\(.*?\) "/" ', "", line.decode()).strip('"') for line in lines if isinstance(line, bytes)}


class Maildir:
    """Messages in files: what mbsync and OfflineIMAP keep like the account. `folder` is made when the program first runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def files(self, name: str = "INBOX") -> dict[str, Path]:
        """By subject."""
        found = {}
        for path in [*(self.folder / name / "cur").iterdir(), *(self.folder / name / "new").iterdir()]:
            (subject,) = [line for line in path.read_text().splitlines() if line.startswith("Subject: ")]
            found[subject.removeprefix("Subject: ")] = path
        return found

    def make(self, name: str) -> None:
        for part in ("cur", "new", "tmp"):
            (self.folder / name / part).mkdir(parents=True)

    def put(self, name: str, subject: str, letters: str) -> None:
        (self.folder / name / "cur" / f"1.{len(subject)}.here:2,{letters}").write_bytes(letter(subject).replace(b"\r\n", b"\n"))

    def flag(self, subject: str, letters: str) -> None:
        path = self.files()[subject]
        path.rename(path.parents[1] / "cur" / (path.name.split(":")[0] + f":2,{letters}"))

    def change(self) -> None:
        """What one does offline: a message is read, one removed, one sent, and one filed in a new folder."""
        self.flag("read here", "S")
        self.files()["gone here"].unlink()
        self.put("Sent", "sent here", "S")
        self.make("Made here")
        self.put("Made here", "filed here", "F")


def quoted(name: str) -> str:
    return f'"{name}"'


@contextmanager
def world(folder: Path, options: Sequence[str] = ANY_PORTS) -> Iterator[World]:
    """Its server must end well, without a traceback."""
    server = MailServer(folder, *options)
    try:
        with Recorder(server.ports["imap"]) as recorder:
            yield World(server, recorder, folder)
    finally:
        assert server.stop() == 0, server.output
    assert "Traceback" not in server.output
