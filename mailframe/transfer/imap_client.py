"""One connection to another IMAP server, as far as reading mail wants it (RFC 3501): a command at a time, literals streamed."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from mailframe.sasl.exchange import encode_base64
from mailframe.sasl.plain import PlainClient
from mailframe.tls.reasons import why_ended

from .imap_answers import Answer, Answers, BadAnswer
from .source import TransferError

TIMEOUT_S = 300.0           # without an octet from the server: slow ones take minutes for SEARCH of a large mailbox
_AHEAD_OCTETS = 1_048_576   # of a large literal that may wait to be taken


class Gone(TransferError):
    """The connection is no more; another one may do."""


class Said(TransferError):
    """The server said NO or BAD."""


@implementer(IHandshakeListener)
class ImapClient(Protocol):
    """Use: greeting, tls if wanted, login, then `command` and `stream`, one at a time; `close` at the end."""

    def __init__(self, host: str, clock: Any) -> None:
        self.capabilities: frozenset[bytes] = frozenset()
        self._host = host
        self._clock = clock
        self._answers = Answers(self._answered, self._piece)
        self._each: Callable[[Answer], None] = lambda answer: None
        self._ready: deque[Answer] = deque()            # tagged, "+" and the greeting
        self._pieces: deque[bytes] | None = None        # of a large literal that somebody takes
        self._waiting: int = 0                          # octets in it
        self._waiter: Deferred[None] | None = None
        self._gone: TransferError | None = None
        self._handshake = False
        self._number = 0

    # -- the conversation

    async def greeting(self) -> bool:
        """Await it; whether we are logged in already. Raises Gone."""
        answer = await self._next()
        if answer.word not in (b"OK", b"PREAUTH"):
            raise self._broken(f"it does not want us: {_text(answer)}")
        return answer.word == b"PREAUTH"

    async def tls(self, creator: Any) -> None:
        """The handshake, before the greeting or after STARTTLS. Raises Gone when it fails."""
        self._handshake = True
        transport: Any = self.transport
        transport.startTLS(creator)
        while self._handshake and self._gone is None:
            await self._wait()
        self._alive()

    async def starttls(self, creator: Any) -> None:
        """Raises Said where the server has none."""
        await self.command(b"STARTTLS")
        if not self._answers.empty:
            raise self._broken("it sent octets between STARTTLS and the handshake")        # I5
        await self.tls(creator)

    async def capability(self) -> None:
        """Ask what it can do."""
        found: set[bytes] = set()

        def each(answer: Answer) -> None:
            if answer.word == b"CAPABILITY":
                found.update(value.upper() for value in answer.values if isinstance(value, bytes))

        await self.command(b"CAPABILITY", each)
        self.capabilities = frozenset(found)

    async def login(self, user: str, password: str) -> None:
        """By SASL PLAIN where it is offered, else by LOGIN. Raises Said."""
        if b"AUTH=PLAIN" in self.capabilities:
            await self.command(b"AUTHENTICATE PLAIN", more=(encode_base64(PlainClient(user, password).initial()),), secret=True)
        elif b"LOGINDISABLED" in self.capabilities:
            raise Said(f"{self._host} takes no password on this connection; try another --tls")
        else:
            user_octets, password_octets = user.encode(), password.encode()
            await self.command(b"LOGIN {%d}" % len(user_octets), secret=True,
                               more=(user_octets + b" {%d}" % len(password_octets), password_octets))

    async def command(
        self, line: bytes, each: Callable[[Answer], None] = lambda answer: None, *, more: tuple[bytes, ...] = (),
        secret: bool = False,
    ) -> Answer:
        """The tagged OK; `each` is called with every untagged answer before it. `more` is sent as the server asks for it.

        Raises Said, in which a `secret` command is not shown (I9), and Gone."""
        self._send(line)
        self._each = each
        rest = deque(more)
        while True:
            answer = await self._next()
            if answer.tag != b"+":
                break
            if not rest:
                raise self._broken("it asks for more than there is")
            transport: Any = self.transport
            transport.write(rest.popleft() + b"\r\n")
        self._each = lambda answer: None
        if answer.word != b"OK":
            shown = line.split(b" ")[0] if secret else line[:100]
            raise Said(f"{self._host} answers {shown.decode('ascii', 'replace')} with {_text(answer)}")
        return answer

    async def stream(self, line: bytes, write: Callable[[bytes], Awaitable[None]], each: Callable[[Answer], None]) -> None:
        """As `command`, where large literals go to `write` in pieces, no faster than it takes them."""
        self._send(line)
        self._each, self._pieces, self._waiting = each, deque(), 0
        try:
            while True:
                while self._pieces:
                    piece = self._pieces.popleft()
                    self._waiting -= len(piece)
                    await write(piece)
                    if self._waiting < _AHEAD_OCTETS // 2:
                        self._flow(True)
                if self._ready:
                    break
                await self._wait()
        finally:
            self._pieces = None
            self._each = lambda answer: None
            self._flow(True)
        answer = self._ready.popleft()
        if answer.word != b"OK":
            raise Said(f"{self._host} answers {line[:100].decode('ascii', 'replace')} with {_text(answer)}")

    def close(self) -> None:
        """Log out, without waiting for the answer."""
        transport: Any = self.transport
        if self._gone is None and transport is not None:
            self._gone = Gone("closed by us")
            transport.write(b"Z LOGOUT\r\n")
            transport.loseConnection()

    # -- waiting

    def _send(self, line: bytes) -> None:
        self._alive()
        self._number += 1
        transport: Any = self.transport
        transport.write(b"T%d " % self._number + line + b"\r\n")

    async def _next(self) -> Answer:
        while not self._ready:
            await self._wait()
        return self._ready.popleft()

    async def _wait(self) -> None:
        self._alive()
        self._waiter = Deferred(lambda _: None)
        timer = self._clock.callLater(TIMEOUT_S, lambda: self._broken(f"it said nothing for {TIMEOUT_S:g} s"))
        try:
            await self._waiter
        finally:
            self._waiter = None
            if timer.active():
                timer.cancel()
        if not self._ready and not self._pieces:
            self._alive()

    def _wake(self) -> None:
        if self._waiter is not None:
            waiter, self._waiter = self._waiter, None
            waiter.callback(None)

    def _alive(self) -> None:
        if self._gone is not None:
            raise self._gone

    def _broken(self, why: str) -> TransferError:
        if self._gone is None:
            self._gone = Gone(f"The connection to {self._host} ended: {why}")
            transport: Any = self.transport
            transport.abortConnection()
            self._wake()
        return self._gone

    def _flow(self, on: bool) -> None:
        transport: Any = self.transport
        if transport is not None and self._gone is None:
            (transport.resumeProducing if on else transport.pauseProducing)()

    # -- what Twisted calls, and the reader

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.setTcpNoDelay(True)

    def dataReceived(self, data: bytes) -> None:
        if self._gone is not None:
            return
        try:
            self._answers.feed(data)
        except BadAnswer as error:
            self._broken(f"it speaks no IMAP ({error})")
        self._wake()

    def _answered(self, answer: Answer) -> None:
        if answer.tag == b"*" and self._number:
            self._each(answer)
        else:
            self._ready.append(answer)

    def _piece(self, octets: bytes) -> None:
        if self._pieces is not None and octets:
            self._pieces.append(octets)
            self._waiting += len(octets)
            if self._waiting > _AHEAD_OCTETS:
                self._flow(False)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._gone is None:
            what = "TLS failed" if self._handshake else "ended"
            self._gone = Gone(f"The connection to {self._host}: {what}: {why_ended(reason)}")
        self._handshake = False
        self._wake()

    def handshakeCompleted(self) -> None:
        """Twisted calls this also when the certificate's check has just failed, and connectionLost a moment later."""
        def proceed() -> None:
            if self._gone is None:
                self._handshake = False
            self._wake()

        self._clock.callLater(0, proceed)


def _text(answer: Answer) -> str:
    """A server's words, fit to be shown."""
    text = b" ".join((answer.word, answer.text)).decode("utf-8", "replace")
    return "".join(character if character.isprintable() else "?" for character in text)[:300]
