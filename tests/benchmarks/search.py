"""How fast SEARCH is over the SQLite store: by reading, in kept texts, with the full-text index; and what these cost intake.

    python tests/benchmarks/search.py [--runs 5] [--messages 10000] [--folder DIR]

Messages are of 10 KiB, in varied words, plain, quoted-printable, base64 and HTML. A search is timed from the parsed query to the
UIDs, with all of the mailbox open to it. "Late" is how long after its time a call came that is due every millisecond (I2). A
figure is the median of the runs, lateness the worst of them.
"""

from __future__ import annotations

import argparse
import base64
import os
import platform
import quopri
import random
import statistics
import sys
import tempfile
from collections.abc import Awaitable
from pathlib import Path
from time import perf_counter
from typing import Any

from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import LoopingCall, deferLater, react

from mailframe.app.steady import steady
from mailframe.imap.search.searching import Searching
from mailframe.imap.search.sentdays import SentDays
from mailframe.mime.attributes import VERSION, attributes
from mailframe.mime.casemap import fold
from mailframe.model.flags import SEEN
from mailframe.model.mailbox import FRESH_ACCOUNT, MAX_UID, New
from mailframe.model.query import HasFlags, InBody, InHeader, InText, Not, Query, Received, Sent, Size
from mailframe.pacing.breath import Breath
from mailframe.sqlite.engine import Engine
from mailframe.stores.sqlite import SqliteStore
from mailframe.stores.sqlite.settings import SqliteSettings

reactor: Any = the_reactor
HEAD = b"Return-Path: <ada@example.org>\r\nReceived: from a.example by b.example; " + b"x" * 300 + b"\r\n"
FIRST = 1_600_000_000       # when the first message arrived
SEARCHES: tuple[tuple[str, Query], ...] = (
    ("BODY, absent word", InBody(fold("xylophonist"))), ("BODY, present word", InBody(fold("needleful"))),
    ("TEXT, absent word", InText(fold("xylophonist"))), ("TEXT, present word", InText(fold("needleful"))),
    ("UNSEEN", Not(HasFlags(SEEN))), ("SINCE", Received(first=FIRST + 5_000_000)), ("LARGER", Size(at_least=11_000)),
    ("SENTSINCE", Sent(first=738_000)), ("HEADER, absent field", InHeader(b"x-never", fold("needleful"))),
    ("SUBJECT", InHeader(b"subject", fold("needleful"))), ("FROM", InHeader(b"from", fold("person7@"))),
)
WRITERS = 20
LONG = 3            # times all messages are appended: some seconds, so that the background work has begun


def message(number: int, words: list[str], chance: random.Random) -> bytes:
    text = " ".join(chance.choices(words, k=1_300))
    if number % 100 == 0:
        text = text[:5_000] + " a Needleful of thread " + text[5_000:]
    lines = "\r\n".join(text[at:at + 72] for at in range(0, 9_500, 72)).encode()
    encoding, subtype = b"7bit", b"plain"
    if number % 4 == 1:
        lines, encoding = quopri.encodestring(lines), b"quoted-printable"
    elif number % 4 == 2:
        lines, encoding = base64.encodebytes(lines[:7_200]).replace(b"\n", b"\r\n"), b"base64"
    elif number % 4 == 3:
        lines, subtype = b"<html><p>" + lines.replace(b"\r\n", b"<br>\r\n") + b"</p></html>", b"html"
    subject = " ".join(chance.choices(words, k=5)) + (" needleful" if number % 100 == 50 else "")
    return (
        f"From: Person {number % 97} <person{number % 97}@example.org>\r\nTo: ada@example.org\r\nSubject: {subject}\r\n"
        f"Message-ID: <{number}.{chance.random()}@example.org>\r\nDate: Mon, 1 Jan 2024 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"
    ).encode() + b"Content-Type: text/%b; charset=utf-8\r\nContent-Transfer-Encoding: %b\r\n\r\n" % (subtype, encoding) + lines


def messages(count: int) -> list[New]:
    chance = random.Random(1)
    words = ["".join(chance.choices("etaoinshrdlucmfwypvbgkjqxz", range(26, 0, -1), k=chance.randint(2, 9))) for _ in range(20_000)]
    made = [message(number, words, chance) for number in range(count)]
    return [New(octets, HEAD, number % 2 and SEEN, FIRST + 1_000 * number, attributes=attributes(HEAD + octets))
            for number, octets in enumerate(made)]


class Late:
    """How late the reactor is at worst while something runs."""

    def __init__(self) -> None:
        self.worst = 0.0

    async def during(self, work: Awaitable[Any]) -> Any:
        last = perf_counter()

        def beat() -> None:
            nonlocal last
            now = perf_counter()
            self.worst = max(self.worst, now - last - 0.001)
            last = now

        call = LoopingCall(beat)
        call.start(0.001, now=False)
        try:
            return await work
        finally:
            beat()
            call.stop()


