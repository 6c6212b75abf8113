"""The sender's domain: whether anybody could answer a message from there."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from enum import Enum

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from mailframe.dns.answer import DnsError, DnsTemporaryError, NoSuchDomain, NoUsableAnswer
from mailframe.dns.resolver import Resolver
from mailframe.interfaces.filter import ISenderFilter
from mailframe.model.envelope import Envelope, Peer
from mailframe.model.pattern import AddressPatterns
from mailframe.model.verdict import Verdict
from mailframe.pacing.deadline import within

from .guard import PASS, Guard
from .memory import DOUBT_S, Memory
from .scope import Scope

_DOMAINS = 10_000       # that are remembered


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderSettings(Scope):
    """Who MAIL FROM says it is from, and its domain in DNS. Wrong values raise ValueError."""

    refuse: tuple[str, ...] = ()           # senders that are not wanted: "spam@far.example", "*@far.example"
    exists: bool = True                    # refuse a domain with neither MX nor address: no report would ever reach it
    null_mx: bool = True                   # refuse a domain that says it takes no mail (RFC 7505 section 4.2)
    defer: bool = False                    # when DNS cannot say: true answers 451, false takes the mail
    timeout_s: float = 5.0                 # for the look-up; clients wait 5 minutes for an answer to MAIL
    remember_s: float = 300.0              # what was found is not looked up again for so long; the resolver knows the TTL

    def check(self) -> None:
        """Raises ValueError."""
        try:
            AddressPatterns.parse(self.refuse)
        except ValueError as error:
            raise ValueError(f'refuse: {error}; write "spam@far.example" or "*@far.example"') from None


class Found(Enum):
    """What DNS said of a domain."""

    GOOD = "takes mail"
    MISSING = "does not exist"
    NULL_MX = "takes no mail"
    UNKNOWN = "cannot be found out now"


@implementer(ISenderFilter)
class SenderDomain(Guard):
    """Refuses with 550 5.1.8, 550 5.7.27, and 550 5.7.1 who is not wanted. The null reverse-path and users who logged in
    always pass."""

    name = "sender"

    def __init__(self, settings: SenderSettings, resolver: Resolver, clock: IReactorTime) -> None:
        super().__init__(settings)
        self._settings = settings
        self._resolver = resolver
        self._clock = clock
        self._unwanted = AddressPatterns.parse(settings.refuse)
        self._known: Memory[Found] = Memory(_DOMAINS)

    def sender(self, envelope: Envelope) -> Verdict | Awaitable[Verdict]:
        """See `ISenderFilter`."""
        peer, sender = envelope.peer, envelope.sender
        if sender is None or peer.account is not None or not self.concerns(peer):
            return PASS
        if self._unwanted and sender in self._unwanted:
            return self.refuse(peer, 550, "5.7.1", "Your messages are not wanted here", f"{sender} is in refuse")
        if not sender.domain or sender.domain.startswith("["):
            return PASS
        known = self._known.get(sender.domain, self._clock.seconds())
        return self._verdict(peer, known, sender.domain) if known is not None else self._ask(peer, sender.domain)

    async def _ask(self, peer: Peer, domain: str) -> Verdict:
        try:
            found = await within(self._settings.timeout_s, self._clock, self._look_up(domain))
        except (TimeoutError, DnsTemporaryError):
            found = Found.UNKNOWN
        kept = min(self._settings.remember_s, DOUBT_S) if found is Found.UNKNOWN else self._settings.remember_s
        self._known.put(domain, found, self._clock.seconds() + kept)
        return self._verdict(peer, found, domain)

    def _verdict(self, peer: Peer, found: Found, domain: str) -> Verdict:
        settings, why = self._settings, f"{domain} {found.value}"
        if found is Found.MISSING and settings.exists:
            return self.refuse(peer, 550, "5.1.8", "The sender's domain does not exist", why)
        if found is Found.NULL_MX and settings.null_mx:
            return self.refuse(peer, 550, "5.7.27", "The sender's domain takes no mail, so nobody could answer", why)
        if found is Found.UNKNOWN and settings.defer:
            return self.refuse(peer, 451, "4.1.8", "Cannot look up the sender's domain now, please try again later", why)
        return PASS

    async def _look_up(self, domain: str) -> Found:
        """Raises DnsTemporaryError."""
        try:
            hosts = await self._resolver.mx(domain)
        except (DnsTemporaryError, NoUsableAnswer) as error:
            if isinstance(error, DnsTemporaryError):
                raise
            return Found.MISSING
        except NoSuchDomain:
            return Found.MISSING
        except DnsError:
            return await self._host(domain)
        return Found.NULL_MX if all(not each.host for each in hosts) else Found.GOOD

    async def _host(self, domain: str) -> Found:
        """Without MX a domain's own address counts (RFC 5321 section 5.1)."""
        try:
            await self._resolver.addresses(domain)
        except DnsTemporaryError:
            raise
        except DnsError:
            return Found.MISSING
        return Found.GOOD

    async def told(self) -> Mapping[str, int]:
        """See `Guard`."""
        return {"domains looked up": len(self._known)}
