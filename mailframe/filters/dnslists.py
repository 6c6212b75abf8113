"""DNS lists of bad and good addresses: several are asked at once, and what each says is weighed (RFC 5782)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from mailframe.dns.resolver import Resolver
from mailframe.interfaces.filter import IConnectionFilter, ISenderFilter
from mailframe.model.envelope import Envelope, Peer
from mailframe.model.verdict import Tag, Verdict

from .asklists import DnsList, Lists, Sum
from .guard import PASS, Guard
from .memory import DOUBT_S, Memory
from .scope import Scope

_AT_ONCE = 2_000    # addresses that are being looked up before anybody waits for them: a flood asks no more (I3)


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsListsSettings(Scope):
    """DNS lists, none unless they are named. Wrong values raise ValueError."""

    lists: tuple[DnsList, ...] = ()        # a table [[guards.dnsbl.lists]] for each; which to trust is yours to say
    refuse_at: float = 1.0                 # the sum of weights from which a client is refused: one list is enough
    trust_at: float = -1.0                 # the sum at which, and below, it is trusted: the greylist and a required name in DNS do
                                           # not stand in its way; one list of good addresses is enough
    header: bool = False                   # mark messages of clients that some list knows: X-DNS-Lists
    timeout_s: float = 5.0                 # for one list; one that does not answer counts nothing
    rest_after: int = 5                    # a list that was silent so often in a row is not asked for a while: no message waits
    rest_s: float = 60.0                   # for so long; then it is tried again
    remember_s: float = 60.0               # the sum of an address; each list's own answers are kept for their TTL
    remember_addresses: int = 20_000       # the latest; some 8 MiB when full

    @staticmethod
    def signed() -> tuple[str, ...]:
        """See `Scope`."""
        return ("trust_at",)

    def check(self) -> None:
        """Raises ValueError."""
        if self.trust_at >= 0:
            raise ValueError("trust_at must be below 0: an address that no list knows has the sum 0")
        if self.refuse_at <= 0:
            raise ValueError("refuse_at must be greater than 0: an address that no list knows has the sum 0")
        if self.rest_after < 1:
            raise ValueError("rest_after must be 1 or greater")


@implementer(IConnectionFilter, ISenderFilter)
class DnsLists(Guard):
    """Asks when a client connects, answers at MAIL with 550 5.7.1: by then the lists have spoken, and users have logged in."""

    name = "dnsbl"

    def __init__(self, settings: DnsListsSettings, resolver: Resolver, clock: IReactorTime) -> None:
        super().__init__(settings)
        self._settings = settings
        self._clock = clock
        self._lists = Lists(settings.lists, resolver, clock, settings.timeout_s, settings.rest_after, settings.rest_s)
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
        found = await self._sum(peer.ip)
        if not found.names:
            return PASS
        if found.weight >= self._settings.refuse_at:
            public = f"Your address [{peer.ip}] is listed by {', '.join(found.bad)}"
            if found.explain:
                public += f", see {found.explain.replace('{ip}', peer.ip)}"
            return self.refuse(peer, 550, "5.7.1", public, f"weight {found.weight:g} of {', '.join(found.names)}")
        if not self._settings.header:
            return PASS
        return Tag(f"X-DNS-Lists: {', '.join(found.names)}; weight {found.weight:g}\r\n".encode())

    async def weight(self, peer: Peer) -> float:
        """What the lists say of a client, for other guards; 0.0 where they are not asked."""
        return (await self._sum(peer.ip)).weight if self.concerns(peer) else 0.0

    async def trusts(self, peer: Peer) -> bool:
        """Whether the lists speak well enough of it."""
        return await self.weight(peer) <= self._settings.trust_at

    async def _sum(self, ip: str) -> Sum:
        return self._sums.get(ip, self._clock.seconds()) or await self._wait(ip)

    def _ask(self, ip: str) -> Deferred[Sum]:
        """One look-up of an address at a time."""
        asked = self._asked.get(ip)
        if asked is None:
            asked = self._asked[ip] = Deferred.fromCoroutine(self._lists.sum(ip))
            asked.addBoth(self._answered, ip)
        return asked

    def _answered(self, outcome: object, ip: str) -> object:
        self._asked.pop(ip, None)
        if isinstance(outcome, Sum):
            keep = self._settings.remember_s if outcome.whole else min(self._settings.remember_s, DOUBT_S)
            self._sums.put(ip, outcome, self._clock.seconds() + keep)
        return outcome

    async def _wait(self, ip: str) -> Sum:
        """Wait with others, so that one who goes away takes nothing from them."""
        waiting: Deferred[Sum] = Deferred()

        def answered(outcome: object) -> object:
            if not waiting.called:
                waiting.callback(outcome if isinstance(outcome, Sum) else Sum())
            return outcome

        self._ask(ip).addBoth(answered)
        return await waiting

    async def told(self) -> Mapping[str, int]:
        """See `Guard`."""
        return {"addresses looked up": len(self._sums), "lists silent": self._lists.resting()}

    async def known(self, ip: str) -> Sequence[str]:
        """See `Guard`."""
        found = self._sums.get(ip, self._clock.seconds())
        if found is None:
            return ()
        return (f"listed by {', '.join(found.names)}; weight {found.weight:g}" if found.names else "in no list",)

    async def forget(self, ip: str) -> int:
        """See `Guard`."""
        return int(self._sums.forget(ip))


