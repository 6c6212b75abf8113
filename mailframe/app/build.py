"""The only place where parts meet: from one configuration to the factories that the ports are given."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from twisted.cred.portal import Portal
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.defer import TimeoutError as DeadlineMissed
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator, IProtocolFactory
from twisted.logger import Logger
from zope.interface import implementer

from mailframe.app.builtin import ACCOUNTS, BUILT_IN, DATABASE
from mailframe.app.config import Config, Listener
from mailframe.app.control import ControlFactory
from mailframe.app.control import listen as listen_control
from mailframe.app.ownaddress import own_address
from mailframe.app.plugins import BuildContext, Plugins, kept_promise
from mailframe.app.queuecontrol import handlers
from mailframe.app.toml import ConfigError, PluginSpec
from mailframe.auth.development import FRESH_DEVELOPMENT, DevelopmentAuth
from mailframe.auth.limiter import LoginLimiter
from mailframe.auth.realm import portal as make_portal
from mailframe.dns.resolver import Resolver
from mailframe.imap.server import ImapServerFactory
from mailframe.interfaces.content import IContent
from mailframe.interfaces.directory import IDirectory
from mailframe.interfaces.maybe import settled
from mailframe.interfaces.plugin import ILifecycle
from mailframe.model.mailbox import FRESH_ACCOUNT
from mailframe.pacing.turns import Turns
from mailframe.pipeline.dispatch import Pipeline
from mailframe.pipeline.settings import PipelineSettings
from mailframe.pop3.locks import MaildropLocks
from mailframe.pop3.server import Pop3ServerFactory
from mailframe.queue.agent import QueueAgent
from mailframe.queue.runner import Runner
from mailframe.queue.spool import Spool
from mailframe.relay.agent import RelayAgent
from mailframe.smtp.server import SmtpServerFactory
from mailframe.sqlite.content import SqliteContent
from mailframe.sqlite.engine import Engine
from mailframe.tls.client import ClientContexts
from mailframe.tls.contexts import ServerContexts
from mailframe.tls.pem import CertificateFiles
from mailframe.tls.selfsigned import self_signed

PLUGINS = Plugins(BUILT_IN)
_log = Logger()

#: How long one part may take to close after a start that failed.
CLOSE_PATIENCE_S = 10.0

#: How long a store may: it writes back what a busy day has left in its log.
STORE_PATIENCE_S = 60.0

#: How often a server that runs on looks whether its self-signed certificate ends soon.
RENEWAL_S = 86_400.0


@dataclass
class Parts:
    """What a server is made of, in the order in which it starts and, backwards, stops."""

    config: Config
    reactor: Any
    store: Any                                   # IMailStore
    directory: Any                               # IDirectory
    portal: Portal
    pipeline: Pipeline
    spool: Spool
    runner: Runner
    tls: LateContexts
    development: DevelopmentAuth | None
    others: Sequence[object]                     # checkers, filters, agents: started if they are ILifecycle
    titles: Mapping[int, str] = field(default_factory=dict)      # by id(part): what a person calls it
    factories: dict[str, Any] = field(default_factory=dict)
    control: Any = None
    _closed: bool = False

    async def start(self) -> None:
        """Open everything; on failure close what was opened. Raises what the failing part raised, in words that name it."""
        try:
            _prepare(self.config.data)
            self.tls.load(self.config.data, self.reactor.seconds())
            await self.spool.start()
            await self._begin(self.store)
            for part in self._others():
                await self._begin(part)
            if self.development is not None:
                _ = self.development.password
            self.control = listen_control(self.reactor, self.config.data, ControlFactory(handlers(self.spool, self.runner.wake)))
            self.runner.start()
        except BaseException:
            await self._close()
            raise

    async def _begin(self, part: Any) -> None:
        try:
            await settled(part.start())
        except (ConfigError, CancelledError):
            raise
        except Exception as error:
            raise ConfigError(f"{self.title(part)} cannot start: {explained(error)}") from error

    async def stop(self, patience_s: float) -> None:
        """End sessions gracefully, let running hand-overs finish, close the stores; to be called again does nothing.

        Takes at most about `patience_s` for the sessions and as long again for each part that does not close.
        """
        await DeferredList(
            [*(Deferred.fromCoroutine(_stopped(factory, patience_s, self.reactor)) for factory in self.factories.values()),
             Deferred.fromCoroutine(self._last("the queue's runner", lambda: self.runner.stop(patience_s), 2 * patience_s))],
            consumeErrors=True)
        await self._close(patience_s)

    def reload(self) -> None:
        """Look at certificates and accounts now, instead of when they are next wanted."""
        for part in (self.tls, *self.others):
            if hasattr(part, "reload"):
                Deferred.fromCoroutine(self._reload(part))

    async def _reload(self, part: Any) -> None:
        try:
            await settled(part.reload())
        except Exception:
            _log.failure("reading again for {part} failed", part=self.title(part))

    def title(self, part: object) -> str:
        return self.titles.get(id(part), type(part).__name__)

    async def _close(self, patience_s: float = CLOSE_PATIENCE_S) -> None:
        """Each part once, whatever happens to the others."""
        if self._closed:
            return
        self._closed = True
        if self.control is not None:
            await self._last("the control socket", self.control.stopListening, patience_s)
            self.control = None
        for part in reversed(self._others()):
            await self._last(self.title(part), part.close, patience_s)
        for part in (self.store, self.spool):
            await self._last(self.title(part), part.close, STORE_PATIENCE_S)

    def _others(self) -> list[Any]:
        """Those to be started and closed, each once, though it may play several parts."""
        return [part for part in {id(part): part for part in self.others}.values() if ILifecycle.providedBy(part)]

    async def _last(self, title: str, step: Callable[[], Any], patience_s: float) -> None:
        closing = Deferred.fromCoroutine(_called(step))
        closing.addTimeout(patience_s, self.reactor)
        try:
            await closing
        except DeadlineMissed:
            _log.error("{part} did not close within {patience:g} s", part=title, patience=patience_s)
        except Exception:
            _log.failure("closing {part} failed", part=title)


async def _called(step: Callable[[], Any]) -> Any:
    return await settled(step())


def explained(error: BaseException | None) -> str:
    """A sentence for a person."""
    if isinstance(error, OSError) and error.strerror:
        where = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror}{where}."
    text = str(error) or type(error).__name__
    return text if text.endswith((".", "!", "?", ")")) else text + "."


def _prepare(data: Path) -> None:
    """The data folder, for us alone (I9)."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"Cannot make the data folder {data}: {error.strerror}.") from None


