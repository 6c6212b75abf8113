"""How fast the SQLite store is at its seam, beside the marks it should reach.

    python tests/benchmarks/store_seam.py [--runs 5] [--messages 100000] [--accounts 10000] [--rows TEXT] [--folder DIR]

Everything that changes is durable when it is counted (I1). "Cold" rows are read by a new process after the page cache was
dropped: all of it as root, else of the database's files alone; they count from opening the mailbox. "Late" is how long after
its time a call came that is due every millisecond (I2). A figure is the median of the runs, lateness the worst of them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import LoopingCall, react

from mailframe.app.steady import steady
from mailframe.model.flags import FLAGGED, SEEN, FlagChange
from mailframe.model.mailbox import FRESH_ACCOUNT, MAX_UID, Attributes, Field, New
from mailframe.sqlite.engine import Engine
from mailframe.stores.sqlite import SqliteStore

reactor: Any = the_reactor
WRITERS = 20
APPENDS = 10_000
PAGE = 2_000                    # what a session asks for at once
HEAD = b"Return-Path: <ada@example.org>\r\n" + b"Received: from a by b; " + b"x" * 300 + b"\r\n"
BODY = b"Subject: x\r\n\r\n" + b"y" * 10_000
ATTRIBUTES = Attributes(1, b"e" * 350, b"s" * 150, b"i" * 100)
LISTING = Field.ENVELOPE | Field.STRUCTURE


class Heartbeat:
    """How late the reactor is (I2)."""

    def __init__(self) -> None:
        self._last = perf_counter()
        self._late: list[float] = []
        self._call = LoopingCall(self._beat)

    def _beat(self) -> None:
        now = perf_counter()
        self._late.append(now - self._last - 0.001)
        self._last = now

    def start(self) -> None:
        self._last = perf_counter()
        self._call.start(0.001, now=False)

    def stop(self) -> list[float]:
        self._call.stop()
        return self._late


@dataclass
class Row:
    """One line of the table: rates of all runs, the reactor's lateness, and the mark."""

    name: str
    mark: float | None = None
    rates: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)

    def line(self) -> str:
        late = sorted(self.late) or [0.0]
        spread = f"{min(self.rates):,.0f}-{max(self.rates):,.0f}"
        mark = f"{self.mark:,.0f}" if self.mark else "-"
        return (f"| {self.name} | {statistics.median(self.rates):,.0f} | {spread} | {mark} "
                f"| {late[int(len(late) * 0.999)] * 1000:.1f} | {late[-1] * 1000:.1f} |")


class Table:
    """Rows in the order of their first run; `wanted` leaves others out."""

    def __init__(self, wanted: str) -> None:
        self.rows: dict[str, Row] = {}
        self._wanted = wanted

    async def timed(self, name: str, count: int, work: Callable[[], Awaitable[object]], mark: float | None = None) -> None:
        heart = Heartbeat()
        heart.start()
        begun = perf_counter()
        await work()
        seconds = perf_counter() - begun
        self.add(name, count / seconds, heart.stop(), mark)

    def add(self, name: str, rate: float, late: list[float], mark: float | None) -> None:
        row = self.rows.setdefault(name, Row(name, mark))
        row.rates.append(rate)
        row.late += late

    def __str__(self) -> str:
        head = "| what | a second | of the runs | mark | late p99.9, ms | max, ms |\n|---|---:|---:|---:|---:|---:|\n"
        return head + "\n".join(row.line() for row in self.rows.values() if self._wanted.lower() in row.name.lower())


async def each(sessions: int, work: Callable[[int], Awaitable[object]]) -> None:
    async def one(number: int) -> None:
        await work(number)
    await gatherResults([Deferred.fromCoroutine(one(number)) for number in range(sessions)])


async def listed(mailbox: Any, fields: Field, count: int) -> None:
    """All pages, with a turn of the reactor between them as a session takes it."""
    first = seen = 0
    while len(rows := await mailbox.rows([(first + 1, MAX_UID)], PAGE, fields)):
        first = rows.uids[-1]
        seen += len(rows)
        await turn()
    assert seen == count, (seen, count)


