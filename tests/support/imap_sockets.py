"""An IMAP server on a real port, for clients that block in threads."""

from __future__ import annotations

import imaplib
import ssl
from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet import endpoints, reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from mailframe.imap.server import ImapServerFactory
from mailframe.imap.settings import ImapSettings
from mailframe.stores.memory import MemoryStore

from .certs import server_context
from .imap_world import portal

T = TypeVar("T")
MESSAGE = b"From: a@example.org\r\nSubject: hello\r\n\r\n" + b"line\r\n" * 30_000


class Sockets(TestCase):
    """A server on a port of its own; clients block, in threads."""

    timeout = 20

    async def setUp(self) -> None:
        await self.listen("tcp:0:interface=127.0.0.1")

    async def listen(self, description: str) -> None:
        clock: Any = reactor
        store: Any = MemoryStore()
        self.factory = ImapServerFactory(
            portal(store), ImapSettings(login_failure_delay_s=0.05), clock=clock, tls=server_context(), content=store)
        self.port = await endpoints.serverFromString(clock, description).listen(self.factory)
        self.address = ("127.0.0.1", self.port.getHost().port)

    async def tearDown(self) -> None:
        await self.port.stopListening()
        await self.factory.stop(0.5)

    def blocking(self, work: Callable[[], T]) -> Deferred[T]:
        return deferToThread(work)

    def client(self) -> imaplib.IMAP4:
        return imaplib.IMAP4(*self.address, timeout=10)


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
