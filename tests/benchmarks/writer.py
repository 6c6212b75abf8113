"""What one message of 10 KiB costs the thread that writes and the reactor's, at the seam, in groups as they come.

    python tests/benchmarks/writer.py [--runs 5] [--messages 3000] [--folder DIR]

Each row is deliveries into one mailbox (or the queue), so many at once, each group durable before the next (I1). CPU is of each
thread by itself; octets are those of the write-ahead log, whose pages are written twice: there, and by a checkpoint.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mails import Mails
from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import react

from mailframe.app.steady import steady
from mailframe.mime.attributes import attributes
from mailframe.model.address import Address
from mailframe.model.envelope import Envelope, Peer, Recipient
from mailframe.model.mailbox import New
from mailframe.queue.item import NewItem
from mailframe.queue.spool import Spool
from mailframe.sqlite.engine import Engine
from mailframe.stores.sqlite import SqliteStore

reactor: Any = the_reactor
GROUPS = (1, 6, 20)
HEAD = (b"Return-Path: <ada@example.org>\r\nReceived: from client.example (localhost [127.0.0.1])\r\n\tby bench.example with ESMTP "
        b"id 0123456789abcdef\r\n\tfor <reader@bench.example>; Mon, 1 Jan 2024 10:00:00 +0000\r\n")


@dataclass
class Row:
    """Of each run: messages a second; microseconds of CPU a message in the writer's thread and the reactor's; octets logged."""

    name: str
    found: list[tuple[float, ...]] = field(default_factory=list)

    def line(self) -> str:
        rate, writer, mine, octets = map(statistics.median, zip(*self.found))
        spread = f"{min(row[1] for row in self.found):.1f}-{max(row[1] for row in self.found):.1f}"
        return f"| {self.name} | {rate:,.0f} | {writer:.1f} | {spread} | {mine:.1f} | {octets:,.0f} |"


def cpu_of(thread: threading.Thread) -> float:
    assert thread.ident is not None
    return time.clock_gettime(time.pthread_getcpuclockid(thread.ident))


class Bench:
    """A store and a queue in one file, and messages that are made ready before anything is counted."""

    def __init__(self, folder: Path, messages: int) -> None:
        self.engine = Engine(folder / "mail.db", reactor)
        self.store = SqliteStore(self.engine, reactor)
        self.spool = Spool(self.engine, self.store.content, reactor)
        mails = Mails()
        octets = [mails.make(number) for number in range(messages)]
        self.news = [New(each, HEAD, date=1, size=len(each) + len(HEAD), attributes=attributes(HEAD + each)) for each in octets]
        sender, to = Address.parse("ada@example.org"), Address.parse("bob@elsewhere.example")
        envelope = Envelope("0123456789abcdef", sender, Peer("192.0.2.1"))
        self.items = [NewItem(envelope, (Recipient(to),), each, len(each), HEAD) for each in octets]
        self.logged = 0

    async def start(self) -> None:
        await self.spool.start()
        await self.store.start()
        await self.engine.submit(self._listen)
        self.writer = next(each for each in threading.enumerate() if each.name.endswith("-writer"))

    async def _deliver(self, message: New) -> None:
        unit, after = self.store.append_unit([("bench", "INBOX", message)])
        await self.engine.submit(unit, len(message.content))
        after()

    def _listen(self, connection: Any) -> None:
        """Count the pages that each commit adds to the log."""
        page = connection.execute("PRAGMA page_size").fetchall()[0][0]
        before = 0

        def logged(con: Any, database: str, pages: int) -> int:
            nonlocal before
            self.logged += (pages - before if pages >= before else pages) * page
            before = pages
            return 0
        connection.set_wal_hook(logged)

    async def rows(self, row: Callable[[str], Row]) -> None:
        for size in GROUPS:
            await self._timed(row(f"mailbox, {size} at once"), size, self.news, self._deliver)
        await self._timed(row("queue, 6 at once"), 6, self.items, self.spool.add)

    async def _timed(self, row: Row, size: int, things: list[Any], work: Callable[[Any], Any]) -> None:
        await self._all(things[:200], size, work)
        logged, begun, writer, mine = self.logged, time.perf_counter(), cpu_of(self.writer), time.thread_time()
        await self._all(things, size, work)
        count, seconds = len(things), time.perf_counter() - begun
        row.found.append((count / seconds, (cpu_of(self.writer) - writer) / count * 1e6, (time.thread_time() - mine) / count * 1e6,
                          (self.logged - logged) / count))

    async def _all(self, things: list[Any], size: int, work: Callable[[Any], Any]) -> None:
        for first in range(0, len(things), size):
            await gatherResults([Deferred.fromCoroutine(work(each)) for each in things[first:first + size]])


async def run(given: argparse.Namespace) -> None:
    table: dict[str, Row] = {}
    for number in range(given.runs):
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            bench = Bench(Path(folder), given.messages)
            await bench.start()
            if not number:
                steady()
            await bench.rows(lambda name: table.setdefault(name, Row(name)))
            await bench.spool.close()
    print(f"{os.cpu_count()} cores, median of {given.runs} runs of {given.messages:,}\n\n"
          "| what | a second | writer, us CPU | of the runs | reactor, us CPU | octets logged |\n|---|---:|---:|---:|---:|---:|")
    print("\n".join(row.line() for row in table.values()))


def arguments_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--messages", type=int, default=3_000)
    parser.add_argument("--folder", help="where to make the database; by default a temporary folder")
    return parser.parse_args()


if __name__ == "__main__":
    options = arguments_of()
    try:
        react(lambda _: Deferred.fromCoroutine(run(options)))
    except SystemExit as end:
        if end.code:
            sys.exit(end.code)
