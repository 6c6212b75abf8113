"""Whom a guard looks at: listeners by role, clients by address and name; and in which network an address is counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache
from ipaddress import ip_address, ip_network

from mailframe.model.domain import canonical_domain
from mailframe.model.envelope import Peer

ROLES = ("mx", "submission", "lmtp", "relay-in")
_LOOPBACK = ("127.0.0.0/8", "::1")
_REMEMBERED = 8_192     # addresses whose networks are known already, and names
_MOST_BITS = {"ipv4_prefix": 32, "ipv6_prefix": 128}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What all guards have in common. Wrong values raise ValueError with a sentence that names the key."""

    roles: tuple[str, ...] = ("mx",)            # of the listeners where it is on: mx, submission, lmtp, relay-in; []: it is off
    exempt: tuple[str, ...] = ()                # addresses and networks that it lets alone; Unix sockets always are
    exempt_names: tuple[str, ...] = ()          # "far.example": so are hosts of it and below, by the name that [guards.reverse] has
                                                # confirmed; what is decided before that, of connections, does not know it
    exempt_listeners: tuple[str, ...] = ()      # names of listeners where it is off, whatever their role
    loopback: bool = False                      # true: clients on this machine are looked at, too; for trying it out
    only_log: bool = False                      # true: whom it would refuse is let in and logged: to see what it would do

    def __post_init__(self) -> None:
        for role in self.roles:
            if role not in ROLES:
                raise ValueError(f"roles holds {role!r}; there are {', '.join(ROLES)}")
        check_networks("exempt", self.exempt)
        try:
            object.__setattr__(self, "exempt_names", tuple(canonical_domain(name) for name in self.exempt_names))
        except ValueError as error:
            raise ValueError(f'exempt_names: {error}; write "far.example", which means all below it, too') from None
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, (int, float)) and item.name not in self.signed():
                most = _MOST_BITS.get(item.name)
                if not 0 <= value <= (value if most is None else most):
                    raise ValueError(f"{item.name} must " + ("not be negative" if most is None else f"be from 0 to {most}"))
        self.check()

    @staticmethod
    def signed() -> tuple[str, ...]:
        """Keys whose numbers may be below 0."""
        return ()

    def check(self) -> None:
        """What is more to be said of a guard's own values. Raises ValueError."""


def check_networks(key: str, texts: tuple[str, ...]) -> None:
    """Raises ValueError for what is neither an address nor a network."""
    for text in texts:
        try:
            ip_network(text)
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from None


def concerned(scope: Scope) -> Callable[[Peer], bool]:
    """Whether a guard with this scope looks at a peer; quick for an address that was asked about before."""
    roles = frozenset(scope.roles)
    stranger = outside(scope.exempt if scope.loopback else (*_LOOPBACK, *scope.exempt))
    listeners, named = frozenset(scope.exempt_listeners), _named(scope.exempt_names)

    def concerns(peer: Peer) -> bool:
        return peer.role in roles and stranger(peer.ip)

    def narrowly(peer: Peer) -> bool:
        return concerns(peer) and peer.listener not in listeners and not (peer.name and named(peer.name))

    return narrowly if listeners or scope.exempt_names else concerns


def _named(domains: tuple[str, ...]) -> Callable[[str], bool]:
    """Whether a name is one of these or below one."""
    below = tuple(f".{domain}" for domain in domains)

    @lru_cache(_REMEMBERED)
    def named(name: str) -> bool:
        return f".{name.lower()}".endswith(below)

    return named


@lru_cache(64)
def outside(exempt: tuple[str, ...]) -> Callable[[str], bool]:
    """Whether an address is in none of these networks; guards with the same ones remember together."""
    networks = tuple(ip_network(text) for text in exempt)

    @lru_cache(_REMEMBERED)
    def is_outside(ip: str) -> bool:
        try:
            address = ip_address(ip)
        except ValueError:
            return False                # a Unix socket, or ourselves
        return not any(address in network for network in networks)

    return is_outside


@lru_cache(_REMEMBERED)
def network(ip: str, ipv4_prefix: int, ipv6_prefix: int) -> str:
    """``192.0.2.0/24``: the network of that size in which `ip` is; `ip` itself when it is no address."""
    try:
        address = ip_address(ip)
    except ValueError:
        return ip
    return str(ip_network((address, ipv4_prefix if address.version == 4 else ipv6_prefix), strict=False))
