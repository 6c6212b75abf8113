"""A small server that is killed by test_crash.py: python crash_child.py FOLDER FIRST COUNT."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from support.mailparts import TableDirectory
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from zope.interface import implementer

from mailframe.interfaces.delivery import IMessageSource, IRelay
from mailframe.model.address import Address
from mailframe.model.envelope import Envelope, Peer, Recipient
from mailframe.model.mailbox import FRESH_ACCOUNT, Field
from mailframe.model.refusal import Refusal, RemoteRefusal
from mailframe.model.route import Account
from mailframe.pipeline.dispatch import Pipeline
from mailframe.pipeline.local import LocalAgent
from mailframe.pipeline.settings import PipelineSettings
from mailframe.queue.agent import QueueAgent
from mailframe.queue.runner import Runner
from mailframe.queue.schedule import RetrySettings
from mailframe.queue.spool import Spool
from mailframe.sqlite.engine import Engine
from mailframe.stores.sqlite.store import SqliteStore

reactor: object = _reactor
BOB = Address.parse("bob@example.org")


@implementer(IRelay)
class LoggingRelay:
    """Writes what it is given into a file; example.com refuses everything."""

    def __init__(self, folder: Path) -> None:
        self.log = os.open(folder / "relayed", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def deliver(
        self, envelope: Envelope, recipients: Sequence[Recipient], source: IMessageSource, head: bytes = b"",
    ) -> Mapping[Recipient, Refusal | None]:
        await deferLater(reactor, 0.002)  # type: ignore[arg-type]
        if recipients[0].address.domain == "example.com":
            refusal = RemoteRefusal(smtp=(550, "5.1.1"), mta="mx.example.com", diagnostic="550 5.1.1 nobody")
            return dict.fromkeys(recipients, refusal)
        octets = await source.read(0, source.size)
        os.write(self.log, octets.split(b"Subject: ")[1].split(b"\r\n")[0] + b"\n")
        return dict.fromkeys(recipients)


async def main(folder: Path, first: int, count: int) -> None:
    engine = Engine(folder / "mail.sqlite", reactor)  # type: ignore[arg-type]
    store = SqliteStore(engine, reactor)  # type: ignore[arg-type]
    spool = Spool(engine, store.content, reactor)  # type: ignore[arg-type]
    local = LocalAgent(store)
    pipeline = Pipeline(
        TableDirectory({"bob@example.org": Account("bob")}), local, QueueAgent(spool), (), PipelineSettings(),
        clock=reactor, hostname="mx.example.org")  # type: ignore[arg-type]
    runner = Runner(
        spool, LoggingRelay(folder), local, pipeline, RetrySettings(), reactor,  # type: ignore[arg-type]
        hostname="mx.example.org")
    await store.start()
    await spool.start()
    runner.start()
    say(b"ready\n")
    for number in range(first, first + count):
        delivery = await pipeline.begin(Envelope(f"e{number}", BOB, Peer(""), _reactor.seconds()))  # type: ignore[attr-defined]
        for address in ("bob@example.org", "joe@example.net", "joe@example.com"):
            await delivery.add_recipient(Recipient(Address.parse(address)))
        await delivery.write(b"Message-ID: <%d@example.org>\r\nSubject: %d\r\n\r\nHello\r\n" % (number, number))
        outcomes = await delivery.commit()
        assert set(outcomes.values()) == {None}
        say(b"%d\n" % number)
    while await spool.list(1):
        await deferLater(reactor, 0.01)  # type: ignore[arg-type]
    await runner.stop()
    account = await store.open_account("bob", FRESH_ACCOUNT)
    inbox = next(each for each in (await account.mailboxes()).mailboxes if each.name == "INBOX")
    mailbox = await account.open_mailbox(inbox.id)
    rows = await mailbox.rows([(1, 1 << 31)], 100_000, Field.SIZE)
    for uid in rows.uids:
        octets = await mailbox.read(uid, 0, 10_000)
        kind = b"report" if b"In-Reply-To" in octets else b"mail"
        number = octets.split(b"In-Reply-To: <" if kind == b"report" else b"Message-ID: <")[1].split(b"@")[0]
        say(b"%b %b\n" % (kind, number))
    await spool.close()
    say(b"done\n")


def say(line: bytes) -> None:
    os.write(1, line)


def start() -> None:
    def end(outcome: object) -> None:
        if outcome is not None:
            print(outcome, file=sys.stderr)
        _reactor.stop()  # type: ignore[attr-defined]

    work = main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
    _reactor.callWhenRunning(lambda: Deferred.fromCoroutine(work).addBoth(end))  # type: ignore[attr-defined]
    _reactor.run()  # type: ignore[attr-defined]


if __name__ == "__main__":
    start()
