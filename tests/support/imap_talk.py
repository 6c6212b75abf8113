"""IMAP conversations as data: several clients on real sockets, one server, any store.

    given INBOX: 3 \\Deleted        # mail that is there at first: so many messages with these flags
    1: a1 SELECT INBOX     => ... | OK              # "..." stands for any number of lines
    2: b1 FETCH 1 FLAGS    => * 1 FETCH (FLAGS ()) | OK

Client n logs in as the one user when it first speaks. Lines of an answer are parted by " | "; the last is the tagged one
without its tag, of which the beginning counts. \\Recent and RECENT are left out: not every store knows of them.
Within a line "<any>" stands for anything; "\\r\\n" in a command for a line end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import IRealm, Portal
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, connectProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from mailframe.imap.registry import Registry
from mailframe.imap.server import ImapServerFactory
from mailframe.imap.settings import ImapSettings
from mailframe.interfaces.auth import IMailUser
from mailframe.interfaces.content import IContent
from mailframe.interfaces.store import IAccount, IMailbox, IMailStore
from mailframe.model.flags import flag_mask
from mailframe.model.mailbox import FRESH_ACCOUNT, New

from .imap_strict import Stream

_RECENT = re.compile(r"\* \d+ RECENT\r\n| ?\\Recent")
MESSAGE = b"""\
From: Sender %d <sender%d@example.org>\r
To: alice@example.org\r
Subject: message %d\r
Date: Mon, 0%d Jan 2024 10:00:00 +0000\r
Message-ID: <%d@example.org>\r
\r
body of %d\r
"""


def message(number: int) -> bytes:
    """A small message, different for each number from 1 to 9."""
    return MESSAGE % ((number,) * 6)


@implementer(IMailUser)
class _User:
    name = "alice"

    def __init__(self, store: IMailStore) -> None:
        self._store = store

    async def open_account(self) -> IAccount:
        return await self._store.open_account("alice", FRESH_ACCOUNT)


@implementer(IRealm)
class _Realm:
    def __init__(self, store: IMailStore) -> None:
        self._store = store

    def requestAvatar(self, avatarId: Any, mind: Any, *interfaces: Any) -> Any:
        return IMailUser, _User(self._store), lambda: None


class Client(Protocol):
    """One connection; `say` waits for the tagged answer."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.strict = Stream()
        self.lost: Deferred[None] = Deferred()
        self._until: Callable[[bytes], bool] = lambda octets: False
        self._waiting: Deferred[bytes] | None = None

    def dataReceived(self, data: bytes) -> None:
        self.strict.feed(data)          # what is not in the grammar is raised: the reactor closes the connection, and logs it
        self.received += data
        if self._waiting is not None and self._until(self._tail):
            waiting, self._waiting = self._waiting, None
            waiting.callback(self._taken())

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            waiting.errback(ConnectionError(f"closed after {self._tail[-200:]!r}"))
        self.lost.callback(None)

    async def until(self, ended: Callable[[bytes], bool]) -> bytes:
        """All that comes until `ended` says so of its last octets."""
        if ended(self._tail):
            return self._taken()
        self._until, self._waiting = ended, Deferred()
        return await self._waiting

    @property
    def _tail(self) -> bytes:
        return bytes(self.received[-4_000:])

    def _taken(self) -> bytes:
        octets = bytes(self.received)
        self.received.clear()
        return octets

    async def say(self, tag: bytes, command: bytes) -> bytes:
        assert self.transport is not None
        self.transport.write(tag + b" " + command + b"\r\n")
        tagged = re.compile(rb"(?:\A|\r\n)" + re.escape(tag) + rb" [^\r\n]*\r\n\Z")
        return await self.until(lambda octets: tagged.search(octets) is not None)


class Talk:
    """A server over `store` on a free port, and its clients."""

    def __init__(
        self, reactor: Any, store: IMailStore, settings: ImapSettings | None = None, registry: Registry | None = None,
    ) -> None:
        self.reactor, self.store = reactor, store
        portal = Portal(_Realm(store), [InMemoryUsernamePasswordDatabaseDontUse(alice=b"secret")])
        content = store if IContent.providedBy(store) else None
        self.factory = ImapServerFactory(portal, settings, clock=reactor, registry=registry, content=content)
        self.clients: dict[str, Client] = {}
        self._port: Any = None

    async def start(self) -> None:
        await self.store.start()
        self._port = await TCP4ServerEndpoint(self.reactor, 0, interface="127.0.0.1").listen(self.factory)

    @property
    def port(self) -> int:
        return int(self._port.getHost().port)

    async def stop(self) -> None:
        for client in self.clients.values():
            if client.transport is not None:
                client.transport.abortConnection()
            await client.lost
        await self._port.stopListening()
        await self.factory.stop()
        await self.store.close()

    async def mailbox(self, name: str = "INBOX") -> IMailbox:
        account = await self.store.open_account("alice", FRESH_ACCOUNT)
        listed = await account.mailboxes()
        return await account.open_mailbox(next(info.id for info in listed.mailboxes if info.name == name))

    async def give(self, messages: Sequence[New], name: str = "INBOX") -> None:
        await (await self.mailbox(name)).append(messages)

    async def client(self, name: str) -> Client:
        """Logged in."""
        client = self.clients.get(name)
        if client is None:
            endpoint = TCP4ClientEndpoint(self.reactor, "127.0.0.1", self.port)
            client = self.clients[name] = await connectProtocol(endpoint, Client())
            await client.until(lambda octets: octets.endswith(b"\r\n"))
            assert b"OK" in await client.say(b"login", b"LOGIN alice secret")
        return client

    async def play(self, transcript: str) -> None:
        for number, line in enumerate(transcript.splitlines(), 1):
            line = re.sub(r"(^|\s\s+)#.*", "", line).strip()
            if line.startswith("given "):
                await self._given(line)
            elif line:
                await self._step(number, line)

    async def _given(self, line: str) -> None:
        found = re.fullmatch(r"given ([^:]+): (\d+)((?: \S+)*)", line)
        assert found is not None, line
        mailbox = await self.mailbox(found[1])
        words = found[3].encode().split()
        table = await mailbox.keywords([word.decode() for word in words if not word.startswith(b"\\")])
        flags = flag_mask(words, table)
        start = (await mailbox.status()).uidnext
        await mailbox.append([
            New(octets, flags=flags, date=1_700_000_000 + each * 86_400, size=len(octets))
            for each in range(start, start + int(found[2])) for octets in (message(each),)
        ])

    async def _step(self, number: int, line: str) -> None:
        said, _, expected = line.partition("=>")
        who, tag, command = re.fullmatch(r"(\w+): (\S+) (.*)", said.strip()).groups()  # type: ignore[union-attr]
        client = await self.client(who)
        octets = await client.say(tag.encode(), command.replace("\\r\\n", "\r\n").encode())
        answer = _RECENT.sub("", octets.decode("latin-1").removesuffix("\r\n")).split("\r\n")
        answer[-1] = answer[-1].removeprefix(tag + " ")
        wanted = [piece.strip() for piece in expected.split(" | ")]
        wanted[-1] += "<any>"
        assert _matches(answer, wanted), f"line {number}: {line}\nanswered: " + " | ".join(answer)


def _matches(answer: Sequence[str], wanted: Sequence[str]) -> bool:
    pattern = ""
    for piece in wanted:
        if piece == "...":
            pattern += r"(?:[^\n]*\n)*"
        else:
            pattern += r"[^\n]*".join(map(re.escape, piece.split("<any>"))) + "\n"
    return re.fullmatch(pattern, "".join(line + "\n" for line in answer)) is not None
