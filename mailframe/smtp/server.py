"""The SMTP server: makes sessions, counts them, and ends them gracefully."""

from __future__ import annotations

import random
from collections.abc import Mapping

from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import ServerFactory

from mailframe.interfaces.delivery import IReception
from mailframe.model.client import network_of
from mailframe.pacing.delays import Delays
from mailframe.pacing.turns import Turns
from mailframe.sasl.exchange import Mechanism
from mailframe.sasl.registry import MECHANISMS
from mailframe.tls.handshakes import Handshakes
from mailframe.tracing.choices import TraceSettings
from mailframe.tracing.traces import Traces

from .extension import Registry
from .extensions.builtin import BUILTIN
from .host import Guest
from .session import SmtpSession
from .settings import SmtpSettings

IDS = random.Random()    # names only have to differ: no call of the system for each


class SmtpServerFactory(ServerFactory):
    """Serves `reception` on any stream endpoint. On one with TLS of its own (implicit TLS) `tls` is not needed.

    `portal` logs users in (None: no AUTH); `tls` is what `transport.startTLS` takes (None: no STARTTLS).
    `turns` and `traces` are to be shared by all factories on a reactor. `handshakes`: how TLS is watched, where not as by default.
    """

    noisy = False

    def __init__(
        self, reception: IReception, settings: SmtpSettings, *, clock: IReactorTime, portal: Portal | None = None,
        tls: object | None = None, random: random.Random = IDS, registry: Registry = BUILTIN,
        mechanisms: Mapping[bytes, Mechanism] = MECHANISMS, listener: str = "",
        turns: Turns | None = None, traces: Traces | None = None, handshakes: Handshakes | None = None,
    ) -> None:
        self.reception = reception
        self.settings = settings
        self.looks = Delays(clock, min(settings.idle_timeout_s, settings.data_timeout_s, settings.answers_within_s))
        self.cuts = Delays(clock, settings.close_timeout_s)
        self.handshakes = handshakes or Handshakes(clock, listener or settings.role)
        self.clock = clock
        self.turns = turns or Turns(clock)
        self.traces = traces or Traces(TraceSettings(), clock)
        self.portal = portal
        self.tls = tls
        self.random = random
        self.registry = registry.for_role(settings.role)
        self.mechanisms = mechanisms
        self.listener = listener
        self.stopping = False
        self._sessions: set[Guest] = set()
        self._per_ip: dict[str, int] = {}
        self._stopped: Deferred[None] | None = None

    def buildProtocol(self, addr: IAddress | None) -> SmtpSession:
        session = SmtpSession(self)
        session.factory = self
        return session

    def admit(self, session: Guest, ip: str) -> bool:
        """Count a new session, unless there are too many."""
        origin = network_of(ip)
        count = self._per_ip.get(origin, 0)
        crowded = bool(ip) and count >= self.settings.max_connections_per_ip    # a Unix socket is no address: whoever may, may
        if crowded or len(self._sessions) >= self.settings.max_connections:
            return False
        self._sessions.add(session)
        self._per_ip[origin] = count + 1
        return True

    def gone(self, session: Guest, ip: str) -> None:
        """An admitted session has ended."""
        self._sessions.discard(session)
        origin = network_of(ip)
        self._per_ip[origin] -= 1
        if not self._per_ip[origin]:
            del self._per_ip[origin]
        if self._stopped is not None and not self._sessions:
            self._stopped.callback(None)
            self._stopped = None

    @property
    def connections(self) -> int:
        """How many sessions there are."""
        return len(self._sessions)

    def stop(self) -> Deferred[None]:
        """End sessions without a transaction now (421 4.3.2), each other one after it; fires when none is left.

        Stop listening first; `cut` ends those that take too long.
        """
        self.stopping = True
        if not self._sessions:
            return succeed(None)
        stopped = self._stopped = self._stopped or Deferred()
        for session in list(self._sessions):
            session.wind_down()
        return stopped

    def cut(self) -> None:
        """End every connection at once; what was not acknowledged is not delivered."""
        for session in list(self._sessions):
            session.cut()
