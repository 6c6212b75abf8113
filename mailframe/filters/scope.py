"""Whom a guard looks at: listeners by role, clients by address; and in which network an address is counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache
from ipaddress import ip_address, ip_network

from mailframe.model.envelope import Peer

ROLES = ("mx", "submission", "lmtp", "relay-in")
LOOPBACK = ("127.0.0.0/8", "::1")
_REMEMBERED = 8_192     # addresses whose networks are known already
_MOST_BITS = {"ipv4_prefix": 32, "ipv6_prefix": 128}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What all guards have in common. Wrong values raise ValueError with a sentence that names the key."""

    roles: tuple[str, ...] = ("mx",)            # of the listeners where it is on: mx, submission, lmtp, relay-in; []: it is off
    exempt: tuple[str, ...] = LOOPBACK          # addresses and networks that it lets alone; Unix sockets always are

    def __post_init__(self) -> None:
        for role in self.roles:
            if role not in ROLES:
                raise ValueError(f"roles holds {role!r}; there are {', '.join(ROLES)}")
        for text in self.exempt:
            try:
                ip_network(text)
            except ValueError as error:
                raise ValueError(f"exempt: {error}") from None
        for item in fields(self):
            value = getattr(self, item.name)
            most = _MOST_BITS.get(item.name)
            if isinstance(value, (int, float)) and not 0 <= value <= (value if most is None else most):
                raise ValueError(f"{item.name} must " + ("not be negative" if most is None else f"be from 0 to {most}"))
        self.check()

    def check(self) -> None:
        """What is more to be said of a guard's own values. Raises ValueError."""


def concerned(scope: Scope) -> Callable[[Peer], bool]:
    """Whether a guard with this scope looks at a peer; quick for an address that was asked about before."""
    roles, stranger = frozenset(scope.roles), _outside(scope.exempt)

    def concerns(peer: Peer) -> bool:
        return peer.role in roles and stranger(peer.ip)

    return concerns


@lru_cache(64)
def _outside(exempt: tuple[str, ...]) -> Callable[[str], bool]:
    """Whether an address is in none of these networks; guards with the same ones remember together."""
    networks = tuple(ip_network(text) for text in exempt)

    @lru_cache(_REMEMBERED)
    def outside(ip: str) -> bool:
        try:
            address = ip_address(ip)
        except ValueError:
            return False                # a Unix socket, or ourselves
        return not any(address in network for network in networks)

    return outside


@lru_cache(_REMEMBERED)
def network(ip: str, ipv4_prefix: int, ipv6_prefix: int) -> str:
    """``192.0.2.0/24``: the network of that size in which `ip` is; `ip` itself when it is no address."""
    try:
        address = ip_address(ip)
    except ValueError:
        return ip
    return str(ip_network((address, ipv4_prefix if address.version == 4 else ipv6_prefix), strict=False))
