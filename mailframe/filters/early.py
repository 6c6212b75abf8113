"""Who speaks before the greeting: programs that fire and forget do, mail servers never."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from zope.interface import implementer

from mailframe.interfaces.filter import IGreetingFilter, IHelloFilter
from mailframe.model.client import network_of
from mailframe.model.envelope import Peer
from mailframe.model.verdict import Verdict

from .guard import PASS, Guard
from .memory import Memory
from .scope import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlySettings(Scope):
    """A pause before the greeting, in which a client that speaks gives itself away (RFC 5321 section 3.1). It is left out behind
    a proxy and with TLS from the first octet. Wrong values raise ValueError."""

    delay_s: float = 2.0                   # longer than any round trip, shorter than anybody's patience
    remember_s: float = 86_400.0           # who has waited once is not made to wait again for so long
    remember_addresses: int = 50_000       # that have waited, the latest; some 15 MiB when full


@implementer(IGreetingFilter, IHelloFilter)
class EarlyTalkers(Guard):
    """Refuses them with 554 5.5.1."""

    name = "early"

    def __init__(self, settings: EarlySettings, seconds: Callable[[], float]) -> None:
        super().__init__(settings)
        self._settings = settings
        self._seconds = seconds
        self._patient: Memory[bool] = Memory(settings.remember_addresses)

    def greeting_delay(self, peer: Peer) -> float:
        """See `IGreetingFilter`."""
        if not self.concerns(peer) or self._patient.get(network_of(peer.ip), self._seconds()):
            return 0.0
        return self._settings.delay_s

    def early(self, peer: Peer, octets: bytes) -> Verdict:
        """See `IGreetingFilter`."""
        if not self.concerns(peer):
            return PASS
        return self.refuse(peer, 554, "5.5.1", "You must wait for the greeting", f"spoke early: {octets[:40]!r}")

    def hello(self, peer: Peer) -> Verdict:
        """See `IHelloFilter`: it has waited."""
        if self.concerns(peer):
            now, who = self._seconds(), network_of(peer.ip)
            if not self._patient.get(who, now):
                self._patient.put(who, True, now + self._settings.remember_s)
        return PASS

    async def told(self) -> Mapping[str, int]:
        """See `Guard`."""
        return {"patient addresses": len(self._patient)}

    async def known(self, ip: str) -> Sequence[str]:
        """See `Guard`."""
        left = self._patient.left(network_of(ip), self._seconds())
        return (f"has waited for the greeting, and need not for another {left:.0f} s",) if left else ()

    async def forget(self, ip: str) -> int:
        """See `Guard`."""
        return int(self._patient.forget(network_of(ip)))
