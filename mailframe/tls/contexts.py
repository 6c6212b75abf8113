"""The server's TLS contexts: chosen by the client's SNI, read again when their files change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator, IReactorTime
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from .pem import CertificateFiles, Identity, Stamp, Unusable, read_identity, stamp

_LOOK_AGAIN_S = 5.0             # files are looked at with a new connection, at most this often

# Tickets are sealed with a key of the contexts': a stolen one opens what is resumed under TLS 1.2 until there is another
# (RFC 9325 section 3.4: at least once a week).
_TICKET_KEY_S = 86_400.0

# TLS 1.2: forward secrecy and authenticated encryption only; TLS 1.3 has nothing else.
CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20"


@implementer(IOpenSSLServerConnectionCreator)
class ServerContexts:
    """For ``transport.startTLS(contexts)`` and ``TLSMemoryBIOFactory(contexts, False, factory)`` alike.

    The first certificate is for clients that name no server or none we have. Of several for one name with keys of different
    kinds (ECDSA, RSA) a client is shown one that it can verify. Files that have changed and cannot be used are logged, and
    the certificates read before stay in use.
    """

    _log = Logger()

    def __init__(self, certificates: Iterable[CertificateFiles], *, clock: IReactorTime) -> None:
        """Opens nothing; `load` does. Raises ValueError when there is no certificate at all."""
        self._files = tuple(certificates)
        if not self._files:
            raise ValueError("TLS wants at least one certificate")
        self._clock = clock
        self._stamp: tuple[Stamp, ...] | None = None
        self._looked_at = self._loaded_at = float("-inf")
        self._default: SSL.Context | None = None
        self._by_name: dict[str, SSL.Context] = {}

    def load(self) -> None:
        """Read all files now, while they are readable (before privileges are dropped). Raises Unusable."""
        looked = self._look()
        identities = [read_identity(files) for files in self._files]
        for identity in identities:
            expires = identity.chain[0].not_valid_after_utc
            if expires.timestamp() < self._clock.seconds():
                self._log.warn("the TLS certificate {path} expired on {day:%Y-%m-%d}", path=str(identity.files.chain), day=expires)
        made: dict[tuple[CertificateFiles, ...], SSL.Context] = {}

        def context(name: str) -> SSL.Context:
            chosen = _of_each_kind(identities, name)
            wanted = tuple(identity.files for identity in chosen)
            if wanted not in made:
                made[wanted] = _context(chosen)
                made[wanted].set_tlsext_servername_callback(self._choose)
            return made[wanted]

        by_name = {name: context(name) for identity in identities for name in identity.names}
        default = context(identities[0].names[0] if identities[0].names else "")
        self._default, self._by_name, self._stamp, self._loaded_at = default, by_name, looked, self._looked_at

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """See IOpenSSLServerConnectionCreator."""
        if self._default is None:
            self.load()
        elif not 0 <= self._clock.seconds() - self._looked_at < _LOOK_AGAIN_S:     # the clock may be set back
            self.reload()
        assert self._default is not None
        return SSL.Connection(self._default, None)

    def reload(self) -> None:
        """Look at the files now, and read them again if they have changed, or to have another key for tickets."""
        looked = self._look()
        changed = looked != self._stamp
        if not changed and self._looked_at - self._loaded_at < _TICKET_KEY_S:
            return
        self._loaded_at = self._looked_at
        try:
            self.load()
        except ValueError as error:
            self._stamp = looked   # say it once for each change
            if changed:            # else they are the user's who started us, and only tickets keep their key
                self._log.error("the TLS certificates stay as they were read before: {error}", error=error)
        else:
            if changed:
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


def _of_each_kind(identities: Sequence[Identity], name: str) -> list[Identity]:
    """Of those for `name` the first of each kind of key; the first of all where none is for it."""
    kinds: dict[type, Identity] = {}
    for identity in identities:
        if name in identity.names:
            kinds.setdefault(type(identity.key), identity)
    return list(kinds.values()) or [identities[0]]


def _context(identities: Sequence[Identity]) -> SSL.Context:
    """A context has room for one certificate of each kind, each with a chain of its own; OpenSSL chooses by what the client can."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(CIPHERS)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)   # an idle connection keeps no 34 KiB of buffers
    context.set_session_id(b"mailframe")         # tickets resume within this server
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)      # of clients without tickets 20,000 sessions would be kept here
    for identity in identities:
        try:
            context.use_certificate_chain_file(str(identity.files.chain))
            context.use_privatekey(identity.key)
            context.check_privatekey()
        except (SSL.Error, TypeError) as error:
            raise Unusable(f"OpenSSL refuses the TLS certificate {identity.files.chain} or its key {identity.files.key}: {error}",
                           identity.files.chain) from None
    return context
