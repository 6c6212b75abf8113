"""A factory in front of another: reads the PROXY header, then hands the connection over as if the client itself had made it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from twisted.internet.interfaces import IAddress, IDelayedCall, IProtocolFactory, IReactorTime
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from mailframe.model.networks import UNIX, within

from .header import BadHeader, Header, read_header
from .settings import ProxySettings

log = Logger()


@implementer(IAddress)
@dataclass(frozen=True, slots=True)
class ToldAddress:
    """An address as a proxy has told it; has what `IPv4Address` and `IPv6Address` have, and where it is known from."""

    host: str
    port: int
    via: str = ""              # the proxy's own address, or "unix"
    type: str = "TCP"


class ProxiedFactory(Factory):
    """Wraps any factory of a listener, also one that speaks TLS from the first octet: the header comes before the handshake.

    Who is not trusted is refused, for such a client could say it is anybody (section 2 of proxy-protocol.txt: no guessing
    whether a header is there, no port for both).
    """

    noisy = False

    def __init__(self, inner: IProtocolFactory, settings: ProxySettings, *, clock: IReactorTime, name: str = "") -> None:
        """`name` is the listener's, for the log."""
        self.inner = inner
        self.settings = settings
        self.clock = clock
        self.name = name
        self.waiting: set[HeaderReader] = set()

    def doStart(self) -> None:
        super().doStart()  # type: ignore[no-untyped-call]
        self.inner.doStart()

    def doStop(self) -> None:
        super().doStop()  # type: ignore[no-untyped-call]
        self.inner.doStop()

    def stopFactory(self) -> None:
        """The port is closed: who has not said for whom it speaks need not any more."""
        for each in tuple(self.waiting):
            each.drop()

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        ip = ip_of(addr)
        if not within(ip, self.settings.trusted):
            self.refuse(ip, "is not in proxy_from")
            return None
        return HeaderReader(self, ip)

    def refuse(self, ip: str, why: str) -> None:
        """Log why a connection is closed."""
        log.info("proxy refused ip={ip} listener={name}: {why}", ip=ip or UNIX, name=self.name or "-", why=why)


class HeaderReader(Protocol):
    """A connection until its header is read; then the transport is the inner protocol's, and nothing of ours is in between."""

    transport: Any

    def __init__(self, front: ProxiedFactory, ip: str) -> None:
        self._front = front
        self._ip = ip
        self._octets = b""
        self._inner: Any = None
        self._over = False
        self._timer: IDelayedCall | None = None

    def connectionMade(self) -> None:
        self._front.waiting.add(self)
        self._timer = self._front.clock.callLater(self._front.settings.timeout_s, self._late)

    def dataReceived(self, data: bytes) -> None:
        if self._inner is not None:        # a transport that goes on calling us
            self._inner.dataReceived(data)
        elif not self._over:
            self._read(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._settled()
        if self._inner is not None:
            self._inner.connectionLost(reason)

    def drop(self) -> None:
        """End it without a word: there is none that both would understand."""
        self._settled()
        self._over = True
        self.transport.abortConnection()

    def _read(self, data: bytes) -> None:
        self._octets += data
        try:
            header = read_header(self._octets)
        except BadHeader as error:
            self._fail(str(error))
            return
        if header is not None:
            self._hand_over(header)

    def _hand_over(self, header: Header) -> None:
        self._settled()
        transport, peer = self.transport, self.transport.getPeer()
        if header.told is not None:
            told = header.told
            peer, host = ToldAddress(told.ip, told.port, self._ip or UNIX), ToldAddress(told.own_ip, told.own_port)
            transport.getPeer, transport.getHost = lambda: peer, lambda: host
        inner = self._front.inner.buildProtocol(peer)
        if inner is None:
            self.drop()
            return
        rest, self._octets, self._inner = self._octets[header.size:], b"", inner
        if getattr(transport, "protocol", None) is self:
            transport.protocol = inner
        inner.makeConnection(transport)
        if rest:
            inner.dataReceived(rest)

    def _late(self) -> None:
        self._fail(f"no PROXY header within {self._front.settings.timeout_s:g} s")

    def _fail(self, why: str) -> None:
        self._front.refuse(self._ip, why)
        self.drop()

    def _settled(self) -> None:
        """No header is waited for any more."""
        self._front.waiting.discard(self)
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None


def ip_of(address: IAddress | None) -> str:
    """Without zone; "" for a Unix socket."""
    host: str = getattr(address, "host", "")
    return host.partition("%")[0]
