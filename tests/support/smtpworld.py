"""An SMTP server in memory, with a clock of its own."""

from __future__ import annotations

import random
from typing import Any

from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import Portal
from twisted.internet.defer import succeed
from twisted.internet.task import Clock
from zope.interface import implementer

from mailframe.interfaces.auth import IMailUser
from mailframe.smtp.server import SmtpServerFactory
from mailframe.smtp.session import SmtpSession
from mailframe.smtp.settings import SmtpSettings

from .memory import MemoryTransport
from .reception import Recorder
from .transcripts import Player

# What many conversations begin with; see `transcripts`.
HELLO = "S: 220 *\nC: EHLO c.example\nS: ...\n"
MAIL = "C: MAIL FROM:<a@far.example>\nS: 250 *\n"
RCPT = "C: RCPT TO:<bob@mx.example>\nS: 250 *\n"
DATA = "C: DATA\nS: 354 *\n"
TEXT = "C: hello\nC: .\n"


def settle(player: Player) -> None:
    """All that is on its way has arrived, the end of the connection too."""
    player.transport.settle(player.protocol)


@implementer(IMailUser)
class User:
    def __init__(self, name: str, realm: Realm) -> None:
        self.name = name

    async def open_account(self) -> Any:
        raise AssertionError("SMTP opens no mailbox")


class Realm:
    def __init__(self) -> None:
        self.logouts = 0

    def requestAvatar(self, avatarId: bytes, mind: object, *interfaces: object) -> Any:
        return succeed((interfaces[0], User(avatarId.decode(), self), self._logout))

    def _logout(self) -> None:
        self.logouts += 1


def make_portal(realm: Realm | None = None) -> Portal:
    return Portal(realm or Realm(), [InMemoryUsernamePasswordDatabaseDontUse(bob=b"secret")])


class SmtpWorld:
    def __init__(self, *, portal: Portal | None = None, tls: object | None = "context", **settings: Any) -> None:
        self.clock = Clock()
        self.clock.advance(1_800_000_000)
        self.reception = Recorder()
        self.settings = SmtpSettings(**{"hostname": "mx.example", "max_message_octets": 1_000_000, **settings})
        self.factory = SmtpServerFactory(
            self.reception, self.settings, clock=self.clock, portal=portal, tls=tls, random=random.Random(7),
        )

    def connect(self, ip: str = "192.0.2.7", *, encrypted: bool = False, **options: Any) -> Player:
        protocol: SmtpSession = self.factory.buildProtocol(None)
        return Player(protocol, MemoryTransport(ip, tls=encrypted), self.clock, **options)
