"""The mail server as a Twisted service: the order in which ports, stores and threads come to life and go."""

from __future__ import annotations

import errno
import os
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, DeferredList, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from mailframe.app.build import build
from mailframe.app.config import Config, Listener
from mailframe.app.endpoints import accept_in_turns, with_backlog
from mailframe.app.explain import explained
from mailframe.app.parts import Parts
from mailframe.app.placed import placing
from mailframe.app.toml import ConfigError
from mailframe.proxied.factory import ProxiedFactory

_log = Logger()

#: How long sessions may take to finish what they are in the middle of when the server stops.
STOP_PATIENCE_S = 5.0


class StartError(Exception):
    """One sentence about why the server does not start."""


class MailService(Service):
    """SMTP, submission, relay, POP3 and IMAP as `config` says, on `reactor`.

    ``MailService(config, reactor).setServiceParent(application)``. Ports are bound in `privilegedStartService` (as root
    where there is one) and accept only when `started` has fired: with None, or with a Failure whose text is one sentence,
    and then nothing is left open. It may be started again after it was stopped; `started` is another Deferred then.
    """

    name = "mailframe"

    def __init__(self, config: Config, reactor: Any) -> None:
        self.config = config
        self.reactor = reactor
        self.started: Deferred[None] = Deferred()
        self._starting: Deferred[None] | None = None
        self._stopped: list[Deferred[None]] | None = None      # who waits for a stop under way
        self._parts: Parts | None = None
        self._ending: Parts | None = None          # of a stop under way, until all is closed
        self._ports: dict[str, IListeningPort] = {}
        self._closing: list[Deferred[Any]] = []
        self._failure: Failure | None = None       # of `privilegedStartService`, until the start tells of it

    @property
    def parts(self) -> Parts:
        """What the server is made of; there from `privilegedStartService` on."""
        if self._parts is None:
            raise RuntimeError("the service has not been started")
        return self._parts

    def addresses(self) -> dict[str, tuple[str, int]]:
        """(host, port) that each listener really has; (path, 0) for a Unix socket."""
        return {name: _address(port) for name, port in self._ports.items()}

    def privilegedStartService(self) -> None:
        """As `prepare`; what went wrong is told by `started`, for an exception would keep other services from starting."""
        try:
            self.prepare()
        except Exception:
            self._failure = Failure()  # type: ignore[no-untyped-call]

    def prepare(self) -> None:
        """Bind every port and read the keys; what fails leaves nothing behind. Raises ConfigError, StartError."""
        if self.started.called:              # it was stopped, and begins anew
            self.started = Deferred()
        self._parts = build(self.config, self.reactor)
        try:
            with placing(self.config):
                for name, listener in self.config.listeners.items():
                    self._ports[name] = self._bind(name, listener)
        except BaseException:
            self._unbind()
            self._parts = None
            raise

    def startService(self) -> None:
        """Open stores and queue, then accept; `started` tells when."""
        super().startService()  # type: ignore[no-untyped-call]
        if self._parts is None and self._failure is None:
            self.privilegedStartService()
        started = self.started
        self._starting = Deferred.fromCoroutine(self._start()).addErrback(self._failed)
        self._starting.addBoth(self._begun, started)

    def stopService(self) -> Deferred[None]:
        """Fires when all is closed; a start under way ends first. To be called again does no harm."""
        super().stopService()  # type: ignore[no-untyped-call]
        waiting: Deferred[None] = Deferred()
        if self._stopped is None:
            self._stopped = [waiting]
            self._ending = self._parts
            Deferred.fromCoroutine(self._stop()).addBoth(self._ended)
        else:
            self._stopped.append(waiting)
        return waiting

    def hurry(self) -> None:
        """Let a stop, under way or to come, wait for nobody: sessions are cut off, stores and queue are closed in order."""
        parts = self._parts or self._ending
        if parts is not None and parts.hurry():
            _log.info("stopping at once: what is not finished is cut off")

    def _begun(self, outcome: Failure | None, started: Deferred[None]) -> None:
        self._starting = None
        if isinstance(outcome, Failure):
            if not isinstance(outcome.value, CancelledError):
                _log.error("mailframe cannot start: {why}", why=self.explain(outcome.value))
            started.errback(outcome)
            if isinstance(outcome.value, CancelledError):
                started.addErrback(lambda _: None)
        else:
            started.callback(None)

    async def _start(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            failure.raiseException()
        await self.parts.start()
        for port in self._ports.values():
            _accept(port, True)
        _log.info("mailframe is ready: {listeners}", listeners=", ".join(
            f"{name} {host}:{port}" for name, (host, port) in self.addresses().items()))

    def _failed(self, failure: Failure) -> Deferred[Any]:
        self._unbind()
        closing, self._closing = self._closing, []
        return DeferredList(closing, consumeErrors=True).addCallback(lambda _: failure)

    async def _stop(self) -> None:
        self._unbind()
        closing, self._closing = self._closing, []
        await DeferredList(closing, consumeErrors=True)
        starting = self._starting
        if starting is not None:
            starting.cancel()
            await starting                   # its parts close what they opened
        parts, self._parts = self._parts, None
        if parts is not None:
            await parts.stop(STOP_PATIENCE_S)

    def _ended(self, outcome: Failure | None) -> None:
        if isinstance(outcome, Failure):
            _log.failure("stopping failed", outcome)
        self._ending = None
        waiting, self._stopped = self._stopped or [], None
        for each in waiting:
            each.callback(None)

    def _unbind(self) -> None:
        """Close all ports; the system has them back when `_closing` has fired."""
        self._closing += [maybeDeferred(port.stopListening) for port in self._ports.values()]
        self._ports.clear()

    def _bind(self, name: str, listener: Listener) -> IListeningPort:
        """Bind now, accept later: a client that comes early waits in the kernel's queue."""
        factory = self.parts.factories[name]
        if listener.tls == "implicit":
            factory = TLSMemoryBIOFactory(self.parts.tls, False, factory, clock=self.reactor)
        if listener.proxy is not None:      # its header comes before the handshake
            factory = ProxiedFactory(factory, listener.proxy, clock=self.reactor, name=name)
        try:
            listening = serverFromString(self.reactor, with_backlog(listener.endpoint)).listen(factory)  # type: ignore[no-untyped-call]
        except (ValueError, TypeError, LookupError) as error:
            raise ConfigError(f"The listener {name!r} has no usable endpoint {listener.endpoint!r}: {error}.",
                              ("listeners", name, "endpoint")) from None
        outcome: list[Any] = []
        listening.addBoth(outcome.append)
        if not outcome:
            raise ConfigError(f"The listener {name!r}: {listener.endpoint!r} does not listen at once, which mailframe needs.")
        if isinstance(outcome[0], Failure):
            raise StartError(_why_not(name, listener, outcome[0].value))
        port: IListeningPort = outcome[0]
        accept_in_turns(port)
        _accept(port, False)
        return port

    @staticmethod
    def explain(error: BaseException | None) -> str:
        """A sentence for a person."""
        sentence = explained(error)
        return sentence[:1].upper() + sentence[1:]


def _accept(port: Any, now: bool) -> None:
    step = getattr(port, "startReading" if now else "stopReading", None)
    if step is not None:
        step()


def _address(port: IListeningPort) -> tuple[str, int]:
    address: Any = port.getHost()
    if hasattr(address, "port"):
        return address.host, address.port
    name = getattr(address, "name", None)
    return os.fsdecode(name) if name is not None else str(address), 0


def _why_not(name: str, listener: Listener, error: BaseException | None) -> str:
    cause = error.socketError if isinstance(error, CannotListenError) else error
    number = getattr(cause, "errno", None)
    place = f"Cannot listen on {listener.endpoint} for {name}"
    if number == errno.EADDRINUSE:
        return f"{place}: another program has this port; stop it, or choose another port."
    if number == errno.EACCES:
        return f"{place}: ports below 1024 are for root; start as root with twistd's --uid and --gid, or choose another port."
    if number == errno.EADDRNOTAVAIL:
        return f"{place}: this machine has no such address."
    return f"{place}: {getattr(cause, 'strerror', None) or cause}."
