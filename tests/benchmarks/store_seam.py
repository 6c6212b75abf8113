"""How fast the SQLite store is at its seam: ``PYTHONPATH=. python tests/benchmarks/store_seam.py [folder]``."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import LoopingCall, react

from mailframe.model.flags import SEEN, FlagChange
from mailframe.model.mailbox import FRESH_ACCOUNT, MAX_UID, Attributes, Field, New
from mailframe.sqlite.engine import Engine
from mailframe.stores.sqlite import SqliteStore

reactor: Any = the_reactor
WRITERS = 20
APPENDS = 10_000
LISTED = 100_000
PAGE = 4_000
HEAD = b"Return-Path: <ada@example.org>\r\n" + b"Received: from a by b; " + b"x" * 300 + b"\r\n"
BODY = b"Subject: x\r\n\r\n" + b"y" * 10_000
ATTRIBUTES = Attributes(1, b"e" * 350, b"s" * 150, b"i" * 100)


class Heartbeat:
    """How late the reactor is: a call every millisecond (I2)."""

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

    def stop(self) -> str:
        self._call.stop()
        late = sorted(self._late) or [0.0]
        return f"reactor late p99.9 {late[int(len(late) * 0.999)] * 1000:.1f} ms, at worst {late[-1] * 1000:.1f} ms"


async def timed(name: str, count: int, work: Callable[[], Awaitable[object]]) -> None:
    heart = Heartbeat()
    heart.start()
    begun = perf_counter()
    await work()
    seconds = perf_counter() - begun
    print(f"{name:50} {count / seconds:12,.0f}/s   {heart.stop()}")


async def appends(mailbox: Any) -> None:
    async def writer() -> None:
        for _ in range(APPENDS // WRITERS):
            await mailbox.append([New(BODY, HEAD, attributes=ATTRIBUTES)])
    await gatherResults([Deferred.fromCoroutine(writer()) for _ in range(WRITERS)])


async def deliveries(store: SqliteStore) -> None:
    async def writer(number: int) -> None:
        for _ in range(APPENDS // WRITERS):
            unit, after = store.append_unit([(f"user{number}", "INBOX", New(BODY, HEAD, attributes=ATTRIBUTES))])
            await store.engine.submit(unit, len(BODY))
            after()
    await gatherResults([Deferred.fromCoroutine(writer(number)) for number in range(WRITERS)])


async def listed(mailbox: Any, fields: Field) -> None:
    first = count = 0
    while len(rows := await mailbox.rows([(first + 1, MAX_UID)], PAGE, fields)):
        first = rows.uids[-1]
        count += len(rows)
        pause: Deferred[None] = Deferred()
        reactor.callLater(0, pause.callback, None)
        await pause
    assert count == LISTED, count


async def bodies(mailbox: Any) -> None:
    for uid in range(1, APPENDS + 1):
        await mailbox.read(uid, 0, 1 << 20)


async def one_by_one(mailbox: Any, count: int) -> None:
    cursor = (await mailbox.status()).cursor
    for uid in range(1, count + 1):
        await mailbox.set_flags([uid], FlagChange.add(SEEN), None)
        cursor = (await mailbox.changes(cursor)).cursor


async def run(folder: Path) -> None:
    store = SqliteStore(Engine(folder / "mail.db", reactor), reactor)
    await store.start()
    account = await store.open_account("bench", FRESH_ACCOUNT)
    boxes = {info.name: await account.open_mailbox(info.id) for info in (await account.mailboxes()).mailboxes}
    inbox, big = boxes["INBOX"], boxes["Archive"]
    await timed(f"append 10 KiB, {WRITERS} writers, durable", APPENDS, lambda: appends(inbox))
    print(f"{'':50} {store.engine.jobs / store.engine.commits:12.1f} jobs a commit")
    await timed(f"deliver 10 KiB, {WRITERS} writers, durable", APPENDS, lambda: deliveries(store))
    await timed("read whole 10 KiB", APPENDS, lambda: bodies(inbox))
    for _ in range(LISTED // 1_000):
        await big.append([New(b"x" * 100, attributes=ATTRIBUTES)] * 1_000)
    await timed("rows UID FLAGS, first time", LISTED, lambda: listed(big, Field.FLAGS))
    await timed("rows UID FLAGS, warm", LISTED, lambda: listed(big, Field.FLAGS))
    await timed("rows UID FLAGS SIZE DATE", LISTED, lambda: listed(big, Field.FLAGS | Field.SIZE | Field.DATE))
    await timed("rows ENVELOPE STRUCTURE", LISTED, lambda: listed(big, Field.ENVELOPE | Field.STRUCTURE))
    await timed("set_flags and changes, one by one of 100,000", 1_000, lambda: one_by_one(big, 1_000))
    uids = range(1, LISTED + 1)
    await timed("set_flags on all", LISTED, lambda: big.set_flags(uids, FlagChange.add(SEEN), None))
    target = boxes["Trash"].id
    await timed("copy 10,000", 10_000, lambda: big.copy(range(1, 10_001), target))     # type: ignore[attr-defined]
    await timed("expunge 10,000", 10_000, lambda: big.expunge(range(1, 10_001), False))
    await timed("close", 1, store.close)


def main(_: object, folder: str) -> Deferred[None]:
    with_setting = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)       # as the server does
    done = Deferred.fromCoroutine(run(Path(folder)))
    return done.addBoth(lambda result: (sys.setswitchinterval(with_setting), result)[1])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as place:
        try:
            react(main, [place])
        except SystemExit as end:
            if end.code:
                raise
