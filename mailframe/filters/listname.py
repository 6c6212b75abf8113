"""How DNS lists are asked and what their answers mean (RFC 5782) [pure]."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, ip_address, ip_network

ANSWERS = IPv4Network("127.0.0.0/8")        # section 2.1: anything else is no answer of a list, but a lapsed domain's new owner
_OCTET = re.compile(r"[0-9]+|\[[0-9]+(?:\.\.[0-9]+)?(?:;[0-9]+(?:\.\.[0-9]+)?)*\]")
_RANGE = re.compile(r"([0-9]{1,9})\.\.([0-9]{1,9})(?![0-9])")
_ADVICE = 'write "127.0.0.2", "127.0.0.0/24" or "127.0.0.[4..7;10]"'


@dataclass(frozen=True, slots=True)
class Octets:
    """``127.0.[0..255].[1..3]``: addresses by what each octet may be, as Postfix writes them."""

    allowed: tuple[frozenset[int], ...]

    def __contains__(self, address: IPv4Address) -> bool:
        return all(octet in allowed for octet, allowed in zip(address.packed, self.allowed))


Pattern = IPv4Network | Octets


def query_name(ip: str, zone: str) -> str:
    """``99.2.0.192.bad.example.com`` (section 2.1); 32 nibbles for IPv6 (section 2.4). Raises ValueError."""
    address = ip_address(ip)
    labels = str(address).split(".") if address.version == 4 else list(address.exploded.replace(":", ""))
    return ".".join([*reversed(labels), zone])


def patterns_of(key: str, texts: Iterable[str]) -> tuple[Pattern, ...]:
    """Answers as addresses, networks within 127.0.0.0/8, or by octets. Raises ValueError, which names `key`."""
    return tuple(_octets(key, text) if "[" in text else _network(key, text) for text in texts)


def _network(key: str, text: str) -> IPv4Network:
    try:
        network = ip_network(text)
    except ValueError as error:
        raise ValueError(f"{key} has {text!r}: {error}; {_ADVICE}") from None
    if not isinstance(network, IPv4Network) or not network.subnet_of(ANSWERS):
        raise ValueError(f"{key} has {text!r}, which is not within {ANSWERS}")
    return network


def _octets(key: str, text: str) -> Octets:
    words = _OCTET.findall(text)
    if ".".join(words) != text or len(words) != 4:
        raise ValueError(f"{key} has {text!r}, which is no address by octets; {_ADVICE}")
    for first, last in _RANGE.findall(text):
        if int(first) > int(last):
            raise ValueError(f"{key} has {text!r}, where {first}..{last} runs backwards; write {last}..{first}")
    allowed = tuple(_numbers(word) for word in words)
    if allowed[0] != {127} or any(not octet or max(octet) > 255 for octet in allowed):
        raise ValueError(f"{key} has {text!r}, which is not within {ANSWERS}")
    return Octets(allowed)


def _numbers(word: str) -> frozenset[int]:
    """Of one octet: ``7``, or ``[4..7;10]``. One that is far too large stands for all that are."""
    found: set[int] = set()
    for part in word.strip("[]").split(";"):
        first, _, last = part.partition("..")
        found.update(range(min(int(first[:4]), 256), min(int((last or first)[:4]), 256) + 1))
    return frozenset(found)


def counts(answers: Iterable[str], patterns: Iterable[Pattern], bits: int) -> bool:
    """Whether one of a list's `answers` is among `patterns`; of those with a bit for each sublist (section 2.3), has one of
    `bits`."""
    wanted = tuple(patterns)
    for text in answers:
        address = IPv4Address(text)
        if any(address in pattern for pattern in wanted) and (not bits or int(address) & bits):
            return True
    return False
