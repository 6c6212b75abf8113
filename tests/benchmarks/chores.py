"""How late the reactor is, and how much memory the server takes, while it does long work: import, export, backup, sweeping ...

    python tests/benchmarks/chores.py [--only transfer,tools,large] [--messages 10000] [--many 100000] [--watch FOLDER]

Each group of rows has a server of its own. Beside each row stands what an idle server showed at the same time: what both show is
the machine's doing. `busy` is how long the reactor's thread itself computed between two beats, at most: where `max` is far
greater, it waited, for a disk or for the interpreter. With --watch there is a file for each group with what all threads were at
whenever a beat was 20 ms late.
"""

from __future__ import annotations

import argparse
import mailbox
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from memory import BLOCK, HEADER, Memory
from run import BENCH, OCTETS, PASSWORD, READER, Line, Server, intake, message, opened

from mailframe.app.builtin import DATABASE
from mailframe.app.control import ask
from mailframe.auth.accountedit import add
from mailframe.auth.hashing import hash_password

LARGE_MIB = 100
PATIENCE_S = 120.0
COMMAND = """
import sys
from pathlib import Path
from mailframe.app.config import Config
from mailframe.app.storebackup import backup
from mailframe.app.storecheck import examine
from mailframe.app.storefiles import files_of
config = Config(data=Path(sys.argv[2]), hostname="bench.example", domains=("bench.example",))
if sys.argv[1] == "backup":
    backup(config, Path(sys.argv[3]), print)
else:
    store = files_of(config)
    print([list(examine(path, store.content)) for path in store.databases])
"""


