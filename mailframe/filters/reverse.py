"""The client's name in DNS: from its address to a name, and from the name back to the address."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address
from typing import Literal, get_args

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from mailframe.dns.answer import DnsError, DnsTemporaryError
from mailframe.dns.resolver import Resolver
from mailframe.interfaces.filter import IConnectionFilter, ISenderFilter
from mailframe.model.envelope import Envelope, Peer
from mailframe.model.verdict import Named, Verdict
from mailframe.pacing.deadline import within

from .guard import PASS, Guard
from .memory import DOUBT_S, Memory
from .scope import Scope

Require = Literal["nothing", "name", "confirmed"]
Trusts = Callable[[Peer], Awaitable[bool]]
_ADDRESSES = 5_000      # whose names are remembered


@dataclass(frozen=True, slots=True, kw_only=True)
class ReverseSettings(Scope):
    """Reverse DNS of who connects. A confirmed name is shown in Received, and to filters as `Peer.name`.
    Wrong values raise ValueError."""

    require: Require = "nothing"           # name: refuse who has no PTR; confirmed: also whose name does not lead back
    timeout_s: float = 5.0                 # the greeting waits for it; then the client has no name, which is held against nobody
    max_names: int = 5                     # PTR records that are followed (RFC 8601 section 2.7.3); honest hosts have one
    remember_s: float = 300.0              # what was found is not looked up again for so long; the resolver knows the TTL

    def check(self) -> None:
        """Raises ValueError."""
        if self.require not in get_args(Require):
            raise ValueError(f"require must be one of {', '.join(get_args(Require))}, not {self.require!r}")


class Found(Enum):
    """What DNS said."""

    NOTHING = "no reverse DNS"
    UNCONFIRMED = "reverse DNS does not lead back"
    CONFIRMED = "reverse DNS is good"
    UNKNOWN = "reverse DNS cannot be found out now"


@implementer(IConnectionFilter)
class ReverseDns(Guard):
    """Names clients."""

    name = "reverse"

    def __init__(self, settings: ReverseSettings, resolver: Resolver, clock: IReactorTime, trusts: Trusts | None = None) -> None:
        """`trusts`: whether DNS lists speak so well of a client that it needs no name."""
        super().__init__(settings)
        self._settings = settings
        self._resolver = resolver
        self._clock = clock
        self._trusts = trusts
        self._known: Memory[tuple[Found, str]] = Memory(_ADDRESSES)

    def connection(self, peer: Peer) -> Verdict | Awaitable[Verdict]:
        """See `IConnectionFilter`."""
        if not self.concerns(peer):
            return PASS
        known = self._known.get(peer.ip, self._clock.seconds())
        if known is None:
            return self._named(peer.ip)
        return Named(known[1]) if known[1] else PASS

    async def _named(self, ip: str) -> Verdict:
        _, name = await self.found(ip)
        return Named(name) if name else PASS

    async def found(self, ip: str) -> tuple[Found, str]:
        """What DNS says of an address, and its name if that is confirmed."""
        known = self._known.get(ip, self._clock.seconds())
        if known is not None:
            return known
        try:
            found = await within(self._settings.timeout_s, self._clock, self._look_up(ip))
        except (TimeoutError, DnsTemporaryError):
            found = Found.UNKNOWN, ""
        kept = min(self._settings.remember_s, DOUBT_S) if found[0] is Found.UNKNOWN else self._settings.remember_s
        self._known.put(ip, found, self._clock.seconds() + kept)
        return found

    async def _look_up(self, ip: str) -> tuple[Found, str]:
        """Raises DnsTemporaryError."""
        wanted, doubt = ip_address(ip), Found.UNCONFIRMED
        try:
            names = await self._resolver.ptr(ip)
        except DnsTemporaryError:
            raise
        except DnsError:
            return Found.NOTHING, ""
        for name in names.records[:self._settings.max_names]:
            try:
                if wanted in map(ip_address, await self._resolver.addresses(name)):
                    return Found.CONFIRMED, name
            except DnsTemporaryError:
                doubt = Found.UNKNOWN
            except DnsError:
                pass
        return doubt, ""

    async def told(self) -> Mapping[str, int]:
        """See `Guard`."""
        return {"addresses looked up": len(self._known)}

    async def known(self, ip: str) -> Sequence[str]:
        """See `Guard`."""
        found = self._known.get(ip, self._clock.seconds())
        return () if found is None else (f"its name in DNS is {found[1]}" if found[1] else found[0].value,)

    async def forget(self, ip: str) -> int:
        """See `Guard`."""
        return int(self._known.forget(ip))


@implementer(ISenderFilter)
class RequiredReverseDns(ReverseDns):
    """Refuses also who has no name, with 550 5.7.25, or 451 4.7.25 when DNS is silent (RFC 7372 section 3.3): at MAIL, so that
    who logs in needs none."""

    def sender(self, envelope: Envelope) -> Verdict | Awaitable[Verdict]:
        """See `ISenderFilter`."""
        peer = envelope.peer
        if peer.name or peer.account is not None or not self.concerns(peer):
            return PASS
        return self._judge(peer)

    async def _judge(self, peer: Peer) -> Verdict:
        found, _ = await self.found(peer.ip)
        if found is Found.CONFIRMED or (found is Found.UNCONFIRMED and self._settings.require == "name"):
            return PASS
        if self._trusts is not None and await self._trusts(peer):
            return PASS
        if found is Found.UNKNOWN:
            return self.refuse(peer, 451, "4.7.25", "Cannot look up your reverse DNS now, please try again later", found.value)
        return self.refuse(peer, 550, "5.7.25", "Your address has no name in DNS that leads back to it", found.value)


def reverse_dns(
    settings: ReverseSettings, resolver: Resolver, clock: IReactorTime, trusts: Trusts | None = None,
) -> ReverseDns:
    """The guard that these settings ask for."""
    return (ReverseDns if settings.require == "nothing" else RequiredReverseDns)(settings, resolver, clock, trusts)
