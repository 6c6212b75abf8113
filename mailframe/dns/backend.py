"""dnspython's asynchronous backend on a Twisted reactor: its sockets, its sleep, and nothing of DNS itself."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Awaitable
from typing import Any, TypeVar

import dns.exception
from dns._asyncbackend import Backend, DatagramSocket, StreamSocket
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IReactorTime, IReadDescriptor
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

T = TypeVar("T")
_MAX_WAITING_DATAGRAMS = 16         # more than one answer to a query is somebody guessing; they are not kept
_MAX_STREAM_OCTETS = 2 + 65_535     # one length-prefixed DNS message (RFC 1035 section 4.2.2)


class Abandoned(BaseException):
    """The lookup was cancelled.

    Twisted's CancelledError is an Exception, which dnspython takes for a server's fault and answers with the next try;
    this one passes through it. `mailframe.dns.resolver` turns it back.
    """


async def awaited(deferred: Deferred[T], clock: Any, timeout_s: float | None) -> T:
    """The Deferred's result. Raises dns.exception.Timeout after `timeout_s` seconds, Abandoned when cancelled from above."""
    late = False

    def expire() -> None:
        nonlocal late
        late = True
        deferred.cancel()

    call = None if timeout_s is None else clock.callLater(timeout_s, expire)
    try:
        return await deferred
    except CancelledError:
        if late:
            raise dns.exception.Timeout(timeout=timeout_s) from None  # type: ignore[no-untyped-call]
        raise Abandoned from None
    finally:
        if call is not None and call.active():
            call.cancel()


@implementer(IReadDescriptor)
class _Datagrams(DatagramSocket):
    """A connected UDP socket, read by the reactor itself.

    Not `listenUDP`: that writes two log lines for every query, and on epoll an ICMP refusal closes such a port without
    a word to its protocol.
    """

    def __init__(self, reactor: Any, af: int, source: Any, destination: Any) -> None:
        super().__init__(af, socket.SOCK_DGRAM)
        self._reactor = reactor
        self._received: deque[bytes] = deque()
        self._failure: OSError | None = None
        self._waiter: Deferred[bytes] | None = None
        self._socket = socket.socket(af, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            if source is not None:
                self._socket.bind(source)
            self._socket.connect(destination)
        except OSError:
            self._socket.close()
            raise
        self._peer = self._socket.getpeername()
        reactor.addReader(self)

    def fileno(self) -> int:
        return self._socket.fileno()

    def logPrefix(self) -> str:
        return "dns"

    def doRead(self) -> None:
        try:
            while True:
                data = self._socket.recv(65_535)
                if self._waiter is not None:
                    waiter, self._waiter = self._waiter, None
                    waiter.callback(data)
                elif len(self._received) < _MAX_WAITING_DATAGRAMS:
                    self._received.append(data)
                if self._socket.fileno() < 0:
                    return
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(error)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The reactor saw an error on the socket: an ICMP refusal."""
        self._fail(ConnectionRefusedError(f"nobody answers at {self._peer[0]} port {self._peer[1]}"))

    def _fail(self, error: OSError) -> None:
        self._failure = error
        if self._waiter is not None:
            waiter, self._waiter = self._waiter, None
            waiter.errback(error)

    async def sendto(self, what: bytes, destination: Any, timeout: float | None) -> int:
        return self._socket.send(what)

    async def recvfrom(self, size: int, timeout: float | None) -> tuple[bytes, Any]:
        if self._received:
            return self._received.popleft(), self._peer
        if self._failure is not None:
            raise self._failure
        self._waiter = Deferred(self._forget)
        return await awaited(self._waiter, self._reactor, timeout), self._peer

    def _forget(self, cancelled: Deferred[bytes]) -> None:
        self._waiter = None

    async def close(self) -> None:
        if self._socket.fileno() >= 0:
            self._reactor.removeReader(self)
            self._socket.close()

    async def getpeername(self) -> Any:
        return self._peer

    async def getsockname(self) -> Any:
        return self._socket.getsockname()


class _StreamProtocol(Protocol):
    transport: Any = None

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.closed = False
        self.waiter: Deferred[None] | None = None

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)

    def dataReceived(self, data: bytes) -> None:
        self.buffer += data
        if len(self.buffer) > _MAX_STREAM_OCTETS:
            self.transport.abortConnection()
        self.wake()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.closed = True
        self.wake()

    def wake(self) -> None:
        if self.waiter is not None:
            waiter, self.waiter = self.waiter, None
            waiter.callback(None)

    def forget(self, cancelled: Deferred[None]) -> None:
        self.waiter = None


class _Stream(StreamSocket):
    def __init__(self, reactor: Any, af: int, protocol: _StreamProtocol) -> None:
        super().__init__(af, socket.SOCK_STREAM)
        self._reactor = reactor
        self._protocol = protocol
        self._transport = protocol.transport

    async def sendall(self, what: bytes, timeout: float | None) -> None:
        self._transport.write(what)

    async def recv(self, size: int, timeout: float | None) -> bytes:
        """b"" at the end, as dnspython expects."""
        protocol = self._protocol
        if not protocol.buffer and not protocol.closed:
            protocol.waiter = Deferred(protocol.forget)
            await awaited(protocol.waiter, self._reactor, timeout)
        data = bytes(protocol.buffer[:size])
        del protocol.buffer[:size]
        return data

    async def close(self) -> None:
        self._transport.abortConnection()

    async def getpeername(self) -> Any:
        peer = self._transport.getPeer()
        return (peer.host, peer.port)

    async def getsockname(self) -> Any:
        host = self._transport.getHost()
        return (host.host, host.port)


class TwistedBackend(Backend):
    """Give it to dnspython as `backend=`. The reactor is IReactorTime, IReactorTCP and IReactorFDSet."""

    def __init__(self, reactor: Any) -> None:
        assert IReactorTime.providedBy(reactor)
        self._reactor = reactor

    def name(self) -> str:
        return "twisted"

    def datagram_connection_required(self) -> bool:
        """A connected socket takes nobody else's datagrams, and hears of a refusal at once."""
        return True

    async def make_socket(
        self, af: int, socktype: int, proto: int = 0, source: Any = None, destination: Any = None,
        timeout: float | None = None, ssl_context: Any = None, server_hostname: str | None = None,
    ) -> DatagramSocket | StreamSocket:
        if ssl_context is not None or destination is None:
            raise OSError("only plain DNS over UDP and TCP, to a known server")
        if socktype == socket.SOCK_DGRAM:
            return _Datagrams(self._reactor, af, source, destination)
        endpoint = TCP6ClientEndpoint if af == socket.AF_INET6 else TCP4ClientEndpoint
        factory = Factory.forProtocol(_StreamProtocol)
        factory.noisy = False
        connecting: Deferred[Any] = endpoint(self._reactor, destination[0], destination[1], timeout or 10.0).connect(factory)
        try:
            return _Stream(self._reactor, af, await awaited(connecting, self._reactor, timeout))
        except ConnectError as error:
            raise OSError(str(error)) from error

    async def sleep(self, interval: float) -> None:
        done: Deferred[None] = Deferred()
        call = self._reactor.callLater(interval, done.callback, None)
        try:
            await awaited(done, self._reactor, None)
        finally:
            if call.active():
                call.cancel()

    async def wait_for(self, awaitable: Awaitable[T], timeout: float | None) -> T:
        async def drive() -> T:
            return await awaitable

        return await awaited(Deferred.fromCoroutine(drive()), self._reactor, timeout)
