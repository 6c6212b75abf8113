"""The servers that an SMTP benchmark speaks to: mailframe, and beside it Debian's Postfix and aiosmtpd with a Maildir each."""

from __future__ import annotations

import os
import socket
import sqlite3
import sys
import time
from contextlib import ExitStack, closing
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

from peers import SQLITE, Mailframe, Peer
from run import READER
from support import postfix
from support.certificates import pem_pair
from support.servers import Child, common_port

_LOOK_S = 0.01
_PATIENCE_S = 120.0
_POSTFIX_SETTINGS = """
virtual_mailbox_domains = bench.example
virtual_mailbox_maps = inline:{ { reader@bench.example = reader/ } }
virtual_mailbox_limit = 0
message_size_limit = 104857600
"""
_POSTFIX_LOG = "/var/log/mailframe-benchmark-postfix.log"


class OursBySmtp(Mailframe):
    """mailframe as `twistd` runs it, its default filters on."""

    crowds = (1_000, 2_000)

    def arrived(self) -> int:
        """Messages that READER's INBOX shows."""
        line = self.line()
        answer = line.tagged(b"s", b"STATUS INBOX (MESSAGES)")
        line.close()
        return int(answer.partition(b"(MESSAGES ")[2].partition(b")")[0])

    def newest(self) -> bytes:
        """The last one there, as it is read."""
        line = self.line()
        line.tagged(b"a", b"EXAMINE INBOX")
        answer = line.tagged(b"b", b"UID FETCH * BODY.PEEK[]")
        line.close()
        return answer

    def queued(self) -> int:
        """Messages that wait for another server."""
        with closing(sqlite3.connect(next(self.folder.glob("*.db")))) as database:
            return int(database.execute("SELECT count(*) FROM queue_message").fetchone()[0])


class _WithMaildir(Peer):
    crowds: tuple[int, ...] = (100,)
    new: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder.chmod(0o755)
        self.port = common_port("127.0.0.1")
        self.ports = {"smtp": self.port}
        self.child: Child | None = None

    def arrived(self) -> int:
        return len(os.listdir(self.new)) if self.new.exists() else 0

    def newest(self) -> bytes:
        newest = max(self.new.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        return newest.read_bytes().replace(b"\n", b"\r\n")

    def listens(self) -> None:
        begun = time.monotonic()
        while time.monotonic() - begun < _PATIENCE_S:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=_PATIENCE_S) as made:
                    if made.recv(4) == b"220 ":
                        return
            except OSError:
                time.sleep(_LOOK_S)
        raise RuntimeError(f"{self.name} does not start: {self.child.output if self.child else ''}")

    def stop(self) -> None:
        if self.child is not None:
            self.child.stop()
            self.child = None


class Postfix(_WithMaildir):
    """As Debian installs it, but for its place, a virtual mailbox, and messages over 10 MB. Durable twice: as it is taken,
    and in the mailbox; neither syncs the directory that names the file."""

    name = "Postfix"

    def __init__(self) -> None:
        super().__init__()
        self._running = ExitStack()

    def start(self, storage: str = SQLITE) -> None:
        self.storage = storage
        self.new = self.folder / "mail/reader/new"
        self.child = self._running.enter_context(postfix.postfix(
            self.folder, "bench.example", {f"127.0.0.1:{self.port}": ""}, _POSTFIX_SETTINGS, _POSTFIX_LOG))
        self.listens()
        self.pid = self.child.process.pid

    def stop(self) -> None:
        self._running.close()


class Aiosmtpd(_WithMaildir):
    """As its command line starts it, with its own handler for a Maildir, which syncs each file and not the directory."""

    name = "aiosmtpd"
    crowds = (1_000, 2_000)

    def start(self, storage: str = SQLITE) -> None:
        self.storage = storage
        certificate, key = pem_pair("bench.example")
        (self.folder / "certificate.pem").write_bytes(certificate)
        (self.folder / "key.pem").write_bytes(key)
        self.new = self.folder / "mail/new"
        self.child = Child([
            sys.executable, "-m", "aiosmtpd", "-n", "-l", f"127.0.0.1:{self.port}", "-s", "104857600", "--no-requiretls",
            "--tlscert", str(self.folder / "certificate.pem"), "--tlskey", str(self.folder / "key.pem"),
            "-c", "aiosmtpd.handlers.Mailbox", str(self.folder / "mail"),
        ], self.folder)
        self.listens()
        self.pid = self.child.process.pid


SmtpPeer = OursBySmtp | Postfix | Aiosmtpd


def peers(with_postfix: bool, with_aiosmtpd: bool) -> list[SmtpPeer]:
    """Ours first."""
    found: list[SmtpPeer] = [OursBySmtp()]
    if with_postfix:
        if not postfix.USABLE:
            raise SystemExit(postfix.UNUSABLE)
        found.append(Postfix())
    if with_aiosmtpd:
        if find_spec("aiosmtpd") is None:
            raise SystemExit("aiosmtpd is not installed: pip install aiosmtpd")
        found.append(Aiosmtpd())
    return found


def all_there(peer: SmtpPeer, before: int, more: int) -> None:
    """Wait until `more` messages than `before` can be read: who answers before that has not delivered yet."""
    begun = time.monotonic()
    while (there := peer.arrived()) < before + more:
        if time.monotonic() - begun > _PATIENCE_S:
            raise RuntimeError(f"{peer.name}: {there - before} of {more} messages have arrived")
        time.sleep(_LOOK_S)
    if there > before + more:
        raise RuntimeError(f"{peer.name}: {there - before} messages have arrived instead of {more}")


__all__ = ["READER", "Aiosmtpd", "OursBySmtp", "Postfix", "SmtpPeer", "all_there", "peers"]
