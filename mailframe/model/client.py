"""Who is at the other end of a login, and what counts as one and the same."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Client:
    """What a wing hands to ``portal.login(credentials, mind, IMailUser)`` as `mind`."""

    ip: str                        # without brackets or zone; "" for what is no Internet address (a Unix socket)
    protocol: str                  # smtp, imap, pop3


def network_of(ip: str) -> str:
    """Who is counted as one peer: an IPv4 address, or the /64 that any IPv6 customer has to himself."""
    return ip if ":" not in ip else _ipv6_network(ip)


@lru_cache(8_192)
def _ipv6_network(ip: str) -> str:
    try:
        address = ipaddress.IPv6Address(ip.partition("%")[0])
    except ValueError:
        return ip
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, 64), strict=False))


@lru_cache(1_024)
def is_near(ip: str) -> bool:
    """Whether it is this machine itself: loopback, or a Unix socket."""
    try:
        return not ip or ipaddress.ip_address(ip.partition("%")[0]).is_loopback
    except ValueError:
        return False
