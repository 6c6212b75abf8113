"""A transport without a network: what was written, and what was asked of it."""

from __future__ import annotations

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IHalfCloseableProtocol, ISSLTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import alsoProvides


class _Handle:
    def get_cipher_name(self) -> str:
        return "TLS_AES_256_GCM_SHA384"

    def get_protocol_version_name(self) -> str:
        return "TLSv1.3"


class MemoryTransport(StringTransport):
    """Behaves as TCP does: bytes after a close go nowhere. `settle` delivers the connectionLost that is due."""

    def __init__(self, ip: str = "192.0.2.7", *, tls: bool = False, port: int = 40_000) -> None:
        super().__init__(peerAddress=(IPv6Address if ":" in ip else IPv4Address)("TCP", ip, port))
        self.writes: list[bytes] = []
        self.tls_with: object = None
        self.lost = False
        self.ended = False               # the client has half-closed
        if tls:
            alsoProvides(self, ISSLTransport)

    def write(self, data: bytes) -> None:
        if not self.disconnecting and not self.lost:
            self.writes.append(data)
            super().write(data)

    def startTLS(self, contextFactory: object, normal: bool = True) -> None:
        self.tls_with = contextFactory
        alsoProvides(self, ISSLTransport)

    def getHandle(self) -> _Handle:
        return _Handle()

    def resumeProducing(self) -> None:
        assert not self.ended, "to read on is to meet the same end again, for ever"
        super().resumeProducing()

    def end(self, protocol: Protocol) -> None:
        """The client half-closes: it says nothing more, and still listens."""
        self.ended = True
        IHalfCloseableProtocol(protocol).readConnectionLost()
        self.settle(protocol)

    def settle(self, protocol: Protocol) -> None:
        if (self.disconnecting or self.disconnected) and not self.lost:
            self.drop(protocol)

    def drop(self, protocol: Protocol) -> None:
        """The connection ends, by either side."""
        self.lost = True
        protocol.connectionLost(Failure(connectionDone.value))
