"""Handshakes of a listener's clients: one that is not over in time is ended, and each that fails is one line in the log."""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL
from twisted.internet.error import ConnectionAborted
from twisted.internet.interfaces import IHandshakeListener, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from mailframe.pacing.delays import Delays

from .reasons import ended_by_tls, why_refused

HANDSHAKE_TIMEOUT_S = 60.0


class Handshakes:
    """What all connections of one listener share."""

    log = Logger()

    def __init__(self, clock: IReactorTime, listener: str, within_s: float = HANDSHAKE_TIMEOUT_S) -> None:
        """`listener` is its name, for the log."""
        self.listener = listener
        self.late = Delays(clock, within_s)

    def failed(self, transport: Any, why: str) -> None:
        ip = getattr(transport.getPeer(), "host", "") or "-"
        self.log.info("TLS handshake failed ip={ip} listener={listener}: {why}", ip=ip, listener=self.listener, why=why)


@implementer(IHandshakeListener)
class Shaking(Protocol):
    """A server's protocol, which says when a handshake begins, and with what the connection has ended."""

    _handshakes: Handshakes
    _shaking = False
    _asked = False           # by STARTTLS: then it is worth a line that no handshake comes

    def handshake_begins(self, *, asked: bool) -> None:
        """After ``startTLS``, or from ``connectionMade`` where TLS was there before the connection.

        Only Twisted's TLS says when it is over: another transport's is not watched.
        """
        transport: Any = self.transport
        if not isinstance(transport.getHandle(), SSL.Connection):
            return
        self._shaking, self._asked = True, asked
        self._handshakes.late.begin(self._handshake_late)

    def handshakeCompleted(self) -> None:
        """See IHandshakeListener."""
        self._shaking = False
        self._handshakes.late.end(self._handshake_late)

    def handshake_lost(self, reason: Failure) -> None:
        """To be called from ``connectionLost`` where `_shaking`. Who only looked whether the port is open is not worth a line."""
        self.handshakeCompleted()
        transport: Any = self.transport
        if ended_by_tls(reason):
            self._handshakes.failed(transport, why_refused(reason))
        elif isinstance(reason.value, ConnectionAborted):
            pass                 # our own doing, and whoever did it has said why
        elif self._asked or transport.getHandle().client_random():    # there since the ClientHello
            self._handshakes.failed(transport, "the client has gone")

    def _handshake_late(self) -> None:
        self._shaking = False
        transport: Any = self.transport
        self._handshakes.failed(transport, f"not over within {self._handshakes.late.seconds:g} s")
        transport.abortConnection()


class TurnedAway(Protocol):
    """One connection too many: says so and closes, and is cut where the client does not let it end.

    Under TLS that takes a handshake, and the client's own word that it is over.
    """

    transport: Any

    def __init__(self, words: bytes, handshakes: Handshakes) -> None:
        self._words, self._handshakes = words, handshakes

    def connectionMade(self) -> None:
        self._handshakes.late.begin(self._cut)
        self.transport.write(self._words)
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._handshakes.late.end(self._cut)

    def _cut(self) -> None:
        self.transport.abortConnection()
