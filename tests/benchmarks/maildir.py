"""How fast the Maildir store is at its seam, on the disk that --folder names.

    python tests/benchmarks/maildir.py [--runs 3] [--messages 10000] [--rows TEXT] [--folder DIR]

Deliveries and STOREs are durable when they are counted (I1). "Late" is how long after its time a call came that is due every
millisecond (I2). A figure is the median of the runs, lateness the worst of them.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from store_seam import BODY, HEAD, WRITERS, Table, each, listed, machine, turn
from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from mailframe.app.steady import steady
from mailframe.model.flags import SEEN, FlagChange
from mailframe.model.mailbox import FRESH_ACCOUNT, Attributes, Field, New
from mailframe.stores.maildir import MaildirStore

reactor: Any = the_reactor
DELIVERIES = 2_000
STORES = 1_000
READS = 2_000
ATTRIBUTES = Attributes(1, b"e" * 350, b"s" * 150, b"i" * 100)
MESSAGE = (HEAD + b"Subject: x\r\n\r\n" + (b"y" * 70 + b"\r\n") * 140).replace(b"\r\n", b"\n")


async def opened(path: Path) -> tuple[MaildirStore, Any]:
    store = MaildirStore(path, reactor)
    await store.start()
    account: Any = await store.open_account("bench", FRESH_ACCOUNT)
    info = await account.find_mailbox("INBOX")
    return store, await account.open_mailbox(info.id)


def drop(path: Path, count: int, sized: bool) -> None:
    """Files of another program, with or without their sizes in their names."""
    lines = MESSAGE.count(b"\n")
    sizes = f",S={len(MESSAGE)},W={len(MESSAGE) + lines}" if sized else ""
    for number in range(count):
        (path / "bench" / "cur" / f"{1_600_000_000 + number}.M1P1.host{sizes}:2,S").write_bytes(MESSAGE)


async def folder_of(path: Path, table: Table, count: int, sized: bool) -> None:
    """Open a folder of `count` unknown files, and again when all are known."""
    store, mailbox = await opened(path)
    drop(path, count, sized)
    name = f"{count:,} files, {'sizes in names' if sized else 'no sizes in names'}"
    await table.timed(f"{name}: first opening, messages", count, mailbox.status)
    await table.timed(f"{name}: UID and FLAGS in pages", count, lambda: listed(mailbox, Field.FLAGS, count))
    await store.close()
    store, mailbox = await opened(path)
    await table.timed(f"{name}: compared with the index, messages", count, mailbox.status)
    await table.timed(f"{name}: opening again, unchanged, openings", 100, lambda: _again(mailbox, 100))

    async def stores(number: int) -> None:
        for uid in range(number * 50 + 1, number * 50 + 51):
            await mailbox.set_flags([uid], FlagChange.remove(SEEN), None)
    await table.timed(f"{name}: durable STORE of one flag, 20 sessions", 20 * 50, lambda: each(WRITERS, stores))

    async def reads(number: int) -> None:
        for uid in range(number * 100 + 1, number * 100 + 101):
            await mailbox.read(uid, 0, 1 << 20)
    await table.timed(f"{name}: messages read whole, 20 sessions", READS, lambda: each(WRITERS, reads))
    await store.close()


async def _again(mailbox: Any, times: int) -> None:
    for _ in range(times):
        await mailbox.status()
        await turn()


async def deliveries(path: Path, table: Table) -> None:
    """To twenty accounts, then to one."""
    store = MaildirStore(path, reactor)
    await store.start()
    for name, accounts in (("20 accounts", 20), ("one mailbox", 1)):
        async def deliver(number: int, accounts: int = accounts) -> None:
            for _ in range(DELIVERIES // WRITERS):
                message = New(BODY, HEAD, attributes=ATTRIBUTES)
                assert await store.deliver([(f"user{number % accounts}", "INBOX", message)]) == [None]
        await each(WRITERS, lambda number: store.open_account(f"user{number}", FRESH_ACCOUNT))
        await table.timed(f"durable deliveries of 10 KiB, 20 writers, {name}", DELIVERIES, lambda: each(WRITERS, deliver))
    many = [(f"user{number}", "INBOX", New(BODY, HEAD)) for number in range(20)]
    await table.timed("one message of 10 KiB for 20 accounts, recipients", 20 * 50, lambda: _shared(store, many))
    await store.close()


async def _shared(store: MaildirStore, targets: list[tuple[str, str, New]]) -> None:
    for _ in range(50):
        assert not any(await store.deliver(targets))


async def run(arguments: argparse.Namespace, folder: Path) -> None:
    table = Table(arguments.rows)
    for number in range(arguments.runs):
        for sized in (True, False):
            await folder_of(folder / "mail", table, arguments.messages, sized)
            shutil.rmtree(folder / "mail")
        await deliveries(folder / "mail", table)
        shutil.rmtree(folder / "mail")
        print(f"run {number + 1} of {arguments.runs}", file=sys.stderr)
    print(f"{machine()}\n\n{table}")


def main(_: object, arguments: argparse.Namespace, folder: str) -> Deferred[None]:
    steady()                            # as the server does
    return Deferred.fromCoroutine(run(arguments, Path(folder)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--rows", default="", help="print only rows whose names hold this")
    parser.add_argument("--folder", help="where to make the mail; by default a temporary folder")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as place:
        react(main, [given, place])
