"""A self-signed certificate for tests, made once in each run."""

from __future__ import annotations

import datetime
import ssl
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLContextFactory
from zope.interface import implementer


@implementer(IOpenSSLContextFactory)
class ServerContext:
    """What `transport.startTLS` and TLS endpoints take."""

    def __init__(self, pem: bytes) -> None:
        self._context = SSL.Context(SSL.TLS_SERVER_METHOD)
        self._context.use_privatekey(serialization.load_pem_private_key(pem, None))  # type: ignore[arg-type]
        self._context.use_certificate(x509.load_pem_x509_certificate(pem))

    def getContext(self) -> SSL.Context:
        return self._context


@cache
def certificate_pem() -> bytes:
    """Key and certificate for localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False).sign(key, hashes.SHA256())
    )
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption(),
    ) + certificate.public_bytes(serialization.Encoding.PEM)


@cache
def server_context() -> ServerContext:
    """For `transport.startTLS` and TLS endpoints."""
    return ServerContext(certificate_pem())


def client_context() -> ssl.SSLContext:
    """For blocking clients: takes that certificate and no other."""
    context = ssl.create_default_context()
    text = certificate_pem().decode()
    context.load_verify_locations(cadata=text[text.index("-----BEGIN CERTIFICATE"):])
    return context
