"""The factory that a listening port is given, and its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory, Protocol

from mailframe.interfaces.content import IContent
from mailframe.interfaces.urlauth import IMailboxKeys
from mailframe.model.client import is_near
from mailframe.pacing.turns import Turns
from mailframe.sasl.exchange import Mechanism
from mailframe.sasl.registry import MECHANISMS
from mailframe.tls.handshakes import Handshakes, TurnedAway

from .builtin import default_registry
from .registry import Registry
from .session import Session
from .settings import ImapSettings

_TOO_MANY = b"* BYE [LIMIT] Too many connections\r\n"
_STOPPING = b"* BYE [UNAVAILABLE] Server is going down\r\n"


class ImapServerFactory(Factory):
    """Makes a session for each connection. Implicit TLS comes from the endpoint; `tls` is for STARTTLS."""

    noisy = False

    def __init__(
        self, portal: Portal, settings: ImapSettings | None = None, *, clock: IReactorTime, tls: object | None = None,
        registry: Registry | None = None, content: IContent | None = None, mechanisms: Mapping[bytes, Mechanism] = MECHANISMS,
        turns: Turns | None = None, keys: IMailboxKeys | None = None, handshakes: Handshakes | None = None,
    ) -> None:
        """`portal` hands out `IMailUser`. `tls` is what ``transport.startTLS`` takes. `content`: the store, if it provides
        IContent: large messages are then staged there; without it an APPEND is held in memory.
        `turns` is to be shared by all factories on a reactor. `keys`: for URLAUTH, which is not there without.
        `handshakes`: how TLS is watched, where not as by default."""
        self.portal = portal
        self.settings = settings or ImapSettings()
        self.clock = clock
        self.turns = turns or Turns(clock)
        self.handshakes = handshakes or Handshakes(clock, "imap")
        self.tls = tls
        self.registry = registry or default_registry()
        self.content = content
        self.keys = keys
        self.mechanisms = mechanisms
        self.caches: dict[Any, Any] = {}
        self.sessions: set[Session] = set()
        self._per_host: dict[str, int] = {}
        self._stopped: Deferred[None] | None = None

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        host = str(getattr(addr, "host", ""))
        settings = self.settings
        if self._stopped is not None:
            return TurnedAway(_STOPPING, self.handshakes)
        crowded = self._per_host.get(host, 0) >= settings.max_connections_per_ip and not is_near(host)
        if crowded or len(self.sessions) >= settings.max_connections:
            return TurnedAway(_TOO_MANY, self.handshakes)
        session = Session(self, host)
        self.sessions.add(session)
        self._per_host[host] = self._per_host.get(host, 0) + 1
        session.connection.on_closed = lambda: self._closed(session, host)
        return session.connection

    def _closed(self, session: Session, host: str) -> None:
        self.sessions.discard(session)
        left = self._per_host[host] - 1
        if left:
            self._per_host[host] = left
        else:
            del self._per_host[host]
        if self._stopped is not None and not self.sessions and not self._stopped.called:
            self._stopped.callback(None)

    def stop(self, grace_s: float = 5.0) -> Deferred[None]:
        """Say BYE to every session once its running command is done; fires when all are gone. After `grace_s` the rest is cut."""
        if self._stopped is None:
            self._stopped = Deferred()
            for session in tuple(self.sessions):
                session.stop()
            if self.sessions and not self._stopped.called:
                late = self.clock.callLater(grace_s, self.cut)
                self._stopped.addBoth(lambda _: late.cancel() if late.active() else None)
            elif not self._stopped.called:
                self._stopped.callback(None)
        return self._stopped

    def cut(self) -> None:
        """End every connection at once."""
        for session in tuple(self.sessions):
            session.connection.abort()