@dataclass
class Bench:
    """One measured server, an idle one beside it, and a folder for files."""

    folder: Path
    server: Server
    idle: Server
    messages: int
    many: int

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def imap(self) -> int:
        return self.server.ports["imap"]

    def row(self, title: str, work: Callable[[], object]) -> None:
        memory = Memory(self.server.process.pid)
        memory.reset()
        before = memory.now()
        self.server.report()
        self.idle.report()
        begun = time.perf_counter()
        work()
        took = time.perf_counter() - begun
        report, idle = self.server.report(), self.idle.report()
        late, still = sorted(report["heartbeat_ms"]), sorted(idle["heartbeat_ms"])
        print(f"{title:<52}{took:>7.1f}{_late(late):>11.2f}{late[-1]:>9.1f}{report['busiest_ms']:>9.1f}"
              f"{_late(still):>11.2f}{still[-1]:>9.1f}{memory.peak() - before:>9.0f}", flush=True)

    def transfer(self, do: str, kind: str, path: Path, into: str = "", folders: tuple[str, ...] = ()) -> None:
        report = ask(self.data, {
            "do": do, "kind": kind, "account": READER.decode(), "folders": folders, "skip": (), "into": into, "dry_run": False,
            "quoting": "mboxrd", "path": str(path)}, news=lambda news: None)
        if report["troubles"] or not report["copied"]:
            raise RuntimeError(report)

    def command(self, *words: str) -> None:
        subprocess.run([sys.executable, "-c", COMMAND, *words], check=True, stdout=subprocess.DEVNULL)

    def count(self, sql: str) -> int:
        con = sqlite3.connect(self.data / DATABASE)
        try:
            return int(con.execute(sql).fetchone()[0])
        finally:
            con.close()

    def wait(self, sql: str, seconds: float) -> None:
        """Until `sql` yields 0, or so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.count(sql):
            time.sleep(1)


def _late(delays: list[float]) -> float:
    return delays[min(len(delays) - 1, int(len(delays) * 0.999))]


@contextmanager
def bench(arguments: argparse.Namespace, group: str, storage: str = "sqlite") -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        for each in ("data", "idle"):
            (folder / each).mkdir(mode=0o700)
            for user in (BENCH, READER):
                add(folder / each / "accounts", user.decode(), hash_password(PASSWORD.decode()))
        server, idle = Server(folder / "data", storage), Server(folder / "idle")
        if arguments.watch:
            server.say(f"watch {arguments.watch.absolute() / group}.txt")
        try:
            intake(server.ports["smtp"], 200, 20, True, READER)         # warm
            yield Bench(folder, server, idle, arguments.messages, arguments.many)
        finally:
            server.stop()
            idle.stop()


def make_maildir(folder: Path, count: int) -> Path:
    for part in ("cur", "new", "tmp"):
        (folder / part).mkdir(parents=True)
    for number in range(count):
        (folder / "cur" / f"{1_700_000_000 + number}.{number}.bench:2,S").write_bytes(
            message(OCTETS, number).replace(b"\r\n", b"\n"))
    return folder


def make_mbox(path: Path, count: int) -> Path:
    made = mailbox.mbox(path)
    for number in range(count):
        made.add(message(OCTETS, number + 1_000_000).replace(b"\r\n", b"\n"))
    made.close()
    return path


def make_large(folder: Path, count: int) -> Path:
    make_maildir(folder, 0)
    for number in range(count):
        with (folder / "cur" / f"{1_700_000_000 + number}.{number}.large:2,S").open("wb") as file:
            file.write(HEADER.replace(b"\r\n", b"\n"))
            for _ in range(LARGE_MIB):
                file.write(BLOCK.replace(b"\r\n", b"\n"))
    return folder


class Other:
    """Another session that works meanwhile: it stores a flag and fetches a message, again and again."""

    def __init__(self, port: int, mailbox: bytes = b"INBOX") -> None:
        self._line = Line(port)
        self._line.tagged(b"a", b"LOGIN %s %s" % (BENCH, PASSWORD))
        self._line.tagged(b"b", b"APPEND INBOX {%d+}\r\n%s" % (len(HEADER) + 5, HEADER + b"short"))
        self._line.tagged(b"c", b"SELECT INBOX")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.005):
            self._line.tagged(b"d", b"STORE 1 +FLAGS (\\Flagged)")
            self._line.tagged(b"e", b"FETCH 1 BODY.PEEK[]")
            self._line.tagged(b"f", b"STORE 1 -FLAGS (\\Flagged)")

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._line.close()


def fill(port: int, messages: int, mailbox: bytes = b"INBOX") -> None:
    line = Line(port)
    line.tagged(b"a", b"LOGIN %s %s" % (READER, PASSWORD))
    one = message(800, 1)
    for start in range(0, messages, 500):
        line.tagged(b"tag", b"APPEND " + mailbox + b" {%d+}\r\n%s" % (len(one), one) * min(500, messages - start))
    line.close()


def idle(arguments: argparse.Namespace) -> None:
    with bench(arguments, "idle") as b:
        b.row("nothing, for 10 s", lambda: time.sleep(10))


def transfer(arguments: argparse.Namespace) -> None:
    with bench(arguments, "transfer") as b:
        maildir, mbox = make_maildir(b.folder / "maildir", b.messages), make_mbox(b.folder / "mbox", b.messages)
        large = make_large(b.folder / "large", 3)
        b.row(f"import of a Maildir of {b.messages:,}", lambda: b.transfer("import", "maildir", maildir, "First"))
        b.row("text for search made after it, 30 s",
              lambda: b.wait("SELECT count(*) FROM content WHERE NOT EXISTS (SELECT 1 FROM text WHERE content = id)", 30))
        b.row(f"import of an mbox of {b.messages:,}", lambda: b.transfer("import", "mbox", mbox, "Second"))
        b.row("import of a Maildir of 3 of 100 MiB", lambda: b.transfer("import", "maildir", large, "Third"))
        small = ("First", "Second")
        b.row("export to mbox of both", lambda: b.transfer("export", "mbox", b.folder / "out-mbox", folders=small))
        b.row("export to Maildir of both", lambda: b.transfer("export", "maildir", b.folder / "out-maildir", folders=small))
        b.row("export to Maildir of 3 of 100 MiB",
              lambda: b.transfer("export", "maildir", b.folder / "out-large", folders=("Third",)))
        b.row("export to mbox of 3 of 100 MiB", lambda: b.transfer("export", "mbox", b.folder / "out-big", folders=("Third",)))


def tools(arguments: argparse.Namespace) -> None:
    with bench(arguments, "tools") as b:
        intake(b.server.ports["smtp"], 5 * b.messages, 20, True, READER)         # half a gigabyte
        other = Other(b.imap)
        b.row(f"store backup with {5 * b.messages:,}, another session works",
              lambda: b.command("backup", str(b.data), str(b.folder / "backup")))
        b.row(f"store check of {5 * b.messages:,}, another session works", lambda: b.command("check", str(b.data)))
        other.close()
        cold(b)


def cold(b: Bench) -> None:
    """First touch of what the page cache does not hold; only root can make it so."""
    if os.geteuid():
        return

    def dropped(work: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            os.sync()
            Path("/proc/sys/vm/drop_caches").write_text("3")
            work()
        return run

    def listing() -> None:
        line, _ = opened(b.imap)
        line.tagged(b"c", b"FETCH 1:* (UID FLAGS)")
        line.tagged(b"d", b"FETCH 1:* (ENVELOPE)")
        line.close()

    def bodies() -> None:
        line, messages = opened(b.imap)
        for number in range(1, messages, messages // 500):
            line.tagged(b"c", b"FETCH %d (BODY.PEEK[])" % number)
        line.close()

    b.row("cold: SELECT, FLAGS and ENVELOPE of all", dropped(listing))
    b.row("cold: 500 bodies from all over the file", dropped(bodies))


def large(arguments: argparse.Namespace) -> None:
    with bench(arguments, "large") as b:
        b.row(f"APPEND of {b.many:,}, 500 at a time", lambda: fill(b.imap, b.many))
        line, _ = opened(b.imap)
        for name in (b"Copies", b"Moved"):
            line.tagged(b"a", b"CREATE " + name)
        other = Other(b.imap)
        b.row(f"opening the mailbox of {b.many:,}", lambda: opened(b.imap)[0].close())
        b.row(f"STORE of {b.many:,}", lambda: line.tagged(b"a", b"STORE 1:* +FLAGS.SILENT (\\Flagged)"))
        b.row(f"STORE of {b.many:,}, told", lambda: line.tagged(b"a", b"STORE 1:* +FLAGS (\\Seen)"))
        b.row(f"COPY of {b.many:,}", lambda: line.tagged(b"a", b"COPY 1:* Copies"))
        b.row(f"MOVE of {b.many:,}", lambda: line.tagged(b"a", b"MOVE 1:* Moved"))
        line.tagged(b"b", b"SELECT Moved")
        line.tagged(b"a", b"STORE 1:* +FLAGS.SILENT (\\Deleted)")
        b.row(f"EXPUNGE of {b.many:,}", lambda: line.tagged(b"a", b"EXPUNGE"))
        other.close()
        con = sqlite3.connect(b.data / DATABASE, timeout=60)
        with con:
            con.execute("UPDATE lingering SET since = since - 3600")
            con.execute("UPDATE content SET since = since - 3600 WHERE refs = 0")
        con.close()
        b.row(f"sweeping of {2 * b.many:,} expunged", lambda: b.wait(
            "SELECT (SELECT count(*) FROM lingering WHERE since < unixepoch() - 600)"
            " + (SELECT count(*) FROM content WHERE refs = 0 AND since < unixepoch() - 600)", PATIENCE_S))
        line.tagged(b"b", b"SELECT Copies")
        line.tagged(b"a", b"CREATE Million")
        b.row(f"COPY of {b.many:,} ten times", lambda: [line.tagged(b"a", b"COPY 1:* Million") for _ in range(10)])
        b.row(f"opening a mailbox of {10 * b.many:,}", lambda: line.tagged(b"a", b"SELECT Million"))
        b.row(f"opening a mailbox of {10 * b.many:,} again", lambda: line.tagged(b"a", b"SELECT Million"))
        b.row(f"FETCH FLAGS of {10 * b.many:,}", lambda: line.tagged(b"a", b"FETCH 1:* (FLAGS)"))
        b.row(f"STORE of {10 * b.many:,}", lambda: line.tagged(b"a", b"STORE 1:* +FLAGS.SILENT (\\Answered)"))
        line.close()


def search(arguments: argparse.Namespace) -> None:
    with bench(arguments, "search", '{"plugin": "sqlite", "search_index": true}') as b:
        intake(b.server.ports["smtp"], b.messages, 20, True, READER)
        line, _ = opened(b.imap)
        b.row(f"SEARCH TEXT of {b.messages:,}, no text yet", lambda: line.tagged(b"a", b"SEARCH TEXT absent"))
        b.row("text and its index made, 60 s", lambda: b.wait(
            "SELECT (SELECT count(*) FROM content WHERE NOT EXISTS (SELECT 1 FROM text WHERE content = id AND indexed = 1))", 60))
        b.row(f"SEARCH TEXT of {b.messages:,}", lambda: line.tagged(b"a", b"SEARCH TEXT absent"))
        b.row(f"SEARCH BODY of {b.messages:,}, all found", lambda: line.tagged(b"a", b"SEARCH BODY jumps"))
        line.close()


def beside(arguments: argparse.Namespace) -> None:
    with bench(arguments, "beside", "support.bare_store:BareStore") as b:
        fill(b.imap, b.messages)
        other = Other(b.imap)
        line, _ = opened(b.imap)
        b.row(f"plain store: opening {b.messages:,}", lambda: opened(b.imap)[0].close())
        b.row(f"plain store: ENVELOPE of {b.messages:,}", lambda: line.tagged(b"a", b"FETCH 1:* (ENVELOPE)"))
        b.row(f"plain store: STORE of {b.messages:,}", lambda: line.tagged(b"a", b"STORE 1:* +FLAGS.SILENT (\\Seen \\Deleted)"))
        b.row(f"plain store: COPY of {b.messages:,}", lambda: line.tagged(b"a", b"COPY 1:* INBOX"))
        b.row(f"plain store: SEARCH TEXT of {b.messages:,}", lambda: line.tagged(b"a", b"SEARCH TEXT absent"))
        b.row(f"plain store: EXPUNGE of {b.messages:,}", lambda: line.tagged(b"a", b"EXPUNGE"))
        other.close()
        line.close()


GROUPS = {"idle": idle, "transfer": transfer, "tools": tools, "large": large, "search": search, "beside": beside}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(GROUPS), help="groups of rows, of " + ", ".join(GROUPS))
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="where to work; 3 GB")
    parser.add_argument("--watch", type=Path, help="a folder for what the threads were at during late beats")
    arguments = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join((str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")))
    if arguments.watch:
        arguments.watch.mkdir(exist_ok=True)
    print(f"{'':<52}{'s':>7}{'late p99.9':>11}{'max ms':>9}{'busy ms':>9}{'idle p99.9':>11}{'max ms':>9}{'MiB':>9}", flush=True)
    for name in arguments.only.split(","):
        GROUPS[name](arguments)


if __name__ == "__main__":
    main()
