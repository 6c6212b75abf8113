"""A POP3 server in memory over a store in memory, with a clock of its own."""

from __future__ import annotations

from typing import Any

from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from mailframe.auth.realm import portal
from mailframe.interfaces.store import IMailbox
from mailframe.model.mailbox import FRESH_ACCOUNT, MAX_UID, Field, New
from mailframe.pop3.server import Pop3ServerFactory
from mailframe.pop3.settings import Pop3Settings
from mailframe.stores.memory import MemoryStore

from .memory import MemoryTransport
from .transcripts import Player

PASSWORDS = {"bob": b"secret", "alice": b"pass word"}


def now(answer: Any) -> Any:
    """What a coroutine that never waits returns."""
    deferred = Deferred.fromCoroutine(answer)
    found: list[Any] = []
    deferred.addCallback(found.append)
    assert found, "it waits"
    return found[0]


def checker() -> InMemoryUsernamePasswordDatabaseDontUse:
    return InMemoryUsernamePasswordDatabaseDontUse(**PASSWORDS)


class Transport(MemoryTransport):
    def setTcpNoDelay(self, enabled: bool) -> None:
        assert enabled


class Pop3World:
    """`store` may be any; bob's INBOX is filled by `deliver`."""

    def __init__(self, *, store: Any = None, tls: object | None = "context", **settings: Any) -> None:
        self.clock = Clock()
        self.clock.advance(1_800_000_000)
        self.store = store or MemoryStore(self.clock.seconds)
        self.settings = Pop3Settings(**{"plaintext_login": "always", **settings})
        self.factory = Pop3ServerFactory(portal(self.store, [checker()]), self.settings, clock=self.clock, tls=tls)

    def inbox(self, name: str = "bob") -> IMailbox:
        account = now(self.store.open_account(name, FRESH_ACCOUNT))
        listed = now(account.mailboxes()).mailboxes
        return now(account.open_mailbox(next(info.id for info in listed if info.name == "INBOX")))

    def deliver(self, *messages: bytes, name: str = "bob") -> list[int]:
        return list(now(self.inbox(name).append([New(octets, size=len(octets)) for octets in messages])))

    def uids(self, name: str = "bob") -> list[int]:
        return list(now(self.inbox(name).rows(((1, MAX_UID),), 10_000, Field.NONE)).uids)

    def connect(self, ip: str = "192.0.2.7", *, encrypted: bool = False, **options: Any) -> Player:
        protocol = self.factory.buildProtocol(IPv4Address("TCP", ip, 40_000))
        return Player(protocol, Transport(ip, tls=encrypted), self.clock, **options)
