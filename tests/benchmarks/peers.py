"""The servers that an IMAP benchmark speaks to, alike in what it needs of them: mailframe, and Debian's Dovecot beside it."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

from run import PASSWORD, READER, Line, Server, Who
from store_seam import drop_caches
from support import dovecot

from mailframe.auth.accountedit import add
from mailframe.auth.hashing import hash_password
from mailframe.mime.searchtext import VERSION

SQLITE = "sqlite"
INDEX = '{"plugin": "sqlite", "search_index": true}'
_UNREADY = """
    SELECT count(*) FROM content WHERE refs > 0 AND NOT EXISTS (
        SELECT 1 FROM text WHERE content = content.id AND version = ? AND indexed >= ?)"""
_TICKS, _PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
_CROWD = "mail_max_userip_connections = 5000\ndefault_client_limit = 5000\nservice imap {\n  process_limit = 3000\n}\n"
_TUNED = """
auth_cache_size = 10M
service imap-login {
  service_count = 0
  process_min_avail = 2
}
service imap {
  service_count = 1000
  process_min_avail = 20
}
"""


def family(pid: int) -> list[int]:
    """The process and all that came of it and still live."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue            # gone meanwhile
        parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found


def cpu_s(pid: int) -> float:
    """Seconds of CPU that it and its family have taken, those who are gone included."""
    ticks = 0
    for one in family(pid):
        try:
            ticks += sum(map(int, Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()[11:15]))
        except OSError:
            continue
    return ticks / _TICKS


def resident_mib(pids: list[int]) -> float:
    """Of these processes together, as quickly as it can be told."""
    pages = 0
    for one in pids:
        try:
            pages += int(Path(f"/proc/{one}/statm").read_text().split()[1])
        except OSError:
            continue
    return pages * _PAGE / (1 << 20)


def memory_kib(pid: int, what: str = "Pss") -> float:
    """Of it and its family together; what several share counts once."""
    total = 0
    for one in family(pid):
        try:
            found = re.search(rf"^{what}:\s+(\d+) kB", Path(f"/proc/{one}/smaps_rollup").read_text(), re.MULTILINE)
        except OSError:
            continue
        total += int(found[1]) if found else 0
    return total


class Peer:
    """One server with one user. `drop`: a mailbox that takes what is appended; `small`: one of ten messages."""

    name = ""
    who: Who = (READER, PASSWORD)
    drop, small = b"Drop", b"Small"
    port = 0
    pid = 0
    ports: Mapping[str, int] = {}       # of each listener by its name, where there are several

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mf"))
        self.storage = ""

    def start(self, storage: str = SQLITE) -> None:
        """With such a storage, where that is ours to choose."""

    def stop(self) -> None:
        """Leaves the mail for another start."""

    def late(self) -> list[float]:
        """How late its heartbeat was since last asked, in milliseconds; [] if it has none."""
        return []

    def beat(self, beats: bool) -> None:
        """Whether its heartbeat is measured, which takes some of its time; it is from the start."""

    def unready(self) -> int:
        """Of how many messages it has yet to make text for SEARCH, or to index it."""
        return 0

    def profile(self, path: Path | None) -> None:
        """Begin a profile, or end it and write it there."""

    def cold(self) -> None:
        """Another process, nothing of its files in memory."""
        self.stop()
        drop_caches(self.folder / "any")
        self.start(self.storage)

    def forget(self) -> None:
        """What it found out by itself about the mail it has."""

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def line(self) -> Line:
        """Logged in."""
        line = Line(self.port)
        line.tagged(b"a", b"LOGIN %s %s" % self.who)
        return line


class Mailframe(Peer):
    name = "mailframe"

    def __init__(self) -> None:
        super().__init__()
        self._server: Server | None = None
        add(self.folder / "accounts", self.who[0].decode(), hash_password(self.who[1].decode()))

    def start(self, storage: str = SQLITE) -> None:
        self.storage = storage
        self._server = Server(self.folder, storage)
        self.ports, self.pid = self._server.ports, self._server.process.pid
        self.port = self.ports["imap"]

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None

    def late(self) -> list[float]:
        assert self._server is not None
        beats: list[float] = self._server.report()["heartbeat_ms"]
        return beats

    def beat(self, beats: bool) -> None:
        assert self._server is not None
        self._server.say("beat" if beats else "rest")

    def unready(self) -> int:
        with closing(sqlite3.connect(next(self.folder.glob("*.db")))) as database:
            return int(database.execute(_UNREADY, (VERSION, self.storage == INDEX)).fetchone()[0])

    def profile(self, path: Path | None) -> None:
        assert self._server is not None
        self._server.say(f"profile {path.absolute()}" if path else "profile")


class Dovecot(Peer):
    """With a Maildir. Its STORE is not durable when it is answered, nor is a message whose directory was not synced."""

    name = "Dovecot"
    who = (dovecot.USER.encode(), dovecot.PASSWORD.encode())
    drop, small = b"INBOX.Drop", b"INBOX.Small"
    settings = _CROWD

    def __init__(self) -> None:
        super().__init__()
        self._running = ExitStack()

    def start(self, storage: str = SQLITE) -> None:
        self.storage = storage
        self.port = self._running.enter_context(dovecot.dovecot(self.folder, self.settings))
        self.pid = int((self.folder / "run/master.pid").read_text())

    def stop(self) -> None:
        self._running.close()

    def forget(self) -> None:
        for index in (self.folder / "mail").rglob("dovecot.index*"):
            index.unlink()


class TunedDovecot(Dovecot):
    """Its processes serve one client after another, and some wait for the next."""

    name = "Dovecot, tuned"
    settings = _CROWD + _TUNED


def peers(with_dovecot: bool) -> list[Peer]:
    if not with_dovecot:
        return [Mailframe()]
    if dovecot.PROGRAM is None:
        raise SystemExit("Dovecot is not installed: apt-get install dovecot-imapd")
    return [Mailframe(), Dovecot(), TunedDovecot()]
