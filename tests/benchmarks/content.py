"""Large messages at the store's seam, in SQLite's pieces and in plain files.

``PYTHONPATH=. python tests/benchmarks/content.py [folder]``"""

from __future__ import annotations

import os
import platform
import resource
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import LoopingCall, react

from mailframe.model.mailbox import FRESH_ACCOUNT, New
from mailframe.sqlite.content import SqliteContent
from mailframe.sqlite.engine import Engine
from mailframe.stores.directory import DirectoryContent
from mailframe.stores.sqlite import SqliteStore

reactor: Any = the_reactor
WRITERS = 4
ROUNDS = 5
CHUNK = 65_536              # as it comes from a socket
SIZES = ((256 * 1024 + 1, 400), (2**20, 200), (10 * 2**20, 32), (100 * 2**20, 4))
MEGA = 1_000_000


class Late:
    """How late the reactor is: a call every millisecond (I2)."""

    def __init__(self) -> None:
        self.worst: list[float] = []
        self._last = perf_counter()
        LoopingCall(self._beat).start(0.001, now=False)

    def _beat(self) -> None:
        now = perf_counter()
        self.worst.append(now - self._last - 0.001)
        self._last = now

    def taken(self) -> float:
        """Milliseconds, of the worst of a thousand since the last call."""
        late, self.worst = sorted(self.worst) or [0.0], []
        return late[int(len(late) * 0.999)] * 1000


_CHUNKS = [os.urandom(CHUNK) for _ in range(32)]


async def staged(content: Any, size: int, unique: bytes) -> str:
    """A message that is never the same twice; made of what there is already, for making it takes time, too."""
    into = await content.stage()
    await into.write(unique)
    for number in range((size - len(unique)) // CHUNK):
        await into.write(_CHUNKS[number % 32])
    await into.write(bytes((size - len(unique)) % CHUNK))
    sealed: str = await into.seal()
    return sealed


async def work(store: SqliteStore, mailbox: Any, size: int, count: int) -> None:
    async def writer(number: int) -> None:
        for turn in range(max(count // WRITERS, 1)):
            name = await staged(store, size, b"%20d %20d" % (number, turn))
            await mailbox.append([New(name, b"Head: x\r\n", size=size)])
    await gatherResults([Deferred.fromCoroutine(writer(number)) for number in range(WRITERS)])


async def reading(mailbox: Any, size: int) -> float:
    """Octets a second of the newest, in slices as a FETCH takes them."""
    uid = (await mailbox.status()).uidnext - 1
    begun, offset = perf_counter(), 0
    while octets := await mailbox.read(uid, offset, 256 * 1024):
        offset += len(octets)
    return offset / (perf_counter() - begun)


async def measured(folder: Path, outside: bool, size: int, count: int, late: Late) -> tuple[float, float, float]:
    """(octets a second written, and read, how late the reactor was in ms)."""
    engine = Engine(folder / "mail.db", reactor)
    files = DirectoryContent(folder / "content", reactor) if outside else None
    if files is not None:
        await files.start()
    store = SqliteStore(engine, reactor, content=SqliteContent(engine, reactor, files))
    await store.start()
    account = await store.open_account("bench", FRESH_ACCOUNT)
    inbox = await account.open_mailbox((await account.mailboxes()).mailboxes[0].id)
    late.taken()
    begun = perf_counter()
    await work(store, inbox, size, count)
    rate = max(count // WRITERS, 1) * WRITERS * size / (perf_counter() - begun)
    lateness = late.taken()
    read = await reading(inbox, size)
    await store.close()
    if files is not None:
        await files.close()
    return rate, read, lateness


async def run(base: str | None) -> None:
    late = Late()
    print(f"{platform.platform()}, {os.cpu_count()} cores, {WRITERS} sessions, medians of {ROUNDS}")
    print(f"{'message':>10} {'kept in':>10} {'written':>12} {'messages':>10} {'read back':>12} {'reactor late':>17}")
    for size, count in SIZES:
        for outside in (False, True):
            rounds = []
            for _ in range(ROUNDS):
                with tempfile.TemporaryDirectory(dir=base) as place:
                    rounds.append(await measured(Path(place), outside, size, count, late))
            rate, read, lateness = (median(column) for column in zip(*rounds))
            print(f"{size // 1024:>6} KiB {'directory' if outside else 'sqlite':>10} "
                  f"{rate / MEGA:>7.0f} MB/s {rate / size:>8.0f}/s {read / MEGA:>7.0f} MB/s {lateness:>14.1f} ms", flush=True)
    print(f"memory at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB")


def main(_: object, base: str | None = None) -> Deferred[None]:
    sys.setswitchinterval(0.0005)       # as the server does
    return Deferred.fromCoroutine(run(base))


if __name__ == "__main__":
    react(main, sys.argv[1:2])