async def turn() -> None:
    await deferLater(reactor, 0)


async def searched(mailbox: Any, query: Query, days: SentDays) -> int:
    found = await Searching(mailbox, (), query, Breath(reactor.seconds, turn), days=days).among([(1, MAX_UID)])
    return len(found)


async def table(name: str, mailbox: Any, runs: int, expected: dict[str, int]) -> None:
    for label, query in SEARCHES:
        times, late, days = [], Late(), SentDays()
        for _ in range(runs):
            begun = perf_counter()
            found = await late.during(searched(mailbox, query, days))
            times.append(perf_counter() - begun)
            assert expected.setdefault(label, found) == found, (label, found, expected[label])
        print(f"{name:22} {label:20} {found:6} found {statistics.median(times) * 1000:9.1f} ms   late {late.worst * 1000:5.1f} ms")


async def opened(folder: Path, **wanted: bool) -> tuple[SqliteStore, Any]:
    settings = SqliteSettings(**wanted)
    store = SqliteStore(Engine(folder / "mail.db", reactor), reactor, attributes_version=VERSION, settings=settings)
    await store.start()
    account = await store.open_account("bench", FRESH_ACCOUNT)
    info = next(info for info in (await account.mailboxes()).mailboxes if info.name == "INBOX")
    return store, await account.open_mailbox(info.id)


async def made(store: SqliteStore, what: str, count: int) -> None:
    """All that can be made, as fast as the limits allow with nothing else to do."""
    assert store.texts is not None
    store.texts.stop()
    late, begun = Late(), perf_counter()

    async def rounds() -> None:
        assert store.texts is not None
        while await store.texts.round():
            pass

    await late.during(rounds())
    seconds = perf_counter() - begun
    size = (store.engine.path.stat().st_size + store.engine.path.with_name(store.engine.path.name + "-wal").stat().st_size) / 2**20
    print(f"{what:43} {count / seconds:9,.0f}/s   late {late.worst * 1000:5.1f} ms   database {size:,.0f} MiB")


async def appended(mailbox: Any, new: list[New]) -> None:
    left = iter(new)

    async def writer() -> None:
        for one in left:
            await mailbox.append([one])
    await gatherResults([Deferred.fromCoroutine(writer()) for _ in range(WRITERS)])


async def intake(place: Path, new: list[New], runs: int) -> None:
    ways: tuple[tuple[str, dict[str, bool]], ...] = (
        ("off", {}), ("texts", {"search_text": True}), ("texts and index", {"search_index": True}))
    times: dict[str, list[float]] = {name: [] for name, _ in ways}
    late = {name: Late() for name, _ in ways}
    kept: dict[str, str] = {}
    for run in range(runs):
        for name, settings in ways:
            folder = place / f"intake-{run}-{name}"
            store, mailbox = await opened(folder, **settings)
            await deferLater(reactor, 1.5)                  # the maker has begun to look
            begun = perf_counter()
            await late[name].during(appended(mailbox, new * LONG))
            times[name].append(len(new) * LONG / (perf_counter() - begun))
            if store.texts is not None:
                kept[name] = f", {store.engine.read('SELECT count(*) FROM text')[0][0]} texts made meanwhile"
            await store.close()
    for name, _ in ways:
        print(f"append 10 KiB, {WRITERS} writers, {name:16} {statistics.median(times[name]):12,.0f}/s   "
              f"({min(times[name]):,.0f}-{max(times[name]):,.0f})   late {late[name].worst * 1000:5.1f} ms{kept.get(name, '')}")


async def run(place: Path, count: int, runs: int) -> None:
    new = messages(count)
    store, mailbox = await opened(place)
    for start in range(0, count, 500):
        await mailbox.append(new[start:start + 500])
    expected: dict[str, int] = {}
    await table("by reading", mailbox, 1 if count > 5_000 else runs, expected)
    await store.close()
    store, mailbox = await opened(place, search_text=True)
    await made(store, "texts made", count)
    await table("in kept texts", mailbox, runs, expected)
    await store.close()
    store, mailbox = await opened(place, search_index=True)
    await made(store, "indexed", count)
    await table("with the index", mailbox, runs, expected)
    await store.close()
    await intake(place, new, runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--folder", default=None, help="where the database is made, on the disk to be measured")
    options = parser.parse_args()
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}, {options.messages:,} messages")
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        steady()
        react(lambda _: Deferred.fromCoroutine(run(Path(place), options.messages, options.runs)))


if __name__ == "__main__":
    sys.exit(main())
