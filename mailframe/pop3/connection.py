"""One client's transport: octets to the framer, answers joined into few writes and held back, silence noticed (I3)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IDelayedCall,
    IHalfCloseableProtocol,
    IPushProducer,
    IReactorTime,
    ISSLTransport,
    ITCPTransport,
)
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from mailframe.pacing.turns import Turns
from mailframe.tls.handshakes import Handshakes, Shaking

from .framer import LineFramer
from .settings import Pop3Settings

_JOINED = 64 * 1024          # answers to pipelined commands are sent together up to here: Twisted's own mark to pause us
_READ_AHEAD = 64 * 1024      # commands that may wait while we work; more stays with the client


class Gone(ConnectionError):
    """The client is no longer there, must not be talked to any more, or has half-closed and been answered all it asked."""


@implementer(IPushProducer, IHalfCloseableProtocol)
class Connection(Shaking):
    """Drives `serve(self)`, one coroutine for the connection's life, and lets it wait.

    At most one wait is under way. Waits may end early: whoever waits looks again at what it waits for.
    """

    transport: Any           # ITransport, and of a real one ITCPTransport or ISSLTransport

    def __init__(self, ip: str, settings: Pop3Settings, clock: IReactorTime, turns: Turns, handshakes: Handshakes) -> None:
        """`ip`: the client's; "" behind a Unix socket, "unknown" where it cannot be said."""
        self.ip = ip
        self.framer = LineFramer(settings.max_auth_line_octets)
        self.serve: Callable[[], Coroutine[Deferred[Any], Any, None]]
        self.on_lost: Callable[[], None] = _nothing
        self.lost = False
        self.closing = False
        self.octets_sent = 0
        self._settings = settings
        self._clock = clock
        self.turns = turns
        self._handshakes = handshakes
        self._out: list[bytes] = []
        self._out_size = 0
        self._waiter: Deferred[None] | None = None
        self._finished = False           # the client has half-closed: no more octets come
        self._held = False               # the transport's buffer is full
        self._reading = True
        self._active_at = clock.seconds()
        self._timer: IDelayedCall | None = None

    # Twisted calls these

    def connectionMade(self) -> None:
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
        if self.secure:
            self.handshake_begins(asked=False)
        self.transport.registerProducer(self, True)
        self._timer = self._clock.callLater(self._settings.idle_timeout_s, self._look_at_the_time)
        Deferred.fromCoroutine(self.serve())

    def dataReceived(self, data: bytes) -> None:
        self._active_at = self._clock.seconds()
        if self.closing:
            return
        self.framer.feed(data)
        if self._waiter is not None:
            self.turns.take(self._wake)
        if len(self.framer) > _READ_AHEAD and self._reading:
            self._reading = False
            self.transport.pauseProducing()

    def readConnectionLost(self) -> None:
        """The client has half-closed: whole commands are still run and answered, then we close; an unfinished one is given up."""
        self._finished = True
        if self._waiter is not None:
            self.turns.take(self._wake)

    def writeConnectionLost(self) -> None:
        """We never half-close: it is never called."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = True
        if self._shaking:
            self.handshake_lost(reason)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.on_lost()
        self._wake()

    def pauseProducing(self) -> None:
        self._held = True

    def resumeProducing(self) -> None:
        self._held = False
        self._active_at = self._clock.seconds()
        self._wake()

    def stopProducing(self) -> None:
        """The transport is closing; `connectionLost` follows."""

    # The session calls these

    @property
    def secure(self) -> bool:
        return bool(ISSLTransport.providedBy(self.transport))

    @property
    def loopback(self) -> bool:
        """Whether nothing between client and server can listen: a local address or a Unix socket."""
        try:
            return not self.ip or ipaddress.ip_address(self.ip.partition("%")[0]).is_loopback
        except ValueError:
            return False

    def put(self, octets: bytes) -> bool:
        """Send it with what comes next; True when `drained` should be awaited before more is made."""
        self._out.append(octets)
        self._out_size += len(octets)
        return self._out_size >= _JOINED

    def flush(self) -> None:
        if self._out:
            octets = b"".join(self._out)
            self._out.clear()
            self._out_size = 0
            if not (self.lost or self.closing):
                self.octets_sent += len(octets)
                self.transport.write(octets)

    async def drained(self) -> None:
        """Send what is put, and wait until the client has taken most of it. Raises Gone."""
        self.flush()
        self.check()
        while self._held:
            await self._wait(None)

    async def more(self) -> None:
        """Send what is put, and wait for octets, unless the client takes none of ours. Raises Gone."""
        seen = len(self.framer)
        await self.drained()
        if len(self.framer) > seen:
            return                       # octets came meanwhile, which the caller has not seen
        if self._finished:
            raise Gone
        if not self._reading:
            self._reading = True
            self.transport.resumeProducing()
        await self._wait(None)

    async def pause(self, seconds: float) -> None:
        """Send what is put, and wait at least so long; 0 lets others have their turn (I2). Raises Gone."""
        self.flush()
        end = self._clock.seconds() + seconds
        await self._wait(seconds)
        while (left := end - self._clock.seconds()) > 0:
            await self._wait(left)

    async def turn(self) -> None:
        """Send what is put, and let others have their turn (I2). Raises Gone."""
        self.flush()
        self.turns.later(self._wake)
        await self._wait(None)

    def check(self) -> None:
        if self.lost or self.closing:
            raise Gone

    def start_tls(self, context: object) -> None:
        self.flush()
        if not self._finished:           # else no handshake will come, and `more` says so
            self.transport.startTLS(context)
            self.handshake_begins(asked=True)

    def close(self) -> None:
        """Send what is put, then close; a client that does not take it is cut off after a while. Ends any wait."""
        if self.closing or self.lost:
            return
        self.flush()
        self.closing = True
        if self._timer is not None:
            self._timer.reset(self._settings.close_timeout_s)
        self.transport.unregisterProducer()
        self.transport.loseConnection()
        self._wake()

    def abort(self) -> None:
        """Close at once, whatever is still to be sent. Ends any wait."""
        if not self.lost:
            self.closing = True
            self.transport.abortConnection()
            self._wake()

    # Within

    async def _wait(self, seconds: float | None) -> None:
        self.check()
        waiter: Deferred[None] = Deferred()
        self._waiter = waiter
        call = None if seconds is None else self._clock.callLater(seconds, self._wake)
        await waiter
        if call is not None and call.active():
            call.cancel()
        self.check()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.callback(None)

    def _look_at_the_time(self) -> None:
        """Cut off who has neither said nor taken anything for too long (RFC 1939 section 3: without an answer)."""
        self._timer = None
        left = self._active_at + self._settings.idle_timeout_s - self._clock.seconds()
        if self.closing or (left <= 0 and self._held):
            self.abort()
        elif left <= 0:
            self._out.clear()
            self._timer = self._clock.callLater(self._settings.close_timeout_s, self._look_at_the_time)
            self.close()
        else:
            self._timer = self._clock.callLater(left, self._look_at_the_time)


def _nothing() -> None:
    pass
