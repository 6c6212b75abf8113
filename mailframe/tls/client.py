"""TLS contexts for connections that we make: opportunistic to any mail exchanger, verified to a named host."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import Certificate, optionsForClientTLS, platformTrust, trustRootFromCertificates
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer


def opportunistic_client(hostname: str) -> IOpenSSLClientConnectionCreator:
    """Encrypts and verifies nothing (RFC 7435): better than the clear, which would be the alternative.

    `hostname` is sent as SNI (an IP address is not: RFC 6066 section 3).
    """
    return _Opportunistic(hostname)


@lru_cache(maxsize=256)   # a context costs milliseconds (the trust store is read), and a relay meets the same hosts again
def verified_client(hostname: str, ca_file: str | Path | None = None) -> IOpenSSLClientConnectionCreator:
    """Verifies chain and name; `ca_file` (PEM) replaces the system's trust store. `hostname` may be an IP address.

    Raises ValueError naming the file when `ca_file` cannot be used.
    """
    trust = (
        platformTrust() if ca_file is None  # type: ignore[no-untyped-call]
        else trustRootFromCertificates(_authorities(Path(ca_file)))  # type: ignore[no-untyped-call]
    )
    made: IOpenSSLClientConnectionCreator = optionsForClientTLS(hostname, trustRoot=trust)
    return made


def _authorities(path: Path) -> list[Certificate]:
    try:
        certificates = x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise ValueError(f"the CA file {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"the CA file {path} holds no PEM certificate: {error}") from None
    return [Certificate.loadPEM(certificate.public_bytes(Encoding.PEM)) for certificate in certificates]


@implementer(IOpenSSLClientConnectionCreator)
class _Opportunistic:
    def __init__(self, hostname: str) -> None:
        self._server_name = _sni(hostname)

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        connection = SSL.Connection(_unverified_context(), None)
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


@lru_cache(maxsize=1)
def _unverified_context() -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)   # RFC 8996
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    context.set_verify(SSL.VERIFY_NONE)
    return context
