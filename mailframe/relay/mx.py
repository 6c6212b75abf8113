"""Which hosts take a domain's mail, and in what order (RFC 5321 section 5.1, RFC 7505). Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterable

from mailframe.dns.answer import MailExchange
from mailframe.model.refusal import Refusal, TryAgainLater


class NoSuchMailDomain(Refusal):
    public, smtp = "The recipient's domain does not exist", (550, "5.1.2")


class NoRoute(Refusal):
    public, smtp = "The recipient's domain has no mail server", (550, "5.4.4")


class TakesNoMail(Refusal):
    """A null MX (RFC 7505 section 4.1)."""

    public, smtp = "The recipient's domain takes no mail", (556, "5.1.10")


class LoopsBack(Refusal):
    """We are the best mail server for a domain that we do not serve (RFC 5321 section 5.1)."""

    public, smtp = "Mail for the recipient's domain loops back to this server", (554, "5.4.6")


class DnsUnclear(TryAgainLater):
    public, smtp = "The recipient's domain could not be looked up, trying again later", (451, "4.4.3")


class Unprotected(Refusal):
    """REQUIRETLS, and the way itself could have been forged (RFC 8689 section 4.2.1)."""

    public, smtp = "No way to the recipient's domain is as safe as the sender requires (REQUIRETLS)", (550, "5.7.10")


def in_order(
    records: Iterable[MailExchange], own_names: Collection[str], shuffle: Callable[[list[MailExchange]], None],
) -> list[MailExchange]:
    """The hosts to try, best first, equals as `shuffle` (in place) left them. Raises TakesNoMail, NoRoute, LoopsBack.

    Where one of `own_names` (canonical) is among them, only hosts that are better than we are remain.
    """
    found = list(records)
    hosts = [record for record in found if record.host]
    if not hosts:
        raise TakesNoMail() if found else NoRoute()
    shuffle(hosts)
    hosts.sort(key=lambda record: record.preference)
    ours = [record.preference for record in hosts if record.host in own_names]
    if ours:
        hosts = [record for record in hosts if record.preference < ours[0]]
        if not hosts:
            raise LoopsBack()
    unique: dict[str, MailExchange] = {}
    for record in hosts:
        unique.setdefault(record.host, record)
    return list(unique.values())


def literal(domain: str) -> str | None:
    """The address in an address literal such as ``[192.0.2.1]`` (as `canonical_domain` writes it), else None."""
    if not domain.startswith("["):
        return None
    return domain[1:-1].removeprefix("IPv6:")


def ourselves(address: str, own_addresses: Collection[str], loopback: bool) -> bool:
    """Whether a connection to `address` would end here. `loopback`: that this machine's inner addresses count."""
    if address in own_addresses:
        return True
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return ip.is_unspecified or ip.is_multicast or (loopback and ip.is_loopback) or str(ip) in own_addresses
