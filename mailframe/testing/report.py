"""What a store provides, and which IMAP capabilities a server over it rightly announces: asked of the code that announces.

``python -m mailframe.testing.report package.module:Factory [ARGUMENT...]`` prints it. The factory is called with the
arguments, and with the reactor as its last where it has a parameter of that name.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from typing import Any

from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.selectreactor import SelectReactor
from twisted.internet.task import react
from zope.interface.interface import InterfaceClass

from mailframe.auth.realm import MailRealm
from mailframe.imap.builtin import default_registry
from mailframe.imap.registry import Registry
from mailframe.imap.server import ImapServerFactory
from mailframe.imap.session import Session
from mailframe.interfaces import store as seams
from mailframe.interfaces.content import IContent
from mailframe.interfaces.maybe import settled
from mailframe.interfaces.metadata import IMetadata
from mailframe.interfaces.sharing import IAcl
from mailframe.interfaces.store import IMailStore
from mailframe.model.mailbox import FRESH_ACCOUNT, INBOX

_ACCOUNT = "mailframe-report"
#: (interface, what it is good for besides a capability, what the framework does without it)
OPTIONAL: tuple[tuple[InterfaceClass, str, str], ...] = (
    (IContent, "large messages are streamed into the store", "a message on its way in is held in memory"),
    (seams.IJoinedStore, "mailboxes and queue commit together", "mailboxes first, then the queue"),
    (seams.IDelivers, "one message for many accounts in one call", "each account is opened and appended to"),
    (seams.IMailboxFinder, "one mailbox of thousands is found by name", "the list is read"),
    (seams.IAccountFinder, "whether an account is there, without making it", "administrators see their own quota alone"),
    (seams.ISpecialUses, "a mailbox's special use can be changed", "it is given when the mailbox is made"),
    (IMetadata, "annotations are kept with the mailboxes", "a server keeps them beside the store, in mailframe.db"),
    (IAcl, "grants to other users are kept with the mailboxes", "a server keeps them beside the store, in mailframe.db"),
    (seams.IQuota, "use is counted and limited", "no limits"),
    (seams.ICopyable, "COPY without reading the messages", "messages are read and appended"),
    (seams.IMovable, "MOVE in one durable step", "MOVE is a durable copy, then an expunge"),
    (seams.IReplaces, "REPLACE in one durable step", "REPLACE is a durable append, then an expunge"),
    (seams.IModSequenced, "mod-sequences and the log of expunges", "sessions compare UIDs and flags"),
    (seams.IIndexedStore, "nothing is looked for beside the store", "an index is kept beside mailboxes that need it"),
    (seams.IObjectIds, "ids of messages and threads", "mailbox ids alone"),
    (seams.ISaveDates, "when a message came into its mailbox", "none"),
    (seams.ISearchable, "texts are found without reading the messages", "each message is read and searched"),
    (seams.IFuzzySearch, "words are found in any order and form", "SEARCH finds texts as they stand"),
    (seams.IAttributeCache, "ENVELOPE and BODYSTRUCTURE are made once", "they are made again for each FETCH"),
    (seams.IRecent, "\\Recent is told to one session", "nothing is \\Recent"),
)


@dataclass(frozen=True, slots=True)
class Offer:
    """One optional interface: whether the store has it, which capabilities need it, what else it brings or is done without it."""

    interface: str
    provided: bool
    capabilities: tuple[str, ...]
    words: str


@dataclass(frozen=True, slots=True)
class Report:
    """`announced` after login, as CAPABILITY would say it; `supplied` are those of them that need nothing beyond the minimum."""

    offers: tuple[Offer, ...]
    announced: tuple[str, ...]
    supplied: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """A table for people."""
        for offer in self.offers:
            needed = f" [{' '.join(offer.capabilities)}]" if offer.capabilities else ""
            yield f"{'provided' if offer.provided else 'missing ':8}  {offer.interface:15}  {offer.words}{needed}"
        yield ""
        yield f"announced after login: {' '.join(self.announced)}"
        yield f"over any store:        {' '.join(self.supplied)}"


async def report(store: IMailStore, clock: IReactorTime, registry: Registry | None = None) -> Report:
    """About a store that was started. An account is made in it to be looked at. `registry`: of a server with more extensions."""
    registry = registry or default_registry()
    account = await settled(store.open_account(_ACCOUNT, FRESH_ACCOUNT))
    inbox = next(info for info in (await settled(account.mailboxes())).mailboxes if info.name == INBOX)
    parts: tuple[object, ...] = (store, account, await settled(account.open_mailbox(inbox.id)))
    portal = Portal(MailRealm(store), [InMemoryUsernamePasswordDatabaseDontUse(**{_ACCOUNT: b"x"})])
    content = store if IContent.providedBy(store) else None
    session = Session(ImapServerFactory(portal, clock=clock, registry=registry, content=content), "")
    await session.log_in(_ACCOUNT, "x")
    announced = tuple(word.decode() for word in registry.capabilities(session))
    plain = Registry(extension for extension in registry.extensions if not extension.needs)
    supplied = tuple(word.decode() for word in plain.capabilities(session))
    offers = tuple(
        Offer(interface.__name__, provided := any(interface.providedBy(part) for part in parts), _needing(registry, interface),
              good if provided else without)
        for interface, good, without in OPTIONAL)
    return Report(offers, announced, tuple(word for word in supplied if word in announced))


def _needing(registry: Registry, interface: InterfaceClass) -> tuple[str, ...]:
    return tuple(word.decode() for extension in registry.extensions if interface in extension.needs
                 for word in (extension.capability or b"").split())


def made(name: str, arguments: list[str], reactor: Any) -> IMailStore:
    """What ``package.module:Factory`` makes. Raises SystemExit with a sentence where that is no store."""
    module, _, attribute = name.partition(":")
    try:
        factory = getattr(import_module(module), attribute)
        accepted = signature(factory)
        named = {"reactor": reactor} if "reactor" in accepted.parameters else {}
        accepted.bind(*arguments, **named)
    except (ImportError, AttributeError, TypeError) as error:
        raise SystemExit(f"{name} cannot be used: {error}.") from None
    store: IMailStore = factory(*arguments, **named)
    if not IMailStore.providedBy(store):
        raise SystemExit(f"{name} made a {type(store).__name__}, which does not say that it provides IMailStore.")
    return store


async def _print(reactor: Any, name: str, *arguments: str) -> None:
    store = made(name, [*arguments], reactor)
    await settled(store.start())
    try:
        for line in (await report(store, reactor)).lines():
            print(line)
    finally:
        await settled(store.close())


if __name__ == "__main__":
    if len(sys.argv) < 2 or ":" not in sys.argv[1]:
        sys.exit("usage: python -m mailframe.testing.report package.module:Factory [ARGUMENT...]")
    react(lambda reactor, *given: Deferred.fromCoroutine(_print(reactor, *given)), sys.argv[1:], SelectReactor())
