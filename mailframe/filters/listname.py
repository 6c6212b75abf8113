"""How DNS lists are asked and what their answers mean (RFC 5782) [pure]."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, ip_address, ip_network

ANSWERS = IPv4Network("127.0.0.0/8")        # section 2.1: anything else is no answer of a list, but a lapsed domain's new owner


def query_name(ip: str, zone: str) -> str:
    """``99.2.0.192.bad.example.com`` (section 2.1); 32 nibbles for IPv6 (section 2.4). Raises ValueError."""
    address = ip_address(ip)
    labels = str(address).split(".") if address.version == 4 else list(address.exploded.replace(":", ""))
    return ".".join([*reversed(labels), zone])


def networks_of(texts: Iterable[str]) -> tuple[IPv4Network, ...]:
    """Answers that count, as addresses or networks within 127.0.0.0/8. Raises ValueError."""
    found = []
    for text in texts:
        try:
            network = ip_network(text)
        except ValueError as error:
            raise ValueError(f'answers has {text!r}: {error}; write "127.0.0.2" or "127.0.0.0/24"') from None
        if not isinstance(network, IPv4Network) or not network.subnet_of(ANSWERS):
            raise ValueError(f"answers has {text!r}, which is not within {ANSWERS}")
        found.append(network)
    return tuple(found)


def counts(answers: Iterable[str], networks: Iterable[IPv4Network], bits: int) -> bool:
    """Whether one of a list's `answers` is in `networks`; of those with a bit for each sublist (section 2.3), has one of `bits`."""
    wanted = tuple(networks)
    for text in answers:
        address = ip_address(text)
        if any(address in network for network in wanted) and (not bits or int(address) & bits):
            return True
    return False
