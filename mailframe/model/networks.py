"""Networks as an operator writes them, and whether an address lies in one."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

UNIX = "unix"       # stands for whoever comes through a Unix socket, who has no address: its file mode says who may

_Parsed = dict[int, tuple[IPv4Network | IPv6Network, ...]]


def within(ip: str, networks: tuple[str, ...]) -> bool:
    """Whether `ip` ("": a Unix socket) lies in one of `networks`, which have passed `checked_networks`."""
    if not networks:
        return False
    if not ip:
        return UNIX in networks
    try:
        address = ip_address(ip.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        address = mapped
    return any(address in network for network in _parsed(networks)[address.version])


def checked_networks(key: str, networks: Iterable[str]) -> tuple[str, ...]:
    """`networks` ("192.0.2.0/24", "2001:db8::1", "unix"), if all can be read. Raises ValueError, a sentence that names `key`."""
    checked = tuple(networks)
    for network in checked:
        try:
            if network != UNIX:
                ip_network(network)
        except ValueError as error:
            raise ValueError(f'{key} has {network!r}, which is no network: {error}; write "192.0.2.0/24", or "{UNIX}"') from None
    return checked


@lru_cache(64)      # there are as many as settings that hold some
def _parsed(networks: tuple[str, ...]) -> _Parsed:
    found = [ip_network(each) for each in networks if each != UNIX]
    return {version: tuple(each for each in found if each.version == version) for version in (4, 6)}
