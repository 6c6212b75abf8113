"""A queue in virtual time: everything runs at once, days pass with `pass_time`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock

from mailframe.interfaces.delivery import IDeliveryAgent
from mailframe.model.address import Address
from mailframe.model.envelope import Envelope, Recipient
from mailframe.queue.agent import QueueAgent
from mailframe.queue.item import Item
from mailframe.queue.runner import Runner
from mailframe.queue.schedule import RetrySettings
from mailframe.queue.spool import Spool
from mailframe.sqlite.content import SqliteContent
from mailframe.sqlite.engine import Engine
from support.coroutines import result_of
from support.inline_engine import InlineEngine
from support.mailparts import KeepingAgent, ScriptedRelay

CONTENT = b"Message-ID: <m1@example.org>\r\nSubject: Hello\r\n\r\nHello\r\n"
ALICE = Address.parse("alice@example.org")


def to(address: str, *notify: str, account: str | None = None, orcpt: str | None = None) -> Recipient:
    return Recipient(Address.parse(address), frozenset(notify), orcpt, account)


class World:
    """One spool, one runner over a scripted relay, mailboxes and a keeper of reports."""

    def __init__(
        self, settings: RetrySettings | None = None, *, reports: IDeliveryAgent | None = None,
        random: Callable[[], float] = lambda: 0.5,
    ) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000.0)
        time = cast(IReactorTime, self.clock)
        self.engine = InlineEngine()
        engine = cast(Engine, self.engine)
        self.content = SqliteContent(engine, time)
        self.spool = Spool(engine, self.content, time)
        self.relay = ScriptedRelay()
        self.mailboxes = KeepingAgent()
        self.reports = KeepingAgent()
        self.settings = settings or RetrySettings()
        self._new = lambda: Runner(
            self.spool, self.relay, self.mailboxes, reports or self.reports, self.settings, time, hostname="mx.example.org",
            random=random)
        self.runner = self._new()
        result_of(self.spool.start())
        self.runner.start()

    def restart(self) -> None:
        """As after a crash: the runner is gone in the middle of whatever it did, another one starts on the same file."""
        self.runner._unsubscribe()
        self.runner._stopped = True
        self.runner._cancel_timer()
        self.runner = self._new()
        self.runner.start()

    def queue(
        self, *recipients: Recipient, sender: Address | None = ALICE, content: bytes = CONTENT, head: bytes = b"", **more: Any,
    ) -> None:
        envelope = Envelope("e1", sender, received_at=self.clock.seconds(), **more)
        agent = QueueAgent(self.spool)

        async def deliver() -> None:
            delivery = await agent.begin(envelope)
            for each in recipients:
                await delivery.add_recipient(each)
            await delivery.write(content)
            outcomes = await delivery.commit(head)
            assert set(outcomes.values()) == {None}

        result_of(deliver())

    def pass_time(self, seconds: float, step: float = 60.0) -> None:
        end = self.clock.seconds() + seconds
        while self.clock.seconds() < end:
            self.clock.advance(min(step, end - self.clock.seconds()))

    def items(self) -> Sequence[Item]:
        return result_of(self.spool.list())

    def is_empty(self) -> bool:
        """Neither messages nor recipients nor references to content are left."""
        return [self.engine.read(f"SELECT count(*) FROM {table}")[0][0] for table in (
            "queue_message", "queue_recipient", "content WHERE refs > 0")] == [0, 0, 0]
