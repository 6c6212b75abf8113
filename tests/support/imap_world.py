"""An IMAP server without a network: clients that talk to real sessions, over any store."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from typing import Any

from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import Portal
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.task import Clock, deferLater
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from mailframe.auth.realm import MailRealm
from mailframe.imap.registry import Registry
from mailframe.imap.server import ImapServerFactory
from mailframe.imap.settings import ImapSettings
from mailframe.interfaces.content import IContent
from mailframe.interfaces.store import IMailStore
from mailframe.interfaces.urlauth import IMailboxKeys
from mailframe.stores.memory import MemoryStore

from .imap_strict import Response, Stream

NOW = 1_760_000_000     # where virtual clocks begin: October 2025


def portal(store: IMailStore) -> Portal:
    """alice and bob, both with the password "secret"."""
    users = InMemoryUsernamePasswordDatabaseDontUse(alice=b"secret", bob=b"secret")
    return Portal(MailRealm(store), [users])


class World:
    """A factory over `store`, on a virtual clock unless another is given (a store with threads wants the real reactor)."""

    def __init__(
        self, store: IMailStore | None = None, settings: ImapSettings | None = None, *, clock: Any = None,
        registry: Registry | None = None, tls: object | None = None, keys: IMailboxKeys | None = None,
    ) -> None:
        self.store: Any = MemoryStore(lambda: NOW) if store is None else store
        self.clock: Any = Clock() if clock is None else clock
        if clock is None:
            self.clock.rightNow = float(NOW)
        content = self.store if IContent.providedBy(self.store) else None
        self.factory = ImapServerFactory(
            portal(self.store), settings, clock=self.clock, registry=registry, tls=tls, content=content, keys=keys)
        self.clients: list[Client] = []
        self.turns: list[Deferred[None]] | None = None      # a list: several talk at once, each waits for its turn
        self.faults: list[Exception] = []       # answers that are not in the grammar

    def connect(self, host: str = "127.0.0.1") -> Client:
        """A client that has been greeted."""
        client = Client(self, host)
        self.clients.append(client)
        return client

    async def login(self, user: str = "alice") -> Client:
        client = self.connect()
        assert (await client.command(f"l LOGIN {user} secret"))[-1].startswith("l OK"), client.transcript
        return client

    def take_turns(self) -> None:
        """On a virtual clock: everything that is due, then whoever waits for its turn."""
        waiting, self.turns = self.turns or [], []
        self.clock.advance(0)
        for turn in waiting:
            turn.callback(None)

    def close(self) -> None:
        for client in self.clients:
            client.hang_up()


class Client:
    """One connection; what the server wrote is in `transcript`, and as values of the strict grammar in `responses`."""

    def __init__(self, world: World, host: str) -> None:
        self.world = world
        self.transcript = b""
        self.responses: list[Response] = []
        self.strict: Stream | None = Stream()       # None: this test makes the server say what no grammar knows
        self.overheard: Callable[[bytes], None] | None = None      # is given what the server writes, as it does
        self.writes = 0                 # how many pieces the server wrote
        self.closed = False
        self._read = 0                  # up to where `until` has returned
        self._waiting: Deferred[None] | None = None
        self.protocol: Any = world.factory.buildProtocol(IPv4Address("TCP", host, 40_000))
        self.transport = _Transport(self)
        self.protocol.makeConnection(self.transport)

    def send(self, octets: bytes | str) -> None:
        self.protocol.dataReceived(octets.encode() if isinstance(octets, str) else octets)

    async def command(self, text: str | bytes) -> list[str]:
        """Send it with CRLF; the lines up to its tagged answer (literals stay within their line, as \\r\\n)."""
        octets = text.encode() if isinstance(text, str) else text
        self.send(octets + b"\r\n")
        return await self.until(re.escape(octets.split(b" ")[0]) + rb" [^\r\n]*\r\n")

    async def until(self, pattern: bytes) -> list[str]:
        """The lines up to one that matches."""
        found = re.compile(rb"^" + pattern, re.MULTILINE)
        for _ in range(1_000):
            if self.world.faults:
                raise self.world.faults[0]
            match = found.search(self.transcript, self._read)
            if match is not None or self.closed:
                end = match.end() if match is not None else len(self.transcript)
                text, self._read = self.transcript[self._read:end], end
                return lines(text)
            await self._more()
        raise AssertionError(f"{pattern!r} did not come after {self.transcript[self._read:]!r}")

    async def turn(self, *, coming: bool) -> None:
        """Let others run; with an answer `coming`, until something may have come."""
        if coming or isinstance(self.world.clock, Clock):
            await self._more()
        else:
            await deferLater(self.world.clock, 0)

    async def more(self) -> list[str]:
        """What comes next; fails when nothing does."""
        await self._more()
        return self.pending()

    def pending(self) -> list[str]:
        """What came without being waited for."""
        text, self._read = self.transcript[self._read:], len(self.transcript)
        return lines(text)

    async def _more(self) -> None:
        if self.world.turns is not None and isinstance(self.world.clock, Clock):
            turn: Deferred[None] = Deferred()
            self.world.turns.append(turn)
            await turn
            return
        if isinstance(self.world.clock, Clock):
            self.world.clock.advance(0)
            return
        waiting: Deferred[None] = Deferred()
        self._waiting = waiting
        late = self.world.clock.callLater(5, waiting.errback, Failure(AssertionError(f"silence after {self.transcript!r}")))
        try:
            await waiting
        finally:
            self._waiting = None
            if late.active():
                late.cancel()

    def end(self) -> None:
        """Half-close: nothing more is said, the answers are still read."""
        IHalfCloseableProtocol(self.protocol).readConnectionLost()

    def told(self, octets: bytes) -> None:
        self.transcript += octets
        self.writes += 1
        if self.overheard is not None:
            self.overheard(octets)
        if self.strict is not None:
            try:
                self.responses += self.strict.feed(octets)
            except (AssertionError, ValueError) as fault:       # kept: raised here it would meet the server
                self.world.faults.append(fault)
                self.strict = None
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)

    def hang_up(self) -> None:
        if not self.closed:
            self.closed = True
            self.protocol.connectionLost(Failure(ConnectionError()))
            self.told(b"")


class _Transport(StringTransport):
    def __init__(self, client: Client) -> None:
        super().__init__()
        self._client = client

    def write(self, data: bytes) -> None:
        self._client.told(data)

    def loseConnection(self) -> None:
        self._client.hang_up()

    def abortConnection(self) -> None:
        self._client.hang_up()


def lines(text: bytes) -> list[str]:
    """Answers as text, one each; a literal does not end its line."""
    found: list[str] = []
    while text:
        end = 0
        while True:
            end = text.find(b"\r\n", end)
            mark = re.search(rb"\{(\d+)\}$", text[:end]) if end >= 0 else None
            if mark is None:
                break
            end += 2 + int(mark[1])
        end = len(text) if end < 0 else end
        found.append(text[:end].decode("utf-8", "replace"))
        text = text[end + 2:]
    return found



def run(conversation: Callable[[World], Coroutine[Deferred[Any], Any, None]], world: World | None = None) -> None:
    """Drive a test over a world on its virtual clock to its end, now."""
    world = World() if world is None else world
    failures: list[Failure] = []
    finished = Deferred.fromCoroutine(conversation(world))
    finished.addErrback(failures.append)
    world.close()
    if world.faults:
        raise world.faults[0]
    if failures:
        failures[0].raiseException()
    assert finished.called, "the conversation waits for what never comes"