async def turn() -> None:
    pause: Deferred[None] = Deferred()
    reactor.callLater(0, pause.callback, None)
    await pause


class Bench:
    """A store with one large mailbox in an account, and many accounts beside it."""

    def __init__(self, folder: Path, table: Table, messages: int, accounts: int) -> None:
        self.path = folder / "mail.db"
        self.table, self.messages, self.accounts = table, messages, accounts

    async def open(self) -> tuple[SqliteStore, dict[str, Any]]:
        store = SqliteStore(Engine(self.path, reactor), reactor)
        await store.start()
        account = await store.open_account("bench", FRESH_ACCOUNT)
        return store, {
            info.name: await account.open_mailbox(info.id) for info in (await account.mailboxes()).mailboxes}

    async def fill(self) -> None:
        """The large mailbox, its mail mixed with other people's as it comes to a real server."""
        store, boxes = await self.open()
        for _ in range(self.messages // 100):
            await each(4, lambda number: self._arrive(store, boxes["Archive"], number))
        await store.close()

    async def _arrive(self, store: SqliteStore, big: Any, number: int) -> None:
        await big.append([New(BODY, HEAD, attributes=ATTRIBUTES)] * 25)
        unit, _ = store.append_unit([(f"other{number}", "INBOX", New(BODY, HEAD, attributes=ATTRIBUTES))] * 5)
        await store.engine.submit(unit)

    async def writing(self) -> None:
        store, boxes = await self.open()
        inbox, sent = boxes["INBOX"], boxes["Sent"]
        share = APPENDS // WRITERS

        first = (await inbox.status()).uidnext
        uids = range(first, first + APPENDS)

        async def append(_: int) -> None:
            for _ in range(share):
                await inbox.append([New(BODY, HEAD, attributes=ATTRIBUTES)])

        async def deliver(number: int) -> None:
            for _ in range(share):
                unit, after = store.append_unit([(f"user{number}", "INBOX", New(BODY, HEAD, attributes=ATTRIBUTES))])
                await store.engine.submit(unit, len(BODY))
                after()

        async def mark(number: int) -> None:
            for uid in uids[number::WRITERS]:
                await inbox.set_flags([uid], FlagChange.add(FLAGGED), None)

        async def read() -> None:
            for uid in uids:
                await inbox.read(uid, 0, 1 << 20)
        timed = self.table.timed
        await timed("append 10 KiB, 20 sessions", APPENDS, lambda: each(WRITERS, append), 4_000)
        await timed("deliver 10 KiB, 20 writers", APPENDS, lambda: each(WRITERS, deliver), 5_000)
        await timed("STORE of one flag, 20 sessions", APPENDS, lambda: each(WRITERS, mark), 9_000)
        await timed("read a whole message of 10 KiB", APPENDS, read)
        target = sent.id
        await timed("copy 10,000 at once", APPENDS, lambda: inbox.copy(uids, target))
        await timed("expunge 10,000 at once", APPENDS, lambda: sent.expunge(None, False))
        await timed("empty the mailbox again", APPENDS, lambda: inbox.expunge(None, False))
        await store.close()

    async def reading(self) -> None:
        store, boxes = await self.open()
        big, count, timed = boxes["Archive"], self.messages, self.table.timed
        await listed(big, Field.FLAGS, count)
        await timed("UID and FLAGS of all, warm", count, lambda: listed(big, Field.FLAGS, count), 3_000_000)
        await timed("UID FLAGS SIZE DATE of all, warm", count, lambda: listed(big, Field.FLAGS | Field.SIZE | Field.DATE, count))
        await listed(big, LISTING, count)
        await timed("ENVELOPE BODYSTRUCTURE of all, warm", count, lambda: listed(big, LISTING, count), 400_000)
        uids = range(1, count + 1)
        await timed("set a flag on all at once", count, lambda: big.set_flags(uids, FlagChange.add(SEEN), None))
        await timed("take it from all again", count, lambda: big.set_flags(uids, FlagChange.remove(SEEN), None))
        await timed("set_flags, then changes, in the large mailbox", 500, lambda: self._noticed(big))
        await store.close()

    async def _noticed(self, mailbox: Any) -> None:
        cursor = (await mailbox.status()).cursor
        for uid in range(1, 501):
            await mailbox.set_flags([uid], FlagChange.add(FLAGGED), None)
            cursor = (await mailbox.changes(cursor)).cursor

    async def many_accounts(self) -> None:
        store, _ = await self.open()

        async def make(number: int) -> None:
            for each_one in range(number, self.accounts, 50):
                await store.open_account(f"account{each_one}", FRESH_ACCOUNT)

        async def find() -> None:
            for number in range(self.accounts):
                account = await store.open_account(f"account{number}", FRESH_ACCOUNT)
                await account.mailboxes()
        await each(50, make)
        await self.table.timed(f"open one of {self.accounts:,} accounts and list its mailboxes", self.accounts, find, 500)
        await store.close()

    def cold(self, what: str, mark: float) -> None:
        """In a process of its own, with nothing of the files in memory."""
        drop_caches(self.path)
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, sys.path))}
        done = subprocess.run(
            [sys.executable, __file__, "--child", what, "--folder", str(self.path.parent), "--messages", str(self.messages)],
            check=True, stdout=subprocess.PIPE, env=environment)
        found = json.loads(done.stdout)
        self.table.add(f"{what}, cold, from opening on", found["rate"], found["late"], mark)
        self.table.add(f"opening {self.messages:,} messages, cold (a second)", 1 / found["open"], [], None)

    async def child(self, what: str) -> None:
        """What `cold` starts."""
        store = SqliteStore(Engine(self.path, reactor), reactor)
        await store.start()
        heart = Heartbeat()
        heart.start()
        begun = perf_counter()
        account = await store.open_account("bench", FRESH_ACCOUNT)
        info = next(info for info in (await account.mailboxes()).mailboxes if info.name == "Archive")
        mailbox = await account.open_mailbox(info.id)
        await mailbox.status()
        opened = perf_counter() - begun
        await listed(mailbox, LISTING if "ENVELOPE" in what else Field.FLAGS, self.messages)
        rate = self.messages / (perf_counter() - begun)
        late = heart.stop()
        await store.close()
        json.dump({"rate": rate, "late": late, "open": opened}, sys.stdout)


