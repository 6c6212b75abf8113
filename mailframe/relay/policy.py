"""TLS towards other servers: what is wanted of a connection, and the contexts for it."""

from __future__ import annotations

from typing import Any

from OpenSSL.SSL import Connection
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import CertificateOptions, optionsForClientTLS
from zope.interface import implementer


class ClientTls:
    """Makes what `startTLS` wants, for each host. `trust_root`: None for the system's (an IOpenSSLTrustRoot for tests)."""

    def __init__(self, trust_root: Any = None) -> None:
        self._trust_root = trust_root
        self._unverified: Any = None
        self._verified: dict[str, Any] = {}     # few: only smarthosts are asked for; reading the system's roots takes 20 ms

    def opportunistic(self, host: str) -> Any:
        """Encrypts towards whoever answers (RFC 7435): between mail exchangers names prove nothing."""
        if self._unverified is None:
            self._unverified = CertificateOptions(verify=False).getContext()
        return _Unverified(self._unverified, host)

    def verified(self, host: str) -> Any:
        """Insists on a certificate for `host` from an authority that we trust."""
        if host not in self._verified:
            self._verified[host] = optionsForClientTLS(host, trustRoot=self._trust_root)
        return self._verified[host]


@implementer(IOpenSSLClientConnectionCreator)
class _Unverified:
    def __init__(self, context: Any, host: str) -> None:
        self._context = context
        self._host = host

    def clientConnectionForTLS(self, tlsProtocol: Any) -> Connection:
        connection = Connection(self._context, None)
        if not self._host.rpartition(".")[2].isdigit() and ":" not in self._host:     # RFC 6066 section 3: never an address
            connection.set_tlsext_host_name(self._host.encode("ascii"))
        return connection
