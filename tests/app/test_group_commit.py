"""A whole server: what many clients hand in at once is made durable together."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.protocols.basic import LineReceiver
from twisted.trial.unittest import TestCase

from mailframe.app.config import Config, Listener
from mailframe.app.service import MailService
from mailframe.app.toml import PluginSpec
from mailframe.auth.accountedit import add
from mailframe.auth.hashing import hash_password
from mailframe.testing.temporary import TemporaryPlaces

reactor: Any = the_reactor
CLIENTS = 100


class Client(LineReceiver):
    """Hands in one message; `done` fires with the reply to its end."""

    def __init__(self, number: int) -> None:
        body = b"Subject: %d\r\n\r\nHello\r\n.\r\n" % number
        self.steps = [b"EHLO c.example\r\n", b"MAIL FROM:<a@c.example>\r\n", b"RCPT TO:<bob@one.example>\r\n", b"DATA\r\n", body]
        self.done: Deferred[bytes] = Deferred()

    def lineReceived(self, line: bytes) -> None:
        if line[3:4] == b"-":
            return
        if self.steps:
            self.transport.write(self.steps.pop(0))
        else:
            self.transport.loseConnection()
            self.done.callback(line)


class GroupCommitTests(TemporaryPlaces, TestCase):
    async def test_a_hundred_messages_at_once_take_a_few_commits(self) -> None:
        service = await self.running()
        engine = service.parts.store.engine
        jobs, commits = engine.jobs, engine.commits
        everybody_is_there, waiting = threading.Event(), [0]
        submit = engine.submit
        submit(lambda con: everybody_is_there.wait(20))     # until then the writer is as slow as a disk may be

        def counted(*arguments: Any) -> Any:
            waiting[0] += 1
            if waiting[0] == CLIENTS:
                reactor.callLater(0, everybody_is_there.set)
            return submit(*arguments)

        self.patch(engine, "submit", counted)
        clients = [Client(number) for number in range(CLIENTS)]
        endpoint = TCP4ClientEndpoint(reactor, *service.addresses()["smtp"])
        await gatherResults([connectProtocol(endpoint, client) for client in clients])
        replies = await gatherResults([client.done for client in clients])
        self.assertEqual({b"250 2.0.0 Ok: queued as"}, {reply.rpartition(b" ")[0] for reply in replies})
        self.assertEqual(CLIENTS + 1, engine.jobs - jobs)
        self.assertLessEqual(engine.commits - commits, 5)
        account = await service.parts.store.open_account("bob@one.example", ())
        inbox = next(info.id for info in (await account.mailboxes()).mailboxes if info.name == "INBOX")
        self.assertEqual(CLIENTS, (await (await account.open_mailbox(inbox)).status()).messages)

    async def running(self) -> MailService:
        data = Path(self.mktemp())
        data.mkdir(mode=0o700)
        add(data / "accounts", "bob@one.example", hash_password("secret"))
        config = Config(
            hostname="mx.one.example", domains=("one.example",), data=data,
            auth=(PluginSpec("file", {"path": str(data / "accounts")}),),
            listeners={"smtp": Listener("smtp", "tcp:0:interface=127.0.0.1")})
        service = MailService(config, reactor)
        service.privilegedStartService()
        service.startService()
        self.addCleanup(service.stopService)
        await service.started
        return service
