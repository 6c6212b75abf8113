"""What a client calls itself: names that are none, that are ours, or that DNS does not know."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from mailframe.dns.answer import DnsError, DnsTemporaryError
from mailframe.dns.resolver import Resolver
from mailframe.interfaces.filter import IHelloFilter
from mailframe.model.domain import canonical_domain
from mailframe.model.envelope import Peer
from mailframe.model.verdict import Verdict
from mailframe.pacing.deadline import within

from .guard import PASS, Guard
from .scope import Scope

_NAMES = 4_096      # that were judged before


@dataclass(frozen=True, slots=True, kw_only=True)
class HelloSettings(Scope):
    """What HELO and EHLO may say. RFC 5321 section 4.1.4 forbids to refuse a name only for not matching the client's address.
    Wrong values raise ValueError."""

    syntax: bool = True                    # refuse what is neither a domain nor an address literal (section 4.1.1.1)
    bare_address: bool = True              # refuse an address without brackets: no mail server writes that
    own_name: bool = True                  # refuse our host name, our domains and our addresses: a stranger who says so lies
    dotless: bool = False                  # refuse a name without a dot: some office machines still have such
    unresolvable: bool = False             # refuse a name with neither address nor MX in DNS; costs a look-up
    timeout_s: float = 5.0                 # for that look-up; without an answer the name passes
    own_addresses: tuple[str, ...] = ()    # of this server as the world sees it; loopback is always one

    def check(self) -> None:
        """Raises ValueError for own addresses that are none."""
        for text in self.own_addresses:
            try:
                ip_address(text)
            except ValueError:
                raise ValueError(f'own_addresses has {text!r}, which is no address; write "192.0.2.1" or "2001:db8::1"') from None


@implementer(IHelloFilter)
class Hello(Guard):
    """Refuses with 501 5.5.2 what is no name, with 550 5.7.1 what is not the client's."""

    name = "hello"

    def __init__(self, settings: HelloSettings, resolver: Resolver, clock: IReactorTime, own_names: Iterable[str]) -> None:
        """`own_names`: our host name and our domains, canonical."""
        super().__init__(settings)
        self._settings = settings
        self._resolver = resolver
        self._clock = clock
        self._own = frozenset(own_names) | {_told(text) for text in settings.own_addresses}
        self._judged = lru_cache(_NAMES)(self._judge)

    def hello(self, peer: Peer) -> Verdict | Awaitable[Verdict]:
        """See `IHelloFilter`."""
        if not self.concerns(peer):
            return PASS
        fault = self._judged(peer.helo)
        if fault is not None:
            return self.refuse(peer, *fault)
        return self._look_up(peer) if self._settings.unresolvable else PASS

    def _judge(self, said: str) -> tuple[int, str, str, str] | None:
        """What is wrong with the name itself, in the words of `refuse`."""
        settings = self._settings
        if settings.bare_address and _address(said) is not None:
            return 501, "5.5.2", "An address needs brackets here", "bare address"
        try:
            name = canonical_domain(said)
        except ValueError:
            return (501, "5.5.2", "Say your host name", "no host name") if settings.syntax else None
        literal = _address(name[1:-1].removeprefix("IPv6:")) if name.startswith("[") else None
        if settings.own_name and ((str(literal) if literal else name) in self._own or (literal and literal.is_loopback)):
            return 550, "5.7.1", "That is our name, say yours", "own name"
        if settings.dotless and literal is None and "." not in name:
            return 550, "5.7.1", "Say your full host name", "name without a dot"
        return None

    async def _look_up(self, peer: Peer) -> Verdict:
        """When DNS cannot say, the doubt is the client's benefit."""
        if peer.helo.startswith("["):
            return PASS
        try:
            known = await within(self._settings.timeout_s, self._clock, self._in_dns(peer.helo))
        except (TimeoutError, DnsTemporaryError):
            return PASS
        return PASS if known else self._unknown(peer)

    async def _in_dns(self, name: str) -> bool:
        """Raises DnsTemporaryError."""
        for look_up in (self._resolver.addresses, self._resolver.mx):
            try:
                await look_up(name)
                return True
            except DnsTemporaryError:
                raise
            except DnsError:
                pass
        return False

    def _unknown(self, peer: Peer) -> Verdict:
        return self.refuse(peer, 550, "5.7.1", "Your host name is not in DNS", "name not in DNS")


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _told(text: str) -> str:
    return str(ip_address(text))
