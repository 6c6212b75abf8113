"""The factory of POP3 connections: what they share, how many there may be, and how they end together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from twisted.cred.portal import Portal
from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Protocol, ServerFactory

from mailframe.pacing.turns import Turns
from mailframe.sasl.exchange import Mechanism
from mailframe.sasl.registry import MECHANISMS
from mailframe.tls.handshakes import Handshakes, TurnedAway

from .connection import Connection
from .extension import Extension, Registry
from .extensions import EXTENSIONS
from .locks import MaildropLocks
from .reply import TEMPORARY, err
from .session import Session
from .settings import Pop3Settings

_TOO_MANY = err(b"Too many connections, try again later", TEMPORARY)


class Pop3ServerFactory(ServerFactory):
    """A POP3 server (RFC 1939) over any `Portal` whose realm gives out `IMailUser`.

    For implicit TLS wrap it: ``TLSMemoryBIOFactory(contexts, False, factory)``, or listen on an ``ssl:`` endpoint.
    """

    noisy = False

    def __init__(
        self, portal: Portal, settings: Pop3Settings | None = None, *, clock: IReactorTime, tls: object | None = None,
        locks: MaildropLocks | None = None, extensions: Iterable[Extension] = EXTENSIONS,
        mechanisms: Mapping[bytes, Mechanism] = MECHANISMS, turns: Turns | None = None, handshakes: Handshakes | None = None,
    ) -> None:
        """`tls`: what ``transport.startTLS`` takes; None: no STLS. `locks`: to be shared by all POP3 factories of a process.
        `turns`: to be shared by all factories on a reactor. `handshakes`: how TLS is watched, where not as by default."""
        self._portal = portal
        self._settings = settings or Pop3Settings()
        self._clock = clock
        self._turns = turns or Turns(clock)
        self._handshakes = handshakes or Handshakes(clock, "pop3")
        self._tls = tls
        self._locks = locks or MaildropLocks()
        self._registry = Registry(extensions)
        self._mechanisms = mechanisms
        self._sessions: set[Session] = set()
        self._by_ip: Counter[str] = Counter()
        self._stopping: Deferred[None] | None = None

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        ip = "" if isinstance(addr, UNIXAddress) else getattr(addr, "host", "unknown")
        if self._stopping is not None or self._full(ip):
            return TurnedAway(_TOO_MANY, self._handshakes)
        connection = Connection(ip, self._settings, self._clock, self._turns, self._handshakes)
        self._sessions.add(Session(
            connection, self._portal, self._settings, clock=self._clock, tls=self._tls, locks=self._locks,
            registry=self._registry, mechanisms=self._mechanisms, on_end=self._ended,
        ))
        self._by_ip[ip] += 1
        return connection

    def _full(self, ip: str) -> bool:
        settings = self._settings
        return len(self._sessions) >= settings.max_connections or (bool(ip) and self._by_ip[ip] >= settings.max_connections_per_ip)

    def _ended(self, session: Session) -> None:
        self._sessions.discard(session)
        self._by_ip[session.ip] -= 1
        if not self._by_ip[session.ip]:
            del self._by_ip[session.ip]
        if self._stopping is not None and not self._sessions:
            self._stopping.callback(None)

    async def stop(self) -> None:
        """Close all connections: as if they had dropped, nothing of theirs is removed; an update under way finishes.

        Returns when all are gone; one that does not go by itself is cut off after `close_timeout_s`. To be called once.
        """
        self._stopping = Deferred()
        if self._sessions:
            for session in tuple(self._sessions):
                session.hang_up()
        else:
            self._stopping.callback(None)
        await self._stopping
