"""All guards: their settings as one value, and those of them that are on, in the order in which they are asked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mailframe.dns.resolver import Resolver
from mailframe.sqlite.engine import Engine

from .bans import Bans, BansSettings
from .dnslists import DnsLists, DnsListsSettings
from .early import EarlySettings, EarlyTalkers
from .greylist import Greylist, GreylistSettings
from .guard import Guard
from .hello import Hello, HelloSettings
from .rates import Rates, RatesSettings
from .recipients import Recipients, RecipientsSettings
from .reverse import ReverseSettings, reverse_dns
from .scope import Scope
from .sender import SenderDomain, SenderSettings
from .tarpit import Tarpit, TarpitSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardsSettings:
    """Built-in filters that keep strangers within bounds. Each has a table of its own, in which `roles = []` turns it off.
    Wrong values raise ValueError."""

    enabled: bool = True                   # false: none of them, whatever their tables say
    exempt: tuple[str, ...] = ()           # addresses and networks that all of them let alone, besides their own: your hosts, say
    bans: BansSettings = BansSettings()
    rates: RatesSettings = RatesSettings()
    early: EarlySettings = EarlySettings()
    reverse: ReverseSettings = ReverseSettings()
    dnsbl: DnsListsSettings = DnsListsSettings()
    hello: HelloSettings = HelloSettings()
    sender: SenderSettings = SenderSettings()
    recipients: RecipientsSettings = RecipientsSettings()
    greylist: GreylistSettings = GreylistSettings()
    tarpit: TarpitSettings = TarpitSettings()

    def __post_init__(self) -> None:
        Scope(exempt=self.exempt)          # raises ValueError


def guards(
    settings: GuardsSettings, roles: Collection[str], *, reactor: Any, resolver: Resolver, engine: Engine,
    own_names: Iterable[str], shut_logins: Callable[[str], bool],
) -> list[Guard]:
    """Those that are on for any of the listeners' `roles`; what is off costs nothing.

    The cheap ones stand first: a flood is turned away before anything is looked up. `reactor` is the clock; `own_names` are
    our host name and domains; `shut_logins` is `auth.limiter.LoginLimiter.shut`.
    """
    if not settings.enabled:
        return []
    seconds = reactor.seconds
    makers: Mapping[str, Callable[[Any], Guard]] = {
        "bans": lambda own: Bans(own, seconds, shut_logins),
        "rates": lambda own: Rates(own, seconds),
        "dnsbl": lambda own: DnsLists(own, resolver, reactor),
        "reverse": lambda own: reverse_dns(own, resolver, reactor),
        "early": lambda own: EarlyTalkers(own, seconds),
        "hello": lambda own: Hello(own, resolver, own_names),
        "sender": lambda own: SenderDomain(own, resolver, reactor),
        "recipients": lambda own: Recipients(own, seconds),
        "greylist": lambda own: Greylist(own, engine, reactor),
        "tarpit": lambda own: Tarpit(own),
    }
    asked = {name: replace(own, exempt=(*own.exempt, *settings.exempt))
             for name, own in ((name, getattr(settings, name)) for name in makers)}
    return [make(asked[name]) for name, make in makers.items()
            if not set(roles).isdisjoint(asked[name].roles) and (name != "dnsbl" or settings.dnsbl.lists)]
