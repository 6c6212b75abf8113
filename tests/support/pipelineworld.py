"""A pipeline over a real SQLite store and queue in virtual time, or over any other agents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock

from mailframe.interfaces.delivery import IDeliveryAgent
from mailframe.interfaces.store import IMailStore
from mailframe.model.address import Address
from mailframe.model.envelope import Envelope, Peer, Recipient
from mailframe.model.flags import SEEN
from mailframe.model.mailbox import FRESH_ACCOUNT, Field
from mailframe.model.refusal import Refusal
from mailframe.model.route import Account
from mailframe.pipeline.dispatch import Pipeline
from mailframe.pipeline.local import LocalAgent
from mailframe.pipeline.settings import PipelineSettings
from mailframe.pipeline.submission.sentcopy import SentCopies
from mailframe.queue.agent import QueueAgent
from mailframe.queue.runner import Runner
from mailframe.queue.schedule import RetrySettings
from mailframe.queue.spool import Spool
from mailframe.sqlite.engine import Engine
from mailframe.stores.sqlite.store import SqliteStore
from support.coroutines import result_of
from support.inline_engine import InlineEngine
from support.mailparts import ScriptedRelay, TableDirectory

MESSAGE = b"Message-ID: <m1@example.com>\r\nSubject: Hello\r\n\r\nHello\r\n"
STRANGER = Peer("192.0.2.7", helo="mail.example.com", protocol="ESMTPS", tls="TLSv1.3 TLS_AES_256_GCM_SHA384")
USER = Peer("192.0.2.8", helo="laptop", protocol="ESMTPSA", account="bob")
SENDER = Address.parse("alice@example.com")


def to(address: str, *notify: str) -> Recipient:
    return Recipient(Address.parse(address), frozenset(notify))


BOB, EVE, FAR = to("bob@example.org"), to("eve@example.org"), to("joe@example.net")      # two of ours, and another's


class PipelineWorld:
    """`bob` and `eve` at example.org have accounts; everything else is other servers'."""

    def __init__(
        self, *, filters: Sequence[object] = (), settings: PipelineSettings | None = None, store: IMailStore | None = None,
        local: IDeliveryAgent | None = None, with_queue: bool = True,
    ) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000.0)
        time = cast(IReactorTime, self.clock)
        self.engine = InlineEngine()
        own_store = SqliteStore(cast(Engine, self.engine), time)
        self.store: Any = store or own_store
        self.spool = Spool(cast(Engine, self.engine), own_store.content, time)
        self.directory = TableDirectory({"bob@example.org": Account("bob"), "eve@example.org": Account("eve")})
        self.local = local or LocalAgent(self.store)
        self.pipeline = Pipeline(
            self.directory, self.local, QueueAgent(self.spool) if with_queue else None, filters, settings or PipelineSettings(),
            clock=time, hostname="mx.example.org",
            sent=SentCopies(LocalAgent(self.store, flags=SEEN, return_path=False), self.store))
        self.relay = ScriptedRelay()
        self.runner = Runner(
            self.spool, self.relay, self.local, self.pipeline, RetrySettings(), time, hostname="mx.example.org", random=lambda: 0.5)
        result_of(self.spool.start())

    def send(
        self, *recipients: Recipient, peer: Peer = STRANGER, sender: Address | None = SENDER, content: bytes = MESSAGE,
        heads: Mapping[Recipient, bytes] = {}, **more: Any,
    ) -> Mapping[Recipient, Refusal | None]:
        """All steps of one transaction. Raises what any of them refuses."""
        envelope = Envelope("e1", sender, peer, self.clock.seconds(), **more)

        async def conversation() -> Mapping[Recipient, Refusal | None]:
            delivery = await self.pipeline.begin(envelope)
            try:
                for each in recipients:
                    await delivery.add_recipient(each)
                for start in range(0, len(content), 60_000):
                    await delivery.write(content[start:start + 60_000])
                return await delivery.commit(b"", heads)
            except BaseException:
                delivery.abort()
                raise

        return result_of(conversation())

    def mail(self, account: str, folder: str = "INBOX") -> list[bytes]:
        """All messages of a mailbox."""

        async def read() -> list[bytes]:
            opened = await self.store.open_account(account, FRESH_ACCOUNT)
            ids = {each.name: each.id for each in (await opened.mailboxes()).mailboxes}
            mailbox = await opened.open_mailbox(ids[folder])
            rows = await mailbox.rows([(1, 1 << 31)], 1_000, Field.SIZE)
            messages = []
            for uid, size in zip(rows.uids, rows.sizes):
                octets = b"".join([await mailbox.read(uid, at, 65_536) for at in range(0, size, 65_536)])
                assert len(octets) == size
                messages.append(octets)
            return messages

        return result_of(read())

    def queued(self) -> list[str]:
        """Recipients that wait."""
        return [str(one.recipient) for item in result_of(self.spool.list()) for one in item.waiting]