async def _stopped(factory: Any, patience_s: float, reactor: Any) -> None:
    """Its sessions end; those that do not are cut off, before the stores close under them."""
    stopping = Deferred.fromCoroutine(settled(factory.stop()))
    stopping.addTimeout(patience_s, reactor)
    try:
        await stopping
    except DeadlineMissed:
        cut = getattr(factory, "cut", None)
        if cut is not None:
            cut()


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


def build(config: Config, reactor: Any) -> Parts:
    """Make all parts and let them know one another. Opens nothing but TLS keys. Raises ConfigError."""
    engine = Engine(config.data / DATABASE, reactor)
    content = SqliteContent(engine, reactor)
    context = BuildContext(
        reactor, config.data, config.hostname, config.domains, config.postmaster, base=config.base, engine=engine, content=content,
        fresh=FRESH_DEVELOPMENT if config.development else FRESH_ACCOUNT,
    )
    store = _part("storage", config, config.storage, context)
    context = replace(context, store=store)
    development, checkers, directory = _identity(config, context)
    local = _part("delivery", config, config.delivery, context)
    filters = _parts("filter", "filters", config, config.filters, context)
    spool = Spool(engine, content, reactor)
    queue = QueueAgent(spool)
    pipeline = Pipeline(directory, local, queue, filters, _pipeline_settings(config), clock=reactor, hostname=config.hostname)
    relay = None if config.development else _relay(config, reactor)
    runner = Runner(spool, relay, local, pipeline, config.queue, reactor, hostname=config.hostname)
    tls = LateContexts(config.tls.pairs(), reactor)
    portal = config.parts.get("portal") or make_portal(
        store, checkers, context.fresh, LoginLimiter(reactor.seconds, config.login))
    others = [*checkers, *([] if directory in checkers else [directory]), local, *filters, *([relay] if relay else [])]
    parts = Parts(
        config, reactor, store, directory, portal, pipeline, spool, runner, tls, development, others,
        _titles(config, store, local, checkers, directory, filters))
    locks, turns = MaildropLocks(), Turns(reactor)
    for name, listener in config.listeners.items():
        parts.factories[name] = _factory(name, listener, parts, locks, turns)
    return parts


def _titles(
    config: Config, store: object, local: object, checkers: Sequence[object], directory: object, filters: Sequence[object],
) -> dict[int, str]:
    """What the configuration calls each plugin's part; ready-made ones and development's own go by their class."""
    named: list[tuple[str, object, PluginSpec | None]] = [
        (kind, part, spec) for kind, part, spec in (
            ("directory", directory, config.directory), ("storage", store, config.storage), ("delivery", local, config.delivery))
        if kind not in config.parts]
    own = not config.development and "portal" not in config.parts
    kinds = (("auth", "auth", checkers, config.auth if own else ()), ("filter", "filters", filters, config.filters))
    for kind, name, parts, specs in kinds:
        if name not in config.parts:
            named += [(kind, part, spec) for part, spec in zip(parts, specs)]
    return {id(part): f"The {kind} plugin {spec.plugin!r}" for kind, part, spec in named if spec is not None}


