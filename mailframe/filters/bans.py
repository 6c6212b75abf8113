"""Addresses that are shut out for a while: for their mistakes over time, and for the passwords they guess."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from zope.interface import implementer

from mailframe.interfaces.filter import IConnectionFilter, IErrorFilter
from mailframe.model.client import network_of
from mailframe.model.envelope import Peer
from mailframe.model.verdict import Verdict
from mailframe.pacing.levels import Levels

from .guard import PASS, Guard
from .memory import Memory
from .scope import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class BansSettings(Scope):
    """Who is refused at the door for a while; IPv6 counts by /64. Wrong values raise ValueError."""

    errors: int = 100                      # refused commands (5xx) of one address: what five guessing connections make
    forgive_s: float = 36.0                # one of them is forgotten in so much time: a hundred an hour, then
    ban_s: float = 900.0                   # for so long: a guesser goes elsewhere, a mended server is soon back
    logins: bool = True                    # refuse also who guessed too many passwords ([login]), by whatever protocol
    remember_addresses: int = 50_000       # with errors, and as many with bans, the latest; some 25 MiB when full

    def check(self) -> None:
        """Raises ValueError."""
        if self.forgive_s <= 0:
            raise ValueError("forgive_s must be greater than 0")


@implementer(IConnectionFilter, IErrorFilter)
class Bans(Guard):
    """Refuses them with 421 4.7.0 before anything is looked up.

    `shut_logins` says whether an address has guessed too many passwords. That does not count where users log in: those who
    are known there may go on (`auth.limiter`, L2).
    """

    name = "bans"

    def __init__(self, settings: BansSettings, seconds: Callable[[], float], shut_logins: Callable[[str], bool]) -> None:
        super().__init__(settings)
        self._settings = settings
        self._seconds = seconds
        self._shut_logins = shut_logins if settings.logins else lambda _: False
        self._errors = Levels(settings.forgive_s, settings.remember_addresses)
        self._banned: Memory[bool] = Memory(settings.remember_addresses)

    def connection(self, peer: Peer) -> Verdict:
        """See `IConnectionFilter`."""
        if not self.concerns(peer):
            return PASS
        if self._banned.get(network_of(peer.ip), self._seconds()):
            return self.refuse(421, "4.7.0", "Too many errors from your address, please try again later", "errors")
        if peer.role != "submission" and self._shut_logins(peer.ip):
            return self.refuse(421, "4.7.0", "Too many failed logins from your address, please try again later", "failed logins")
        return PASS

    def erred(self, peer: Peer, verb: str, code: int) -> float:
        """See `IErrorFilter`."""
        if code >= 500 and self._settings.errors and peer.account is None and self.concerns(peer):
            now, who = self._seconds(), network_of(peer.ip)
            if self._errors.add(who, now, 1) > self._settings.errors:
                self._banned.put(who, True, now + self._settings.ban_s)
        return 0.0

    async def told(self) -> Mapping[str, int]:
        """See `Guard`."""
        return {"bans": len(self._banned), "addresses with errors": len(self._errors)}

    async def forget(self, ip: str) -> int:
        """See `Guard`. Guessed passwords are not forgotten here."""
        who = network_of(ip)
        return int(self._banned.forget(who)) + int(self._errors.forget(who))
