"""The only place where parts meet: from one configuration to the factories that the ports are given."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from mailframe.app.builtin import DATABASE
from mailframe.app.chosen import content_store, identity, one, several, titles
from mailframe.app.config import Config
from mailframe.app.latecontexts import LateContexts
from mailframe.app.ownaddress import own_address
from mailframe.app.parts import Parts
from mailframe.app.placed import placing
from mailframe.app.plugins import BuildContext
from mailframe.app.ports import factory_for
from mailframe.auth.development import FRESH_DEVELOPMENT
from mailframe.auth.limiter import LoginLimiter
from mailframe.auth.realm import portal as make_portal
from mailframe.dns.resolver import Resolver
from mailframe.filters.guards import guards
from mailframe.interfaces.store import IIndexedStore, IMailStore
from mailframe.mime.attributes import VERSION
from mailframe.model.flags import SEEN
from mailframe.model.mailbox import FRESH_ACCOUNT
from mailframe.pacing.onward import Onward
from mailframe.pacing.turns import Turns
from mailframe.pipeline.dispatch import Pipeline
from mailframe.pipeline.local import LocalAgent
from mailframe.pipeline.settings import PipelineSettings
from mailframe.pipeline.submission.ratebook import RateBook
from mailframe.pipeline.submission.sentcopy import SentCopies
from mailframe.pop3.locks import MaildropLocks
from mailframe.queue.agent import CARRIED, QueueAgent
from mailframe.queue.runner import Runner
from mailframe.queue.spool import Spool
from mailframe.relay.agent import RelayAgent
from mailframe.sqlite.content import SqliteContent
from mailframe.sqlite.engine import Engine
from mailframe.stores.annotated.store import store_annotated
from mailframe.stores.beside.store import store_beside
from mailframe.stores.shared.store import store_shared
from mailframe.stores.urlkeys import MailboxKeys
from mailframe.tls.client import ClientContexts
from mailframe.tracing.traces import Traces


def build(config: Config, reactor: Any) -> Parts:
    """Make all parts and let them know one another. Opens nothing but TLS keys and CA files. Raises ConfigError."""
    with placing(config):
        return _built(config, reactor)


def _built(config: Config, reactor: Any) -> Parts:
    context, outside = mailboxes(config, reactor)
    store, engine, content = context.store, context.engine, context.content
    indexed = _with_index(config, store, engine, reactor)
    reached = _for_sessions(config, indexed, engine)
    context = replace(context, store=indexed)
    development, checkers, directory = identity(config, context)
    local = one("delivery", config, config.delivery, context)
    filters = several("filter", "filters", config, config.filters, context)
    resolver, limiter = Resolver(reactor, nameservers=config.relay.resolvers()), LoginLimiter(Onward(reactor).seconds, config.login)
    guarding = guards(
        config.guards, {listener.role for listener in config.listeners.values()}, reactor=reactor, resolver=resolver, engine=engine,
        own_names=[config.hostname.lower(), *config.domains], logins=limiter)
    spool = Spool(engine, content, reactor)
    relay = None if config.development else _relay(config, reactor, resolver)
    queue = QueueAgent(spool, onward=CARRIED if relay is None else relay.honours)
    settings = _pipeline_settings(config)
    sent = SentCopies(LocalAgent(indexed, fresh=context.fresh, flags=SEEN, return_path=False), reached, context.fresh)
    pipeline = Pipeline(
        directory, local, queue, [*guarding, *filters], settings, clock=reactor, hostname=config.hostname, sent=sent)
    rates = RateBook(pipeline.rates, engine, reactor, settings.submission.rates.save_s)
    runner = Runner(spool, relay, local, pipeline, config.queue, reactor, hostname=config.hostname)
    tls = LateContexts(config.tls.pairs(), reactor)
    portal = config.parts.get("portal") or make_portal(reached, checkers, context.fresh, limiter)
    others = [*checkers, *([] if directory in checkers else [directory]), local, *guarding, *filters, *([relay] if relay else []),
              rates]
    parts = Parts(
        config, reactor, outside, store, directory, portal, pipeline, spool, runner, tls, development, others,
        titles(config, store, outside, local, checkers, directory, filters), fresh=context.fresh,
        keys=MailboxKeys(engine, reached), traces=Traces(config.trace, reactor), guards=guarding)
    locks, turns = MaildropLocks(), Turns(reactor)
    for name, listener in config.listeners.items():
        parts.factories[name] = factory_for(name, listener, parts, locks, turns)
    return parts


def mailboxes(config: Config, reactor: Any) -> tuple[BuildContext, Any]:
    """(what plugins are built with: the storage, and the engine that it may share; the content store beside them, to be
    started before and closed after, or None). Opens nothing. Raises ValueError."""
    engine = Engine(config.data / DATABASE, reactor)
    context = BuildContext(
        reactor, config.data, config.hostname, config.domains, config.postmaster, base=config.base, engine=engine,
        fresh=FRESH_DEVELOPMENT if config.development else FRESH_ACCOUNT,
    )
    outside = content_store(config, context)
    context = replace(context, content=SqliteContent(engine, reactor, outside))
    return replace(context, store=one("storage", config, config.storage, context)), outside


def _for_sessions(config: Config, store: IMailStore, engine: Engine) -> IMailStore:
    """`store` as sessions reach it: layer upon layer of what mail programs are offered, and deliveries have no need of."""
    return _with_sharing(config, _with_annotations(config, store, engine), engine)


def _with_index(config: Config, store: IMailStore, engine: Engine, reactor: Any) -> IMailStore:
    """`store` as deliveries reach it: with an index beside it, unless it says that its mailboxes need none."""
    if not config.index_beside or IIndexedStore.providedBy(store):
        return store
    spec = config.storage
    own = hashlib.sha256(repr((sorted(spec.settings.items()), spec.argument)).encode()).hexdigest()[:16]
    name = type(store).__name__ if "storage" in config.parts else f"{spec.plugin} {own}"
    return store_beside(store, engine, reactor, name=name, attributes_version=VERSION)


def _with_annotations(config: Config, store: IMailStore, engine: Engine) -> IMailStore:
    """`store` with annotations."""
    return store_annotated(store, engine, name=_named(config, store), limits=config.metadata)


def _with_sharing(config: Config, store: IMailStore, engine: Engine) -> IMailStore:
    """`store`, whose accounts can share mailboxes. It goes around the annotations, which follow a shared mailbox's owner."""
    if not config.sharing.enabled:
        return store
    return store_shared(store, engine, name=_named(config, store), settings=config.sharing)


