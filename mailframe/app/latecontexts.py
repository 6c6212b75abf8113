"""The listeners' TLS: keys that are read while we may still be root, or a certificate of our own when we are not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.logger import Logger
from zope.interface import implementer

from mailframe.app.explain import explained
from mailframe.tls.contexts import ServerContexts
from mailframe.tls.pem import CertificateFiles
from mailframe.tls.selfsigned import self_signed

_log = Logger()

#: How often a server that runs on looks whether its self-signed certificate ends soon.
RENEWAL_S = 86_400.0


@implementer(IOpenSSLServerConnectionCreator)
class LateContexts:
    """TLS for the listeners: configured keys are read while we may still be root, a self-signed one is made when we are not."""

    def __init__(self, pairs: Sequence[tuple[Path, Path]], clock: Any) -> None:
        self._clock = clock
        self._own: Path | None = None        # the data folder, where the certificate is self-signed
        self._renew_at = 0.0
        self._contexts: ServerContexts | None = None
        if pairs:
            self._contexts = ServerContexts([CertificateFiles(*pair) for pair in pairs], clock=clock)
            self._contexts.load()

    @property
    def is_self_signed(self) -> bool:
        return self._own is not None

    def load(self, data: Path, now: float) -> None:
        """Before the first connection."""
        if self._contexts is None:
            self._own, self._renew_at = data, now + RENEWAL_S
            self._contexts = ServerContexts([self_signed(data, now=now)], clock=self._clock)
            self._contexts.load()

    def reload(self) -> None:
        """Read files that have changed now."""
        if self._contexts is not None:
            self._contexts.reload()

    def serverConnectionForTLS(self, tlsProtocol: Any) -> Any:
        """See IOpenSSLServerConnectionCreator."""
        assert self._contexts is not None
        now = self._clock.seconds()
        if self._own is not None and now >= self._renew_at:
            self._renew_at = now + RENEWAL_S
            try:
                self_signed(self._own, now=now)
            except OSError as error:
                _log.error("the self-signed certificate cannot be renewed: {why}", why=explained(error))
            self._contexts.reload()
        return self._contexts.serverConnectionForTLS(tlsProtocol)
