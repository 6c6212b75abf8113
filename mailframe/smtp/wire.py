"""A connection that takes octets in and gives replies out: backpressure, timeouts and the end of it, no word of SMTP."""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import inf
from socket import socket
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IDelayedCall,
    IHalfCloseableProtocol,
    IPushProducer,
    IReactorTime,
)
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from mailframe.pacing.acks import Acks
from mailframe.pacing.begun import begun
from mailframe.pacing.delays import Delays
from mailframe.pacing.prompt import plain_socket, unsent
from mailframe.pacing.turns import Turns
from mailframe.tls.handshakes import Handshakes, Shaking
from mailframe.tracing.traces import Trace

from .framer import Framer
from .origin import encrypted

_MUCH = 65_536  # octets that may wait while a plugin thinks; beyond, the client is held back by TCP
_BURST = 100    # steps in one go, however quick: then other connections have their turn (I2)


@implementer(IPushProducer, IHalfCloseableProtocol)
class Wire(Shaking, ABC):
    """Runs `step` again and again, inline while nothing has to be waited for.

      W1  one `step` runs at a time; while it waits, octets are kept, at most about `_MUCH`, and the client is then held back.
      W2  no step begins while the client does not read our answers (it is our consumer that says so).
      W3  `ended` is called once, after the connection is gone and no step runs.
    """

    trace: Trace | None = None

    def __init__(self, clock: IReactorTime, turns: Turns, looks: Delays, cuts: Delays, handshakes: Handshakes) -> None:
        """`looks` is the shortest of all that `patience` says: so often the clock is looked at, and a shorter patience found in
        time. `cuts` is how long a client may take to take our last words."""
        self.clock = clock
        self._looks, self._cuts, self._handshakes = looks, cuts, handshakes
        self._turns = turns
        self.over = False                        # nothing more is read or said
        self.framer = Framer()
        self.working: Deferred[None] | None = None  # a step that waits
        self._running = False
        self._out: list[bytes] = []
        self._acks = Acks()
        self._socket: socket | None = None       # of a plain transport
        self._choked = False                     # the client does not read
        self._held = False                       # we have stopped reading
        self._finished = False                   # the client has half-closed: no more octets come
        self._lost = False
        self._since = 0.0                        # when something last happened
        self._timer: IDelayedCall | None = None      # of another delay than `_looks` and `_cuts`
        self._sleep: tuple[IDelayedCall, Deferred[None]] | None = None

    # What a protocol fills in.

    @abstractmethod
    async def step(self) -> bool:
        """Use up one command or chunk of `framer`; False: it needs more octets."""

    @abstractmethod
    def patience(self) -> float:
        """How many seconds may pass without anything happening, as things stand."""

    def deadline(self) -> float:
        """When what is under way must be over, by the clock, however much happens until then."""
        return inf

    @abstractmethod
    def expired(self) -> None:
        """They have passed, or the deadline has."""

    @abstractmethod
    def broken(self, failure: Failure) -> None:
        """`step` has failed: a fault of ours."""

    def traced(self, trace: Trace, octets: bytes) -> None:
        """Show `trace` what is written now."""

    @abstractmethod
    def ended(self) -> None:
        """The connection is gone."""

    # What it uses.

    def say(self, octets: bytes) -> None:
        """Nothing follows the last words."""
        if not self.over:
            self._out.append(octets)

    def touch(self) -> None:
        """Something has happened: patience begins anew."""
        self._since = self.clock.seconds()

    def hurry(self, seconds: float) -> None:
        """`patience` has become as short as that."""
        self._look_no_more()
        self._look_in(seconds)

    def close(self, within_s: float | None = None) -> None:
        """Send what was said, then end the connection; cut it when the client does not take that."""
        if self.over:
            return
        self.over = True
        self._flush()
        if self._lost or self.transport is None:
            return
        self.transport.unregisterProducer()  # type: ignore[attr-defined]
        self.transport.loseConnection()
        self._look_no_more()
        if within_s is None:
            self._cuts.begin(self._cut)
        else:
            self._timer = self.clock.callLater(within_s, self._cut)

    def encrypt(self, tls: object) -> None:
        """Start TLS as server, after what was said has been sent in the clear."""
        self._flush()
        if not self._finished:       # else no handshake will come, and `_work` closes
            transport: Any = self.transport
            if self._socket is not None:         # from now on it is the transport that says when the client does not read
                self._socket, self._choked = None, False
                transport.unregisterProducer()
                transport.registerProducer(self, True)
            transport.startTLS(tls)
            self.handshake_begins(asked=True)
        self.framer = Framer()

    async def pause(self, seconds: float) -> None:
        """Sleep by the clock; ends early when the connection does."""
        if seconds <= 0 or self._lost:
            return
        self._flush()
        done: Deferred[None] = Deferred()
        self._sleep = self.clock.callLater(seconds, done.callback, None), done
        await done
        self._sleep = None

    def advance(self) -> None:
        """Go on with what has arrived, if nothing is in the way."""
        if self._running or self._choked or self.over:
            return
        self._running = True
        work = self._work()
        try:
            waiting = begun(work)
        except Exception:
            self.broken(Failure())  # type: ignore[no-untyped-call]
            return
        if isinstance(waiting, Deferred):
            self.working = waiting.addErrback(self.broken)
            self._flush()

    # What Twisted calls.

    def connectionMade(self) -> None:
        transport: Any = self.transport
        no_delay = getattr(transport, "setTcpNoDelay", None)  # not there on a Unix socket, with TLS or without
        if no_delay is not None:
            no_delay(True)
        self._acks = Acks(transport)
        self._socket = plain_socket(transport)
        if self._socket is None and encrypted(transport):
            self.handshake_begins(asked=False)
        transport.registerProducer(self, self._socket is None)
        self.touch()
        self._look_in(self._looks.seconds)

    def dataReceived(self, data: bytes) -> None:
        if self.over:
            return
        self._acks.came()
        self.framer.feed(data)
        if not self._running and not self._choked:
            self._turns.take(self.advance)
        if self.framer.waiting > _MUCH and not self._held:
            self._held = True
            self.transport.pauseProducing()  # type: ignore[union-attr]

    def readConnectionLost(self) -> None:
        """The client has half-closed: whole commands are still run and answered, then we close; an unfinished one is given up."""
        self._finished = True
        self._held = False                       # there is nothing to resume
        self._turns.take(self.advance)

    def writeConnectionLost(self) -> None:
        """We never half-close: it is never called."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.over = self._lost = True
        if self._shaking:
            self.handshake_lost(reason)
        self._look_no_more()
        self._cuts.end(self._cut)
        if self._sleep is not None and self._sleep[0].active():
            self._sleep[0].cancel()
            self._sleep[1].callback(None)
        if not self._running:
            self.ended()

    def pauseProducing(self) -> None:
        self._choked = True

    def resumeProducing(self) -> None:
        if not self._choked:         # a pull producer is asked to begin
            return
        self._choked = False
        self.touch()
        self._turns.take(self.advance)

    def stopProducing(self) -> None:
        self._choked = True

    # The machinery.

    async def _work(self) -> None:
        again = False
        try:
            for _ in range(_BURST):
                if self._turns.over:
                    again = True
                    break
                if self.over or self._choked:
                    break
                if not await self.step():
                    if self._finished:
                        self.close()
                    break
                if self.working is not None:     # it had to wait: what it said must not wait for the next one
                    self.touch()
                    self._flush()
            else:
                again = True
        finally:
            self._running = False
            self.working = None
            self._flush()
            self._rest()
        if again:
            self._turns.take(self.advance)

    def _rest(self) -> None:
        """No step runs now."""
        self._acks.settle()
        if self._lost:
            self.ended()
        elif self._held and not self._choked and not self.over and self.framer.waiting <= _MUCH:
            self._held = False
            self.transport.resumeProducing()  # type: ignore[union-attr]

    def _flush(self) -> None:
        if self._out:
            octets = self._out[0] if len(self._out) == 1 else b"".join(self._out)
            self._out.clear()
            if not self._lost:
                if self.trace is not None:
                    self.traced(self.trace, octets)
                self._acks.answered()
                self._send(octets)

    def _send(self, octets: bytes) -> None:
        if self._socket is not None and not self._choked:
            octets = unsent(self._socket, octets)
            if not octets:
                return
            self._choked = True      # until `resumeProducing` says that the transport has sent the rest
        self.transport.write(octets)  # type: ignore[union-attr]

    def _tick(self) -> None:
        left = min(self._since + self.patience(), self.deadline()) - self.clock.seconds()
        if left <= 0:
            self.expired()
            if self.over:
                return
            self.touch()
            self._look_no_more()     # else what came of it has begun a second one (`hurry`)
            left = self.patience()
        self._look_in(left)

    def _look_in(self, seconds: float) -> None:
        if seconds < self._looks.seconds:
            self._timer = self.clock.callLater(seconds, self._tick)
        else:
            self._looks.begin(self._tick)

    def _look_no_more(self) -> None:
        self._looks.end(self._tick)
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _cut(self) -> None:
        self.transport.abortConnection()  # type: ignore[union-attr]