def _relay(config: Config, reactor: Any) -> RelayAgent:
    tls = ClientContexts()
    for host in config.relay.hosts():
        if host.ca_file is not None:
            tls.verified(host.name, host.ca_file)
    return RelayAgent(
        Resolver(reactor, nameservers=config.relay.resolvers()), config.relay, reactor=reactor, hostname=config.hostname,
        own_names=config.relay.own_names, tls=tls,
        own_address=own_address([each.endpoint for each in config.listeners.values()], config.relay.port))


def _pipeline_settings(config: Config) -> PipelineSettings:
    """The configured ones, and whose a postmaster is that the directory does not know."""
    settings, domains = config.pipeline, config.domains
    route = replace(
        settings.route, own_domain=domains[0] if domains else config.hostname,
        postmaster=settings.route.postmaster or config.postmaster)
    return replace(settings, route=route)


def _part(kind: str, config: Config, spec: PluginSpec, context: BuildContext) -> Any:
    """The one of this kind: ready made, or built."""
    if kind in config.parts:
        return kept_promise(kind, f"parts[{kind!r}]", config.parts[kind])
    return PLUGINS.build(kind, spec, context)


def _parts(kind: str, name: str, config: Config, specs: Sequence[PluginSpec], context: BuildContext) -> list[Any]:
    """Those of this kind: ready made, or built."""
    if name in config.parts:
        return [kept_promise(kind, f"parts[{name!r}]", each) for each in config.parts[name]]
    return [PLUGINS.build(kind, spec, context) for spec in specs]


def _identity(config: Config, context: BuildContext) -> tuple[DevelopmentAuth | None, list[Any], Any]:
    """(development's own, checkers, directory)."""
    development = DevelopmentAuth(config.data, random.SystemRandom()) if config.development else None
    own = () if development is not None or "portal" in config.parts else config.auth
    checkers = [*([development] if development else []), *_parts("auth", "auth", config, own, context)]
    if "directory" in config.parts or config.directory is not None:
        return development, checkers, _part("directory", config, config.directory or PluginSpec(""), context)
    for checker in checkers:
        if IDirectory.providedBy(checker):
            return development, checkers, checker
    raise ConfigError("None of the auth plugins knows who exists: name a directory plugin as well "
                      '(--directory everyone, or directory = "everyone", takes every name at our domains for an account).')


def _factory(name: str, listener: Listener, parts: Parts, locks: MaildropLocks, turns: Turns) -> IProtocolFactory:
    config, reactor = parts.config, parts.reactor
    tls = parts.tls if listener.tls == "starttls" else None
    factory: Any
    if listener.role in ("smtp", "submission"):
        table = config.smtp if listener.role == "smtp" else config.submission
        settings = replace(table, hostname=config.hostname, plaintext_login=listener.plaintext_login,
                           max_message_octets=_least(table.max_message_octets, config.pipeline.max_octets))
        portal = parts.portal if listener.role == "submission" else None
        factory = SmtpServerFactory(parts.pipeline, settings, clock=reactor, portal=portal, tls=tls, listener=name, turns=turns)
    elif listener.role == "imap":
        factory = ImapServerFactory(
            parts.portal, replace(config.imap, hostname=config.hostname, plaintext_login=listener.plaintext_login),
            clock=reactor, tls=tls, content=parts.store if IContent.providedBy(parts.store) else None, turns=turns)
    else:
        factory = Pop3ServerFactory(
            parts.portal, replace(config.pop3, plaintext_login=listener.plaintext_login), clock=reactor, tls=tls, locks=locks,
            turns=turns)
    made: IProtocolFactory = factory
    return made


def _least(announced: int, taken: int) -> int:
    """What SIZE may promise: no more than the pipeline takes; 0 is no limit."""
    return min(announced or taken, taken)


def rehearse(config: Config) -> None:
    """Build everything and throw it away, as `mailframe check` does. Raises ConfigError."""
    from twisted.internet.testing import MemoryReactorClock

    build(config, MemoryReactorClock())  # type: ignore[no-untyped-call]


def accounts_path(config: Config) -> Path:
    """The accounts file of the first auth plugin that is one. Raises ConfigError."""
    for spec in config.auth:
        if spec.plugin == "file":
            path = spec.argument or spec.settings.get("path", "")
            return config.base / path if path else config.data / ACCOUNTS
    raise ConfigError("This configuration keeps no accounts file; its auth plugins know their users themselves.")


async def open_spool(data: Path, reactor: Any) -> tuple[Spool, Any]:
    """(the queue in a data folder that no server uses, what closes it)."""
    engine = Engine(data / DATABASE, reactor)
    spool = Spool(engine, SqliteContent(engine, reactor), reactor)
    await spool.start()
    return spool, spool.close
