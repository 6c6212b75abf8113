"""The SMTP client's side of a connection: octets out, replies in, waiting with a limit; what is said is in `client`."""

from __future__ import annotations

from collections import deque
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHandshakeListener, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from mailframe.tls.reasons import ended_by_tls, why_ended

from .client_replies import PeerFault, ReplyReader
from .client_settings import ClientSettings
from .reply import Reply


class PeerGone(Exception):
    """The connection is of no more use: lost, timed out, or the peer broke the rules; the text says which."""


class TlsFailed(PeerGone):
    """No TLS session came about. `judged`: not for want of a connection, but by the handshake or the certificate's check."""

    def __init__(self, why: str, *, judged: bool = False) -> None:
        super().__init__(why)
        self.judged = judged


@implementer(IHandshakeListener, IPushProducer)
class SmtpWire(Protocol):
    """Whatever goes wrong ends the connection once, and every waiting then raises `PeerGone` with the first reason.

      W1  a reply is only taken while one is expected: nothing a server says unasked is ever read as an answer.
      W2  replies that came before the connection ended are still read.
    """

    transport: Any = None

    def __init__(self, clock: Any, settings: ClientSettings | None = None) -> None:
        self.closed: Deferred[None] = Deferred()    # fires when the connection is gone
        self._clock = clock
        self._settings = settings or ClientSettings()
        self._reader = self._fresh_reader()
        self._replies: deque[Reply] = deque()
        self._expected = 1                  # replies still to come; the greeting comes unasked
        self._waiter: Deferred[None] | None = None
        self._gone: PeerGone | None = None  # why there is no connection any more
        self._farewell: Reply | None = None     # it said 421 (RFC 5321 section 3.8)
        self._paused = False
        self._handshake = False             # under way
        self._resetting = False             # RSET was sent, its reply not read: the connection can be used all the same

    @property
    def usable(self) -> bool:
        """Whether another command may be sent."""
        return self._gone is None and self._farewell is None and self._expected == int(self._resetting)

    def abort(self) -> None:
        """Close at once."""
        self._broken("closed by us")

    def _fresh_reader(self) -> ReplyReader:
        return ReplyReader(self._settings.max_reply_line_octets, self._settings.max_reply_lines)

    def _write(self, octets: bytes, replies: int) -> None:
        self._alive()
        self._expected += replies
        self.transport.write(octets)

    async def _command(self, line: bytes, timeout_s: float | None = None) -> Reply:
        return await self._answer(line + b"\r\n", False, timeout_s)

    async def _answer(self, line: bytes, piped: bool, timeout_s: float | None = None) -> Reply:
        """The next reply, after sending `line` unless it was sent with others before."""
        if not piped:
            self._write(line, 1)
        return await self._next(self._settings.command_timeout_s if timeout_s is None else timeout_s)

    async def _next(self, timeout_s: float) -> Reply:
        while not self._replies:
            await self._wait(timeout_s, "a reply")
        reply = self._replies.popleft()
        if reply.code == 421:
            self._farewell = reply
        return reply

    def _reset(self) -> None:
        """Give up the open transaction; the reply is awaited only by who wants to go on."""
        self._write(b"RSET\r\n", 1)
        self._resetting = True

    async def _reset_over(self, timeout_s: float) -> None:
        while self._resetting:
            await self._wait(timeout_s, "a reply to RSET")

    async def _wait(self, timeout_s: float, what: str) -> None:
        """Until something happens: a reply, room to write, the end of the handshake. Raises PeerGone."""
        self._alive()
        timer = self._timer(timeout_s, what)
        self._waiter = Deferred(self._forget)
        try:
            await self._waiter
        finally:
            if timer.active():
                timer.cancel()
        if not self._replies:
            self._alive()

    def _timer(self, timeout_s: float, what: str) -> Any:
        return self._clock.callLater(timeout_s, lambda: self._broken(f"timed out after {timeout_s:g} s of waiting for {what}"))

    def _alive(self) -> None:
        if self._gone is not None:
            raise self._gone

    def _forget(self, cancelled: Deferred[None]) -> None:
        self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None:
            waiter, self._waiter = self._waiter, None
            waiter.callback(None)

    def _positive(self, reply: Reply) -> bool:
        """True for 2xx, False for 4xx and 5xx; 3xx is no answer to anything but DATA and AUTH."""
        if 300 <= reply.code < 400:
            raise self._broken(f"it answered {reply.code} out of place")
        return reply.code < 300

    def _broken(self, why: str) -> PeerGone:
        """End the connection; the first reason counts."""
        if self._gone is None:
            self._gone = (TlsFailed if self._handshake else PeerGone)(why)
            self._handshake = False
            self.transport.abortConnection()
            self._wake()
        return self._gone

    # -- what Twisted calls

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)

    def dataReceived(self, data: bytes) -> None:
        if self._gone is not None:
            return
        try:
            for reply in self._reader.feed(data):
                if not self._expected:
                    self._broken(f"it said unasked: {reply}")
                    return
                self._expected -= 1
                if self._resetting:         # sent when nothing else was to be answered, so the first answer is its own
                    self._resetting = False
                    if reply.code // 100 != 2:
                        self._broken(f"it answered RSET with {reply}")
                        return
                    self._wake()
                else:
                    self._replies.append(reply)
        except PeerFault as fault:
            self._broken(str(fault))
            return
        if self._replies:
            self._wake()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._gone is None:
            why = why_ended(reason)
            self._gone = TlsFailed(why, judged=ended_by_tls(reason)) if self._handshake else PeerGone(why)
            self._handshake = False
        self._wake()
        if not self.closed.called:
            self.closed.callback(None)

    def handshakeCompleted(self) -> None:
        """Twisted calls this also when the certificate's check has just failed, and connectionLost a moment later."""
        def proceed() -> None:
            self._handshake = False
            self._wake()

        self._clock.callLater(0, proceed)

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        self._wake()

    def stopProducing(self) -> None:
        self._paused = False
