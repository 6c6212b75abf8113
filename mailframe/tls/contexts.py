"""The server's TLS contexts: chosen by the client's SNI, read again when their files change."""

from __future__ import annotations

from collections.abc import Iterable

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator, IReactorTime
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from .pem import CertificateFiles, Identity, Stamp, read_identity, stamp

_LOOK_AGAIN_S = 5.0             # files are looked at with a new connection, at most this often

# TLS 1.2: forward secrecy and authenticated encryption only; TLS 1.3 has nothing else.
CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20"


@implementer(IOpenSSLServerConnectionCreator)
class ServerContexts:
    """For ``transport.startTLS(contexts)`` and ``TLSMemoryBIOFactory(contexts, False, factory)`` alike.

    The first certificate is for clients that name no server or none we have. Files that have changed and cannot be
    used are logged, and the certificates read before stay in use.
    """

    _log = Logger()

    def __init__(self, certificates: Iterable[CertificateFiles], *, clock: IReactorTime) -> None:
        """Opens nothing; `load` does. Raises ValueError when there is no certificate at all."""
        self._files = tuple(certificates)
        if not self._files:
            raise ValueError("TLS wants at least one certificate")
        self._clock = clock
        self._stamp: tuple[Stamp, ...] | None = None
        self._looked_at = float("-inf")
        self._default: SSL.Context | None = None
        self._by_name: dict[str, SSL.Context] = {}

    def load(self) -> None:
        """Read all files now, while they are readable (before privileges are dropped). Raises ValueError in one sentence."""
        by_name: dict[str, SSL.Context] = {}
        contexts = []
        looked = self._look()
        for files in self._files:
            identity = read_identity(files)
            expires = identity.chain[0].not_valid_after_utc
            if expires.timestamp() < self._clock.seconds():
                self._log.warn("the TLS certificate {path} expired on {day:%Y-%m-%d}", path=str(files.chain), day=expires)
            context = _context(identity, files)
            context.set_tlsext_servername_callback(self._choose)
            contexts.append(context)
            for name in identity.names:
                by_name.setdefault(name, context)
        self._default, self._by_name, self._stamp = contexts[0], by_name, looked

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """See IOpenSSLServerConnectionCreator."""
        if self._default is None:
            self.load()
        elif not 0 <= self._clock.seconds() - self._looked_at < _LOOK_AGAIN_S:     # the clock may be set back
            self.reload()
        assert self._default is not None
        return SSL.Connection(self._default, None)

    def reload(self) -> None:
        """Look at the files now, and read them again if they have changed."""
        looked = self._look()
        if looked == self._stamp:
            return
        try:
            self.load()
        except ValueError as error:
            self._stamp = looked   # say it once for each change
            self._log.error("the TLS certificates stay as they were read before: {error}", error=error)
        else:
            self._log.info("read the TLS certificates again")

    def _look(self) -> tuple[Stamp, ...]:
        self._looked_at = self._clock.seconds()
        return tuple(stamp(path) for files in self._files for path in (files.chain, files.key))

    def _choose(self, connection: SSL.Connection) -> None:
        """OpenSSL calls this with the ClientHello in hand."""
        asked = (connection.get_servername() or b"").decode("ascii", "replace").lower().rstrip(".")
        context = self._by_name.get(asked) or self._by_name.get("*." + asked.partition(".")[2]) or self._default
        if context is not None and context is not connection.get_context():
            connection.set_context(context)


def _context(identity: Identity, files: CertificateFiles) -> SSL.Context:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(CIPHERS)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)   # an idle connection keeps no 34 KiB of buffers
    context.set_session_id(b"mailframe")         # tickets resume within this server
    try:
        context.use_certificate(identity.chain[0])
        for certificate in identity.chain[1:]:
            context.add_extra_chain_cert(certificate)
        context.use_privatekey(identity.key)
        context.check_privatekey()
    except (SSL.Error, TypeError) as error:
        raise ValueError(f"OpenSSL refuses the TLS certificate {files.chain} or its key {files.key}: {error}") from None
    return context