def drop_caches(path: Path) -> None:
    """All of the page cache where we may, else what the kernel lets go of these files."""
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError:
        for file in path.parent.iterdir():
            descriptor = os.open(file, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


async def run(arguments: argparse.Namespace, folder: Path) -> None:
    table = Table(arguments.rows)
    bench = Bench(folder, table, arguments.messages, arguments.accounts)
    if arguments.child:
        await bench.child(arguments.child)
        return
    await bench.fill()
    for number in range(arguments.runs):
        print(f"run {number + 1} of {arguments.runs}", file=sys.stderr)
        await bench.writing()
        await bench.reading()
        await bench.many_accounts()
        bench.cold("UID FLAGS", 150_000)
        bench.cold("ENVELOPE BODYSTRUCTURE", 50_000)
    print(f"{machine()}; {arguments.messages:,} messages, median of {arguments.runs} runs\n\n{table}")


def machine() -> str:
    """Whose figures these are."""
    name = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "")
    return f"{os.cpu_count()} cores {name or platform.machine()}, {platform.system()}, Python {platform.python_version()}"


def main(_: object, arguments: argparse.Namespace, folder: str) -> Deferred[None]:
    steady()                            # as the server does
    return Deferred.fromCoroutine(run(arguments, Path(folder)))


def arguments_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--messages", type=int, default=100_000, help="in the large mailbox")
    parser.add_argument("--accounts", type=int, default=10_000)
    parser.add_argument("--rows", default="", help="print only rows whose names hold this")
    parser.add_argument("--folder", help="where to make the database; by default a temporary folder")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    given = arguments_of()
    with tempfile.TemporaryDirectory(dir=None if given.child else given.folder) as place:
        try:
            react(main, [given, given.folder if given.child else place])
        except SystemExit as end:
            if end.code:
                raise
