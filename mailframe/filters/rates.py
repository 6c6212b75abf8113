"""How often: connections, messages and recipients in a period by address and by network, and connections at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from zope.interface import implementer

from mailframe.interfaces.filter import IConnectionFilter, IPartingFilter, IRecipientFilter, ISenderFilter
from mailframe.model.client import network_of
from mailframe.model.envelope import Envelope, Peer, Recipient
from mailframe.model.verdict import Verdict
from mailframe.pacing.levels import Levels

from .guard import PASS, Guard
from .scope import Scope, network


@dataclass(frozen=True, slots=True, kw_only=True)
class RatesSettings(Scope):
    """How often one address (IPv6: one /64), and one network, may come. 0 is no limit. Wrong values raise ValueError."""

    period_s: float = 60.0                 # in which the numbers below are counted; they come back evenly over it
    connections: int = 120                 # of one address: two a second; a busy server keeps its connections
    messages: int = 300                    # of one address: five a second, what a large list host sends to one site
    recipients: int = 1_500                # of one address: five to a message
    network_connections: int = 480         # of one network: large providers send from many addresses of one network
    network_messages: int = 1_200          # of one network: as many as four addresses
    network_recipients: int = 6_000        # of one network: as many as four addresses
    at_once: int = 100                     # connections open at the same time from one network: it must not take them all (I3)
    ipv4_prefix: int = 24                  # what is one network: the smallest that is routed by itself
    ipv6_prefix: int = 48                  # the same for IPv6, where one customer may have a /56 or a /48
    remember_addresses: int = 20_000       # the latest, and as many networks, in three counts; some 30 MiB when full

    def check(self) -> None:
        """Raises ValueError."""
        if self.period_s <= 0:
            raise ValueError("period_s must be greater than 0")


@implementer(IConnectionFilter, ISenderFilter, IRecipientFilter, IPartingFilter)
class Rates(Guard):
    """Refuses for now what comes too often: 421 to a connection, 451 to a message or a recipient. Users who logged in
    are counted by their connections alone."""

    name = "rates"

    def __init__(self, settings: RatesSettings, seconds: Callable[[], float]) -> None:
        super().__init__(settings)
        self._settings = settings
        self._seconds = seconds
        self._connections = _Count(settings, settings.connections, settings.network_connections)
        self._messages = _Count(settings, settings.messages, settings.network_messages)
        self._recipients = _Count(settings, settings.recipients, settings.network_recipients)
        self._open: dict[tuple[str, int, str], str] = {}      # connections and their networks
        self._at_once: dict[str, int] = {}                    # by network

    def connection(self, peer: Peer) -> Verdict:
        """See `IConnectionFilter`."""
        if not self.concerns(peer):
            return PASS
        settings = self._settings
        home = network(peer.ip, settings.ipv4_prefix, settings.ipv6_prefix)
        count = self._at_once.get(home, 0)
        verdict = self._door(peer, home, count)
        key = (peer.ip, peer.port, peer.listener)
        if verdict is PASS and key not in self._open:
            self._open[key] = home
            self._at_once[home] = count + 1
        return verdict

    def _door(self, peer: Peer, home: str, count: int) -> Verdict:
        if 0 < self._settings.at_once <= count:
            return self.refuse(peer, 421, "4.7.0", "Too many connections from your network, please try again later",
                               f"{count} connections at once from {home}")
        who = self._connections.take(peer.ip, self._seconds())
        if who:
            return self.refuse(peer, 421, "4.7.0", "Too many connections, please try again later",
                               f"connections too often from {who}")
        return PASS

    def disconnected(self, peer: Peer) -> None:
        """See `IPartingFilter`."""
        home = self._open.pop((peer.ip, peer.port, peer.listener), None)
        if home is not None:
            self._at_once[home] -= 1
            if not self._at_once[home]:
                del self._at_once[home]

    def sender(self, envelope: Envelope) -> Verdict:
        """See `ISenderFilter`."""
        return self._counted(envelope.peer, self._messages, "messages")

    def recipient(self, envelope: Envelope, recipient: Recipient) -> Verdict:
        """See `IRecipientFilter`."""
        return self._counted(envelope.peer, self._recipients, "recipients")

    def _counted(self, peer: Peer, count: _Count, what: str) -> Verdict:
        if peer.account is not None or not self.concerns(peer):
            return PASS
        who = count.take(peer.ip, self._seconds())
        if not who:
            return PASS
        why = f"{what} too often from {who}"
        return self.refuse(peer, 451, "4.7.1", f"Too many {what} from you, please try again later", why, final=True)

    async def told(self) -> Mapping[str, int]:
        """See `Guard`."""
        return {"addresses counted": len(self._connections), "connections open": len(self._open)}

    async def known(self, ip: str) -> Sequence[str]:
        """See `Guard`."""
        now, settings = self._seconds(), self._settings
        home = network(ip, settings.ipv4_prefix, settings.ipv6_prefix)
        counts = (("connections", self._connections), ("messages", self._messages), ("recipients", self._recipients))
        words = [f"{what} lately: {text}" for what, count in counts if (text := count.words(ip, now))]
        return [*words, *([f"{self._at_once[home]} connections open from {home}"] if home in self._at_once else [])]

    async def forget(self, ip: str) -> int:
        """See `Guard`."""
        return sum(count.forget(ip) for count in (self._connections, self._messages, self._recipients))


class _Count:
    """One thing, counted by address and by network."""

    def __init__(self, settings: RatesSettings, each: int, all_: int) -> None:
        self._settings = settings
        self._each, self._all = each, all_
        self._addresses = Levels(settings.period_s / each, settings.remember_addresses) if each else None
        self._networks = Levels(settings.period_s / all_, settings.remember_addresses) if all_ else None

    def __len__(self) -> int:
        return len(self._addresses or ())

    def take(self, ip: str, now: float) -> str:
        """Count one more; which address or network has had too many, or "". """
        settings = self._settings
        own = network_of(ip)
        if self._addresses is not None and not self._addresses.take(own, now, self._each):
            return own
        if self._networks is not None:
            home = network(ip, settings.ipv4_prefix, settings.ipv6_prefix)
            if not self._networks.take(home, now, self._all):
                return home
        return ""

    def words(self, ip: str, now: float) -> str:
        """How many of how many are allowed, of the address and its network; "": none."""
        found = [f"{levels.level(key, now):.0f} of {most} from {key}" for levels, key, most in self._both(ip) if key in levels]
        return ", ".join(found)

    def forget(self, ip: str) -> int:
        return sum(levels.forget(key) for levels, key, _ in self._both(ip))

    def _both(self, ip: str) -> Iterator[tuple[Levels, str, int]]:
        settings = self._settings
        if self._addresses is not None:
            yield self._addresses, network_of(ip), self._each
        if self._networks is not None:
            yield self._networks, network(ip, settings.ipv4_prefix, settings.ipv6_prefix), self._all
