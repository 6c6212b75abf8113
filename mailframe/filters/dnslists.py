"""DNS lists of bad and good addresses: several are asked at once, and what each says is weighed (RFC 5782)."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from mailframe.dns.answer import DnsError, DnsTemporaryError
from mailframe.dns.resolver import Resolver
from mailframe.interfaces.filter import IConnectionFilter, ISenderFilter
from mailframe.model.domain import canonical_domain
from mailframe.model.envelope import Envelope, Peer
from mailframe.model.verdict import Tag, Verdict
from mailframe.pacing.deadline import within

from .guard import PASS, Guard
from .listname import counts, networks_of, query_name
from .memory import Memory
from .scope import Scope

log = Logger()
_AT_ONCE = 2_000    # addresses that are being looked up before anybody waits for them: a flood asks no more (I3)


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsList:
    """One list. Wrong values raise ValueError."""

    zone: str                              # "bl.example.net": its own page says who may ask it
    weight: float = 1.0                    # added when it lists the client; below 0 for a list of good addresses (DNSWL)
    answers: tuple[str, ...] = ("127.0.0.0/16",)  # that count; lists tell their errors beyond, in 127.255.255.0/24
    bits: int = 0                          # of a list with a bit for each sublist: those that count; 0: all (RFC 5782 section 2.3)

    def __post_init__(self) -> None:
        try:
            canonical_domain(self.zone)
        except ValueError as error:
            raise ValueError(f"zone is {error}") from None
        networks_of(self.answers)


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsListsSettings(Scope):
    """DNS lists, none unless they are named. Wrong values raise ValueError."""

    lists: tuple[DnsList, ...] = ()        # a table [[guards.dnsbl.lists]] for each; which to trust is yours to say
    refuse_at: float = 1.0                 # the sum of weights from which a client is refused: one list is enough
    header: bool = False                   # mark messages of clients that some list knows: X-DNS-Lists
    timeout_s: float = 5.0                 # for one list; one that does not answer counts nothing
    remember_s: float = 60.0               # the sum of an address; each list's own answers are kept for their TTL
    remember_addresses: int = 20_000       # the latest; some 8 MiB when full


@dataclass(frozen=True, slots=True)
class Sum:
    """What the lists say of an address."""

    weight: float
    zones: tuple[str, ...]


@implementer(IConnectionFilter, ISenderFilter)
class DnsLists(Guard):
    """Asks when a client connects, answers at MAIL with 550 5.7.1: by then the lists have spoken, and users have logged in."""

    name = "dnsbl"

    def __init__(self, settings: DnsListsSettings, resolver: Resolver, clock: IReactorTime) -> None:
        super().__init__(settings)
        self._settings = settings
        self._lists = [(each, canonical_domain(each.zone), networks_of(each.answers)) for each in settings.lists]
        self._resolver = resolver
        self._clock = clock
        self._sums: Memory[Sum] = Memory(settings.remember_addresses)
        self._asked: dict[str, Deferred[Sum]] = {}

    def connection(self, peer: Peer) -> Verdict:
        """See `IConnectionFilter`: the lists are asked, nobody waits."""
        if self.concerns(peer) and len(self._asked) < _AT_ONCE and self._sums.get(peer.ip, self._clock.seconds()) is None:
            self._ask(peer.ip)
        return PASS

    async def sender(self, envelope: Envelope) -> Verdict:
        """See `ISenderFilter`."""
        peer = envelope.peer
        if peer.account is not None or not self.concerns(peer):
            return PASS
        found = self._sums.get(peer.ip, self._clock.seconds()) or await self._wait(peer.ip)
        if not found.zones:
            return PASS
        if found.weight >= self._settings.refuse_at:
            zones = ", ".join(found.zones)
            return self.refuse(550, "5.7.1", f"Your address [{peer.ip}] is listed by {zones}", f"weight {found.weight:g}")
        if not self._settings.header:
            return PASS
        return Tag(f"X-DNS-Lists: {', '.join(found.zones)}; weight {found.weight:g}\r\n".encode(), frozenset(("dnsbl",)))

    def _ask(self, ip: str) -> Deferred[Sum]:
        """One look-up of an address at a time."""
        asked = self._asked.get(ip)
        if asked is None:
            asked = self._asked[ip] = Deferred.fromCoroutine(self._look_up(ip))
            asked.addBoth(self._answered, ip)
        return asked

    def _answered(self, outcome: object, ip: str) -> object:
        self._asked.pop(ip, None)
        if isinstance(outcome, Sum):
            self._sums.put(ip, outcome, self._clock.seconds() + self._settings.remember_s)
        return outcome

    async def _wait(self, ip: str) -> Sum:
        """Wait with others, so that one who goes away takes nothing from them."""
        waiting: Deferred[Sum] = Deferred()

        def answered(outcome: object) -> object:
            if not waiting.called:
                waiting.callback(outcome if isinstance(outcome, Sum) else Sum(0.0, ()))
            return outcome

        self._ask(ip).addBoth(answered)
        return await waiting

    async def _look_up(self, ip: str) -> Sum:
        verdicts = await gatherResults(
            [Deferred.fromCoroutine(self._lists_it(place, ip)) for place in range(len(self._lists))], consumeErrors=True)
        listing = [each for (each, *_), listed in zip(self._lists, verdicts) if listed]
        return Sum(sum(each.weight for each in listing), tuple(each.zone for each in listing))

    async def _lists_it(self, place: int, ip: str) -> bool:
        """A list that fails in whatever way counts nothing."""
        _, zone, networks = self._lists[place]
        try:
            answers = await within(self._settings.timeout_s, self._clock, self._resolver.ipv4(query_name(ip, zone)))
        except (TimeoutError, DnsTemporaryError):
            log.info("guard=dnsbl {zone} does not answer about {ip}", zone=zone, ip=ip)
            return False
        except (DnsError, ValueError):
            return False
        return counts(answers, networks, self._lists[place][0].bits)

    async def forget(self, ip: str) -> int:
        """See `Guard`."""
        return int(self._sums.forget(ip))
