"""All guards: their settings as one value, and those of them that are on, in the order in which they are asked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mailframe.dns.resolver import Resolver
from mailframe.pacing.onward import Onward
from mailframe.sqlite.engine import Engine

from .bans import Bans, BansSettings, Logins
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
    exempt_names: tuple[str, ...] = ()     # "far.example": so are hosts of it and below, by a name that [guards.reverse] confirmed
    exempt_listeners: tuple[str, ...] = () # names of listeners where all of them are off, whatever their role
    only_log: bool = False                 # true: none refuses anything, the log tells what they would refuse: to try them out
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
        Scope(exempt=self.exempt, exempt_names=self.exempt_names)          # raises ValueError
        for name in NAMES:
            own: Scope = getattr(self, name)
            nameless = set(own.roles) - set(self.reverse.roles)
            if own.exempt_names and nameless and name != "reverse":
                raise ValueError(f"{name} has exempt_names for {min(nameless)}, where [guards.reverse] is off and finds no names")

    def effective(self, name: str) -> Any:
        """A guard's settings with what is said of all."""
        own = getattr(self, name)
        return replace(
            own, exempt=(*own.exempt, *self.exempt), exempt_names=(*own.exempt_names, *self.exempt_names),
            exempt_listeners=(*own.exempt_listeners, *self.exempt_listeners), only_log=own.only_log or self.only_log)


#: In the order in which they are asked.
NAMES = ("bans", "rates", "dnsbl", "reverse", "early", "hello", "sender", "recipients", "greylist", "tarpit")


def guards(
    settings: GuardsSettings, roles: Collection[str], *, reactor: Any, resolver: Resolver, engine: Engine,
    own_names: Iterable[str], logins: Logins,
) -> list[Guard]:
    """Those that are on for any of the listeners' `roles`; what is off costs nothing.

    The cheap ones stand first: a flood is turned away before anything is looked up. `reactor` is the clock; `own_names` are
    our host name and domains; `logins` is an `auth.limiter.LoginLimiter`.
    """
    if not settings.enabled:
        return []
    asked = {name: settings.effective(name) for name in NAMES}
    on = [name for name in NAMES
          if not set(roles).isdisjoint(asked[name].roles) and (name != "dnsbl" or settings.dnsbl.lists)]
    clock = Onward(reactor)
    seconds = clock.seconds
    lists = DnsLists(asked["dnsbl"], resolver, clock) if "dnsbl" in on else None
    makers: Mapping[str, Callable[[Any], Guard | None]] = {
        "bans": lambda own: Bans(own, seconds, logins),
        "rates": lambda own: Rates(own, seconds),
        "dnsbl": lambda own: lists,
        "reverse": lambda own: reverse_dns(own, resolver, clock, lists.trusts if lists else None),
        "early": lambda own: EarlyTalkers(own, seconds),
        "hello": lambda own: Hello(own, resolver, clock, own_names),
        "sender": lambda own: SenderDomain(own, resolver, clock),
        "recipients": lambda own: Recipients(own, seconds),
        "greylist": lambda own: Greylist(own, engine, reactor, lists),
        "tarpit": lambda own: Tarpit(own),
    }
    made = (makers[name](asked[name]) for name in on)
    return [guard for guard in made if guard is not None]
