"""From where a retry may come: the network of a client, or the pool of hosts that a provider has named alike [pure]."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address

from .scope import network

_REMEMBERED = 8_192
_COUNTRY = 2        # letters in a country's domain
_SHORT = 3          # letters, at most, in what stands before it for anybody's domains: co, com, org, ac, gov


@lru_cache(_REMEMBERED)
def home_of(ip: str, name: str, ipv4_prefix: int, ipv6_prefix: int) -> str:
    """``far.example`` for mail-7.far.example, ``192.0.2.0/24`` for who has no name, or one that was made of its address.

    Large providers send one message's retries from networks all over the world, whose names are all below one of theirs. What
    is cut off is the first label. A name that holds the address belongs to a customer of whom the provider knows nothing else.
    """
    labels = name.lower().split(".")
    if len(labels) >= 3 and not _made_of(name.lower(), ip) and not _anybodys(labels[1:]):
        return ".".join(labels[1:])
    return network(ip, ipv4_prefix, ipv6_prefix)


def _anybodys(labels: list[str]) -> bool:
    """``co.uk``: below it are the domains of many owners. By rule of thumb: the lists of such are long, and change."""
    return len(labels) == 2 and len(labels[1]) == _COUNTRY and len(labels[0]) <= _SHORT


def _made_of(name: str, ip: str) -> bool:
    """Whether a name holds an address, however it is written: ``192-0-2-7.dsl.isp.example``, ``c0000207.isp.example``."""
    address = ip_address(ip)
    if address.version == 6:
        digits = address.exploded.replace(":", "")
        return digits[-8:] in name.replace("-", "").replace(".", "")
    octets = str(address).split(".")
    words = "".join(each if each.isdigit() else " " for each in name).split()
    numbers = [word.lstrip("0") or "0" for word in words]
    return (all(octet in numbers for octet in octets[2:]) or address.packed.hex() in name
            or "".join(octet.zfill(3) for octet in octets) in name)
