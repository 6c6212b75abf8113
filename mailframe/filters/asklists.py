"""Asking DNS lists about one address: each zone once, errors told from answers, one that is silent left alone for a while."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime

from mailframe.dns.answer import DnsError, DnsTemporaryError
from mailframe.dns.resolver import Resolver
from mailframe.model.domain import canonical_domain
from mailframe.pacing.deadline import within

from .guard import log
from .listname import Pattern, counts, patterns_of, query_name

_COMPLAIN_S = 3_600.0       # a list that refuses to answer is in the log so often: it does so for every client
#: Answers that mean "I do not answer you", of the lists in common use: Spamhaus and others; URIBL and SURBL; DNSWL; Spamhaus DBL.
_ERRORS = ("127.255.255.0/24", "127.0.0.1", "127.0.0.255", "127.0.1.255")


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsList:
    """One list. One whose answers weigh differently stands here several times; it is asked once. Wrong values raise ValueError."""

    zone: str                              # "bl.example.net": its own page says who may ask it
    weight: float = 1.0                    # added when it lists the client; below 0 for a list of good addresses (DNSWL)
    answers: tuple[str, ...] = ("127.0.0.0/16",)  # that count: "127.0.0.2", "127.0.0.0/24", "127.0.[0..255].[1..3]"
    bits: int = 0                          # of a list with a bit for each sublist: those that count; 0: all (RFC 5782 section 2.3)
    errors: tuple[str, ...] = _ERRORS      # answers by which lists say that they do not answer us (a public resolver's users, too
                                           # many questions): then it counts nothing, and the log says so
    name: str = ""                         # what is shown of it to clients, in the header and the log; "": its zone. To be given
                                           # where the zone holds a key of yours
    explain: str = ""                      # "https://bl.example.net/why?{ip}": for who is refused; {ip} is the client's address

    def __post_init__(self) -> None:
        try:
            canonical_domain(self.zone)
        except ValueError as error:
            raise ValueError(f"zone is {error}") from None
        patterns_of("answers", self.answers)
        patterns_of("errors", self.errors)
        for key in ("name", "explain"):
            text = getattr(self, key)
            if not (text.isascii() and text.isprintable() and len(text) <= 200) and text:
                raise ValueError(f"{key} must be one short line of printable ASCII")
        for placeholder in re.findall(r"\{[^{}]*\}?|\}", self.explain):
            if placeholder != "{ip}":
                raise ValueError(f"explain has {placeholder!r}; there is only {{ip}}, which becomes the client's address")


@dataclass(frozen=True, slots=True)
class Sum:
    """What the lists say of an address."""

    weight: float = 0.0
    names: tuple[str, ...] = ()     # of all that know it
    bad: tuple[str, ...] = ()       # of those among them that speak against it
    explain: str = ""
    whole: bool = True              # every list has answered


class Lists:
    """The configured lists; `rest_after` and `rest_s` are of `DnsListsSettings`."""

    def __init__(
        self, lists: Iterable[DnsList], resolver: Resolver, clock: IReactorTime, timeout_s: float, rest_after: int, rest_s: float,
    ) -> None:
        self._resolver = resolver
        self._clock = clock
        self._timeout_s = timeout_s
        self._rest_after, self._rest_s = rest_after, rest_s
        self._entries = [_entry(each) for each in lists]
        self._zones = {canonical_domain(each.zone): _Zone(each.name or each.zone) for each, *_ in self._entries}

    def resting(self) -> int:
        """How many zones are not asked for the time being."""
        return sum(zone.rests_until > self._clock.seconds() for zone in self._zones.values())

    async def sum(self, ip: str) -> Sum:
        """Never raises: a list that fails in whatever way counts nothing."""
        answers = await gatherResults(
            [Deferred.fromCoroutine(self._answers(name, zone, ip)) for name, zone in self._zones.items()], consumeErrors=True)
        said = dict(zip(self._zones, answers))
        listing: dict[str, float] = {}
        weight, explain = 0.0, ""
        for each, wanted, errors in self._entries:
            zone = canonical_domain(each.zone)
            found = said[zone] or ()
            if counts(found, errors, 0):
                self._complain(self._zones[zone], found)
            elif counts(found, wanted, each.bits):
                name = each.name or each.zone
                listing[name] = listing.get(name, 0.0) + each.weight
                weight += each.weight
                explain = explain or (each.explain if each.weight > 0 else "")
        bad = tuple(name for name, share in listing.items() if share > 0)
        return Sum(weight, tuple(listing), bad, explain, None not in answers)

    async def _answers(self, name: str, zone: _Zone, ip: str) -> tuple[str, ...] | None:
        """None: it could not say."""
        if zone.rests_until > self._clock.seconds():
            return None
        try:
            found = await within(self._timeout_s, self._clock, self._resolver.ipv4(query_name(ip, name)))
        except (TimeoutError, DnsTemporaryError):
            self._silent(zone)
            return None
        except (DnsError, ValueError):
            records: tuple[str, ...] = ()
        else:
            records = found.records
        zone.silences = 0
        return records

    def _silent(self, zone: _Zone) -> None:
        zone.silences += 1
        if zone.silences >= self._rest_after and zone.rests_until <= self._clock.seconds():
            zone.rests_until = self._clock.seconds() + self._rest_s
            log.warn("guard=dnsbl {list} does not answer; it counts nothing, and is not asked for {seconds:g} s",
                     list=zone.shown, seconds=self._rest_s)

    def _complain(self, zone: _Zone, answers: Iterable[str]) -> None:
        now = self._clock.seconds()
        if now >= zone.complain_at:
            zone.complain_at = now + _COMPLAIN_S
            log.warn("guard=dnsbl {list} answers {answers}: it refuses our questions (a public resolver, or too many of them?) "
                     "and counts nothing", list=zone.shown, answers=", ".join(answers))


def _entry(each: DnsList) -> tuple[DnsList, tuple[Pattern, ...], tuple[Pattern, ...]]:
    """With the answers that count, and those that are errors, of which none was asked for by name."""
    wanted = patterns_of("answers", each.answers)
    return each, wanted, tuple(error for error in patterns_of("errors", each.errors) if error not in wanted)


class _Zone:
    """How it goes with one."""

    __slots__ = ("complain_at", "rests_until", "shown", "silences")

    def __init__(self, shown: str) -> None:
        self.shown = shown
        self.silences = 0
        self.rests_until = 0.0
        self.complain_at = 0.0
