"""One client's transport: octets to the framer, bounded read-ahead, writes held back, silence noticed (I3)."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from socket import socket
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

from mailframe.pacing.acks import Acks
from mailframe.pacing.prompt import plain_socket, unsent
from mailframe.pacing.turns import Turns
from mailframe.tls.handshakes import Handshakes, Shaking

from .deflate import BadDeflate, Deflate
from .framer import Framer
from .settings import ImapSettings
from .writer import Writer


class Gone(ConnectionError):
    """The client is no longer there, or has half-closed and been answered all it asked."""


class TimedOut(Exception):
    """The client has been silent for too long."""


@implementer(IPushProducer, IHalfCloseableProtocol)
class Connection(Shaking):
    """Drives `serve(self)`, one coroutine for the connection's life, and lets it wait for the client.

    At most one wait is under way: for octets (`more`) or for the client to take ours (`drained`).
    """

    transport: Any           # ITransport, and of a real one ITCPTransport or ISSLTransport

    def __init__(self, framer: Framer, settings: ImapSettings, clock: IReactorTime, turns: Turns, handshakes: Handshakes) -> None:
        self.framer = framer
        self.out = Writer(self._send)
        self.serve: Callable[[], Coroutine[Deferred[Any], Any, None]]
        self.on_lost: Callable[[], None] = _nothing         # the session's
        self.on_closed: Callable[[], None] = _nothing       # the factory's
        self.logged_in = False              # from then on every octet counts as a sign of life
        self.lost = False
        self.unasked = False                # the client waits for news, not for answers
        self._settings = settings
        self._clock = clock
        self._turns = turns
        self._handshakes = handshakes
        self._serving: Deferred[None] | None = None
        self._waiter: Deferred[None] | None = None      # in `more`
        self._drain: Deferred[None] | None = None       # in `drained`
        self._fresh = False                 # octets came since `more` last returned
        self._finished = False              # the client has half-closed: no more octets come
        self._held = False                  # the transport's buffer is full
        self._paused = False                # we read no more until the session has caught up
        self._quiet_since = clock.seconds()
        self._held_since = 0.0
        self._busy_since = 0.0              # the session has waited for nothing of the client's since then
        self._timer: IDelayedCall | None = None
        self._closing = False
        self._deflate: Deflate | None = None            # once the client asked for it
        self._socket: socket | None = None  # of a plain TCP transport: what the kernel takes at once need not wait for the reactor
        self._acks = Acks()

    # -- Twisted calls these

    def connectionMade(self) -> None:
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
            self._socket = plain_socket(self.transport)
        self._acks = Acks(self.transport)
        if self.secure:
            self.handshake_begins(asked=False)
        self.transport.registerProducer(self, self._socket is None)     # a pull producer is told whenever nothing waits there
        self._watch()
        self._serving = Deferred.fromCoroutine(self.serve())

    def dataReceived(self, data: bytes) -> None:
        if self._closing:
            return
        self._acks.came()
        if self.logged_in:
            self._quiet_since = self._clock.seconds()
        if self._deflate is None:
            self.framer.feed(data)
        else:
            self._deflate.take(data)
            self._inflate(self._deflate)
        self._fresh = True
        if self._waiter is not None:
            self._turns.take(self.poke)
        elif self.framer.buffered > self._settings.max_pipelined_octets and not self._paused:
            self._paused = True
            self.transport.pauseProducing()

    def readConnectionLost(self) -> None:
        """The client has half-closed: whole commands are still run and answered, then we close; an unfinished one is given up."""
        self._finished = True
        if self._waiter is not None:
            self._turns.take(self.poke)

    def writeConnectionLost(self) -> None:
        """We never half-close: it is never called."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = True
        if self._shaking:
            self.handshake_lost(reason)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiters, self._waiter, self._drain = (self._waiter, self._drain), None, None
        for waiter in waiters:
            if waiter is not None:
                waiter.errback(Gone())
        self.on_lost()
        self.on_closed()

    def pauseProducing(self) -> None:
        self._held = True
        self._held_since = self._clock.seconds()

    def resumeProducing(self) -> None:
        self._held = False
        drain, self._drain = self._drain, None
        if drain is not None:
            drain.callback(None)

    def stopProducing(self) -> None:
        """The transport is closing; `connectionLost` follows."""

    # -- the session calls these

    @property
    def secure(self) -> bool:
        return bool(ISSLTransport.providedBy(self.transport))

    @property
    def held(self) -> bool:
        """Whether the client has not taken what was sent."""
        return self._held

    async def more(self) -> None:
        """Send what is written, and wait for more octets or a `poke`; may return for nothing. Raises Gone, TimedOut."""
        self.out.flush()
        if self._held:
            await self.drained()        # who does not take answers gets no more of them
        if self.lost:
            raise Gone
        if not self._fresh:             # else octets came meanwhile, which the caller has not seen
            if self._finished:
                raise Gone
            if self._deflate is None or not self._inflate(self._deflate):
                if self._paused:
                    self._paused = False
                    self.transport.resumeProducing()
                self._acks.settle()
                self._waiter = Deferred()
                await self._waiter
        self._fresh = False
        self.working()

    def wake(self) -> None:
        """End the wait in `more`, or the next one."""
        if self._waiter is None:
            self._fresh = True
        self.poke()

    def poke(self) -> None:
        """End the wait in `more`, if there is one."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.callback(None)

    async def drained(self) -> None:
        """Send what is written, and wait until the client has taken most of it. Raises Gone."""
        self.out.flush()
        if self.lost:
            raise Gone
        if self._held:
            self._drain = Deferred()
            await self._drain
        self.working()

    def working(self) -> None:
        """The session has got on: what it waits for from now on has `command_timeout_s` to come."""
        self._busy_since = self._clock.seconds()

    def alive(self) -> None:
        """Begin to count silence anew."""
        self._quiet_since = self._clock.seconds()

    def start_tls(self, context: object) -> None:
        if self._finished:              # no handshake will come, and `more` says so
            return
        if self._socket is not None:
            self._socket = None
            self.transport.unregisterProducer()
            self.transport.registerProducer(self, True)
        self.transport.startTLS(context)
        self.handshake_begins(asked=True)

    @property
    def compressed(self) -> bool:
        return self._deflate is not None

    def compress(self) -> None:
        """From now on both sides (RFC 4978); what is written is sent as it is. The client has waited for our answer."""
        self.out.flush()
        self._deflate = Deflate()

    def close(self) -> None:
        """Send what is written, then close; a client that does not take it is cut off after a while."""
        if self._closing:
            return
        self.out.flush()
        self._closing = True
        if self.lost:
            return
        self._held_since = self._clock.seconds()
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def abort(self) -> None:
        """Close at once, whatever is still to be sent."""
        if not self.lost:
            self.transport.abortConnection()

    # -- within

    def _send(self, octets: bytes) -> None:
        if self.lost or self._closing:
            return
        self._acks.answered()
        if self._deflate is not None:
            octets = self._deflate.pack_unasked(octets) if self.unasked else self._deflate.pack(octets)
        if self._socket is None:
            self.transport.write(octets)
            return
        left = octets if self._held else unsent(self._socket, octets)
        if left:
            if not self._held:
                self.pauseProducing()       # until `resumeProducing` says that the transport has sent the rest
            self.transport.write(left)

    def _inflate(self, deflate: Deflate) -> bool:
        """Unpack what came, as much as may be read ahead; whether there was anything."""
        before = self.framer.buffered
        try:
            while deflate.waiting and self.framer.buffered <= self._settings.max_pipelined_octets:
                self.framer.feed(deflate.next())
        except BadDeflate:
            self.abort()
        return self.framer.buffered > before

    def _watch(self) -> None:
        """Look whether the client was silent or deaf for too long; looks again when it next could be."""
        now = self._clock.seconds()
        settings = self._settings
        limit = settings.idle_timeout_s if self.logged_in else settings.login_timeout_s
        left = self._quiet_since + limit - now
        if self._held or self._closing:
            left = self._held_since + settings.write_timeout_s - now
            if left <= 0:
                self._timer = None
                self.transport.abortConnection()
                return
        elif left <= 0 and self._waiter is not None:
            waiter, self._waiter = self._waiter, None
            self._timer = self._clock.callLater(settings.write_timeout_s, self._watch)
            waiter.errback(TimedOut())
            return
        elif self._waiter is None and self._busy_since + settings.command_timeout_s <= now and self._serving is not None:
            self.working()
            self._serving.cancel()          # what the running command awaits: CancelledError there (I7)
        self._timer = self._clock.callLater(
            max(1.0, min(left, settings.login_timeout_s, settings.command_timeout_s)), self._watch)


def _nothing() -> None:
    pass
