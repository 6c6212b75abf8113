"""A relay among real DNS and SMTP peers on loopback, for tests of what it does."""

from __future__ import annotations

import random

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from mailframe.dns.resolver import Resolver
from mailframe.model.address import Address
from mailframe.model.envelope import Envelope, Recipient
from mailframe.relay.agent import RelayAgent
from mailframe.relay.settings import RelaySettings
from mailframe.smtp.client_settings import ClientSettings
from mailframe.tls.client import ClientContexts
from support.certificates import self_signed
from support.dnsserver import DnsServer
from support.smtpsink import SmtpSink

ENVELOPE = Envelope("id", Address.parse("alice@example.com"))
CONTENT = b"Subject: x\r\n\r\nhello\r\n"
SERVER_TLS, ROOT = self_signed("mx1.example.org")
PATIENT = ClientSettings(10, 10, 10, 10, 10, 10, 10)        # a test that needs less says so


def to(*texts: str) -> list[Recipient]:
    return [Recipient(Address.parse(text)) for text in texts]


BOB, EVE = to("bob@example.org", "eve@example.org")


async def until(condition) -> None:
    """Turn the reactor until it is so; the test's own timeout ends a wait in vain."""
    while not condition():
        turn: Deferred[None] = Deferred()
        reactor.callLater(0.005, turn.callback, None)
        await turn


class Source:
    def __init__(self, content: bytes = CONTENT) -> None:
        self.content = content
        self.size = len(content)

    async def read(self, offset: int, size: int) -> bytes:
        return self.content[offset:offset + size]


class RelayCase(TestCase):
    """DNS, two mail exchangers of example.org on 127.0.0.2 and 127.0.0.3 (`first` is preferred), and agents that know them."""

    timeout = 20

    def setUp(self) -> None:
        self.dns = DnsServer(reactor, {
            "example.org": {"MX": ["10 mx1.example.org.", "20 mx2.example.org."]},
            "mx1.example.org": {"A": ["127.0.0.2"]},
            "mx2.example.org": {"A": ["127.0.0.3"]},
            "implicit.example": {"A": ["127.0.0.2"]},
            "null.example": {"MX": ["0 ."]},
            "bare.example": {"TXT": ["x"]},
            "mine.example": {"MX": ["10 me.example.", "20 mx1.example.org."]},
            "orphan.example": {"MX": ["10 gone.example."]},
            "other.example": {"MX": ["10 mx2.example.org."]},
        })
        self.nameserver = ("127.0.0.1", self.dns.start())
        self.first, self.second = SmtpSink(reactor, name="mx1.example.org"), SmtpSink(reactor, name="mx2.example.org")
        self.port = self.first.start(interface="127.0.0.2")
        self.second.start(self.port, "127.0.0.3")
        self.agents: list[RelayAgent] = []
        self.dns_timeout_s = 5.0

        async def end() -> None:
            for agent in self.agents:
                await agent.close()
            for server in (self.dns, self.first, self.second):
                await server.stop()

        self.addCleanup(lambda: Deferred.fromCoroutine(end()))

    def agent(self, **settings) -> RelayAgent:
        settings = {"port": self.port, "client": PATIENT, "connect_timeout_s": 10.0, **settings}
        resolver = Resolver(reactor, nameservers=[self.nameserver], timeout_s=self.dns_timeout_s)
        agent = RelayAgent(resolver, RelaySettings(**settings), reactor=reactor, hostname="me.example", tls=ClientContexts(ROOT),
                           random=random.Random(1))
        self.agents.append(agent)
        return agent

    async def deliver(
        self, *recipients: Recipient, agent: RelayAgent | None = None, envelope: Envelope = ENVELOPE, content: bytes = CONTENT,
        **settings,
    ):
        agent = agent or self.agent(**settings)
        return await agent.deliver(envelope, recipients, Source(content), b"Received: by me\r\n")
