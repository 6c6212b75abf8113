"""The relay: an IRelay for the queue's runner, and an IDeliveryAgent for whoever wants to hand mail on at once."""

from __future__ import annotations

import random as _random
from collections.abc import Callable, Collection, Sequence
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.logger import Logger
from zope.interface import implementer

from mailframe.dns.answer import MailExchange
from mailframe.interfaces.delivery import IDeliveryAgent, IHonours, IMessageSource, IRelay
from mailframe.model.domain import canonical_domain
from mailframe.model.envelope import Envelope, Recipient
from mailframe.model.handed import Handed
from mailframe.model.refusal import InternalError, Refusal
from mailframe.tls.client import ClientContexts

from .connect import Connector
from .delivery import RelayDelivery
from .handover import Handover
from .mx import Unprotected
from .pool import Gates, Pool
from .route import Routes
from .settings import RelaySettings


@implementer(IRelay, IDeliveryAgent, IHonours)
class RelayAgent:
    """Hands messages to the mail exchangers of their recipients' domains, or all to a smarthost.

    `resolver` is a `mailframe.dns.resolver.Resolver` or alike; `hostname` is what we call ourselves (A-labels);
    `own_names` are other names of this server, `own_address` says whether an address is its own: nothing is ever handed there.
    """

    log = Logger()
    honours = frozenset(("BINARYMIME", "REQUIRETLS", "RRVS", "NO-SOLICITING"))      # passed on as offered; kept, or refused

    def __init__(
        self, resolver: Any, settings: RelaySettings, *, reactor: Any, hostname: str, own_names: Collection[str] = (),
        own_address: Callable[[str], bool] = lambda address: False, tls: ClientContexts | None = None, random: Any = None,
    ) -> None:
        self._settings = settings
        self._clock = reactor
        hostname = canonical_domain(hostname)
        names = frozenset((hostname, *(canonical_domain(name) for name in own_names)))
        self._random = random or _random.SystemRandom()
        self._routes = Routes(resolver, settings, names, own_address, self._shuffle)
        self._pool = Pool(Connector(reactor, settings, hostname, tls or ClientContexts()).connect, reactor, settings)
        self._gates = Gates(settings.per_destination)

    async def deliver(
        self, envelope: Envelope, recipients: Sequence[Recipient], source: IMessageSource, head: bytes = b"",
    ) -> Handed:
        """See `IRelay`. May be cancelled: what was not handed over then has no outcome, and what was is not forgotten."""
        groups: dict[str, list[Recipient]] = {}
        for recipient in recipients:
            domain = recipient.address.domain
            alike = self._settings.smarthost is not None and domain not in self._settings.routes
            groups.setdefault("" if alike else domain, []).append(recipient)
        if len(groups) == 1:
            (domain, group), = groups.items()
            return await self._to(domain, envelope, group, source, head)
        handing = [Deferred.fromCoroutine(self._to(domain, envelope, group, source, head)) for domain, group in groups.items()]
        together = Handed()
        for done, handed in await DeferredList(handing, consumeErrors=True):
            if done:                    # the others were cancelled
                together.merge(handed)
        if not together:
            raise CancelledError
        return together

    async def begin(self, envelope: Envelope) -> RelayDelivery:
        """See `IDeliveryAgent`."""
        return RelayDelivery(self.deliver, envelope, self._settings.spool_octets)

    async def close(self) -> None:
        """Take leave of all hosts. Call it when no delivery is under way any more."""
        await self._pool.close()

    def _shuffle(self, hosts: list[MailExchange]) -> None:
        """Equals in any order, but first those who have a connection kept for us."""
        self._random.shuffle(hosts)
        hosts.sort(key=lambda record: not self._pool.keeps(record.host))

    async def _to(
        self, domain: str, envelope: Envelope, recipients: list[Recipient], source: IMessageSource, head: bytes,
    ) -> Handed:
        handover = Handover(self._pool, self._settings, self._clock, envelope, recipients, source, head)
        await self._gates.enter(domain)
        try:
            await self._go(handover, domain, envelope)
            return handover.outcomes
        except Refusal as refusal:
            failure = refusal
            self.log.info("{id} not handed on to {domain}: {refusal}", id=envelope.id, domain=domain, refusal=refusal)
        except CancelledError:
            if not handover.outcomes:
                raise
            return handover.outcomes
        except Exception:       # I7: a fault of the resolver's or the source's
            self.log.failure("{id} not handed on to {domain}", id=envelope.id, domain=domain)
            failure = InternalError(detail="relay")
        finally:
            handover.close()
            self._gates.leave(domain)
        for recipient in recipients:
            handover.outcomes.setdefault(recipient, failure)
        return handover.outcomes

    async def _go(self, handover: Handover, domain: str, envelope: Envelope) -> None:
        """By protected ways alone where the sender requires it. A report (it has no sender) then goes as it can, for it must
        not be lost (RFC 8689 section 5). Raises Refusal, and what reading the content raises."""
        if not envelope.require_tls:
            await handover.go(await self._routes.to(domain))
            return
        try:
            await handover.go(await self._routes.to(domain, secure=True))
        except Unprotected:
            if envelope.sender is not None:
                raise
        if envelope.sender is None and handover.unserved:
            await handover.go(await self._routes.to(domain))
