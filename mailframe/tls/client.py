"""TLS contexts for connections that we make: opportunistic to any mail exchanger, verified to a named host."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import Certificate, optionsForClientTLS, platformTrust, trustRootFromCertificates
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from .pem import Stamp, Unusable, stamp

_MOST_KEPT = 256                # hosts; a server verifies its few smarthosts only


class ClientContexts:
    """Makes what ``startTLS`` wants, for each host.

    `trust_root` (an IOpenSSLTrustRoot) believes where no CA file is named; None: the system's trust store does.
    """

    def __init__(self, trust_root: Any = None) -> None:
        self._trust_root = trust_root
        self._unverified: SSL.Context | None = None
        # reading a trust store takes milliseconds, and a relay meets the same hosts again
        self._verified: dict[tuple[str, Path | None], tuple[Stamp | None, IOpenSSLClientConnectionCreator]] = {}

    def opportunistic(self, hostname: str) -> IOpenSSLClientConnectionCreator:
        """Encrypts and verifies nothing (RFC 7435): better than the clear, which would be the alternative.

        `hostname` is sent as SNI (an IP address is not: RFC 6066 section 3).
        """
        if self._unverified is None:
            self._unverified = _unverified_context()
        return _Opportunistic(self._unverified, hostname)

    def verified(self, hostname: str, ca_file: Path | None = None) -> IOpenSSLClientConnectionCreator:
        """Verifies chain and name; `hostname` may be an IP address. `ca_file` (PEM) is believed instead of the trust root.

        A file that has changed is read again. Raises ValueError naming the file when it cannot be used.
        """
        now = stamp(ca_file) if ca_file is not None else None
        read, made = self._verified.get((hostname, ca_file), (None, None))
        if made is None or read != now:
            made = optionsForClientTLS(hostname, trustRoot=self._trust(ca_file))
            if len(self._verified) >= _MOST_KEPT:
                self._verified.clear()
            self._verified[hostname, ca_file] = now, made
        return made

    def _trust(self, ca_file: Path | None) -> Any:
        if ca_file is not None:
            return trustRootFromCertificates(_authorities(ca_file))  # type: ignore[no-untyped-call]
        return self._trust_root or platformTrust()  # type: ignore[no-untyped-call]


def _authorities(path: Path) -> list[Certificate]:
    try:
        certificates = x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise Unusable(f"the CA file {path} cannot be read: {error.strerror}", path) from None
    except ValueError as error:
        raise Unusable(f"the CA file {path} holds no PEM certificate: {error}", path) from None
    return [Certificate.loadPEM(certificate.public_bytes(Encoding.PEM)) for certificate in certificates]


@implementer(IOpenSSLClientConnectionCreator)
class _Opportunistic:
    def __init__(self, context: SSL.Context, hostname: str) -> None:
        self._context = context
        self._server_name = _sni(hostname)

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        connection = SSL.Connection(self._context, None)
        if self._server_name:
            connection.set_tlsext_host_name(self._server_name)
        return connection


def _sni(hostname: str) -> bytes:
    name = hostname.rstrip(".")
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return name.encode("idna") if not name.isascii() else name.encode("ascii")
    return b""


def _unverified_context() -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)   # RFC 8996
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    context.set_verify(SSL.VERIFY_NONE)
    return context