def _named(config: Config, store: IMailStore) -> str:
    """What says where the mailboxes are: other settings of a plugin may change."""
    spec = config.storage
    where = spec.argument or spec.settings.get("path") or ""
    return type(store).__name__ if "storage" in config.parts else f"{spec.plugin} {where}".rstrip()


def _relay(config: Config, reactor: Any, resolver: Resolver) -> RelayAgent:
    """A CA file that cannot be used is told of now, not with the first mail."""
    tls = ClientContexts()
    for host in config.relay.hosts():
        if host.ca_file is not None:
            tls.verified(host.name, host.ca_file)
    resolver = Resolver(reactor, nameservers=config.relay.resolvers(), trusted=config.relay.validating)
    return RelayAgent(
        resolver, config.relay, reactor=reactor, hostname=config.hostname,
        own_names=config.relay.own_names, tls=tls,
        own_address=own_address([each.endpoint for each in config.listeners.values()], config.relay.port))


def _pipeline_settings(config: Config) -> PipelineSettings:
    """The configured ones, and whose a postmaster is that the directory does not know."""
    settings, domains = config.pipeline, config.domains
    route = replace(
        settings.route, own_domain=domains[0] if domains else config.hostname,
        postmaster=settings.route.postmaster or config.postmaster)
    return replace(settings, route=route)


def rehearse(config: Config) -> None:
    """Build everything and throw it away, as `mailframe check` does. Raises ConfigError."""
    from twisted.internet.testing import MemoryReactorClock

    build(config, MemoryReactorClock())  # type: ignore[no-untyped-call]
