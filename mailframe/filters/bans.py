"""Addresses that are shut out: for good, or for a while for their mistakes and the passwords that they guess."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from zope.interface import implementer

from mailframe.interfaces.filter import IConnectionFilter, IErrorFilter
from mailframe.model.client import network_of
from mailframe.model.envelope import Peer
from mailframe.model.verdict import Verdict
from mailframe.pacing.levels import Levels

from .guard import PASS, Guard
from .memory import Memory
from .scope import Scope, check_networks, outside


class Logins(Protocol):
    """Who counts wrong passwords (`auth.limiter.LoginLimiter`)."""

    def shut(self, ip: str) -> bool:
        """Whether too many were guessed from there lately."""

    def forget(self, ip: str) -> int:
        """Returns how much there was to forget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BansSettings(Scope):
    """Who is refused at the door; IPv6 counts by /64. Wrong values raise ValueError."""

    always: tuple[str, ...] = ()           # addresses and networks that are refused for good, with 554; others come back by time
    errors: int = 100                      # refused commands (5xx) of one address: what five guessing connections make; 0: no limit
    forgive_s: float = 36.0                # one of them is forgotten in so much time: a hundred an hour, then
    ban_s: float = 900.0                   # for so long: a guesser goes elsewhere, a mended server is soon back
    logins: bool = True                    # refuse also who guessed too many passwords ([login]), by whatever protocol
    remember_addresses: int = 50_000       # with errors, and as many with bans, the latest; some 30 MiB when full

    def check(self) -> None:
        """Raises ValueError."""
        if self.forgive_s <= 0:
            raise ValueError("forgive_s must be greater than 0")
        check_networks("always", self.always)


@implementer(IConnectionFilter, IErrorFilter)
class Bans(Guard):
    """Refuses with 421 4.7.0, for good with 554 5.7.1, before anything is looked up.

    `logins` does not count where users log in: those who are known there may go on (`auth.limiter`, L2).
    """

    name = "bans"

    def __init__(self, settings: BansSettings, seconds: Callable[[], float], logins: Logins) -> None:
        super().__init__(settings)
        self._settings = settings
        self._seconds = seconds
        self._logins = logins
        self._welcome = outside(settings.always) if settings.always else None
        self._errors = Levels(settings.forgive_s, settings.remember_addresses)
        self._banned: Memory[str] = Memory(settings.remember_addresses)      # with the reason

    def connection(self, peer: Peer) -> Verdict:
        """See `IConnectionFilter`."""
        if not self.concerns(peer):
            return PASS
        if self._welcome is not None and not self._welcome(peer.ip):
            return self.refuse(peer, 554, "5.7.1", "No mail service for your address", "always")
        why = self._banned.get(network_of(peer.ip), self._seconds())
        if why is not None:
            return self.refuse(peer, 421, "4.7.0", "Too many errors from your address, please try again later", why)
        if peer.role != "submission" and self._settings.logins and self._logins.shut(peer.ip):
            return self.refuse(
                peer, 421, "4.7.0", "Too many failed logins from your address, please try again later", "failed logins")
        return PASS

    def erred(self, peer: Peer, verb: str, code: int) -> float:
        """See `IErrorFilter`."""
        settings = self._settings
        if code < 500 or not settings.errors or peer.account is not None or not self.concerns(peer):
            return 0.0
        if self._errors.add(network_of(peer.ip), self._seconds(), 1) > settings.errors:
            self.ban(peer.ip, settings.ban_s, "errors")
        return 0.0

    def ban(self, ip: str, seconds: float, why: str) -> str:
        """Refuse an address from now on, for so long; returns what was banned with it."""
        who = network_of(ip)
        self._banned.put(who, why, self._seconds() + seconds)
        return who

    async def told(self) -> Mapping[str, int]:
        """See `Guard`."""
        return {"bans": len(self._banned), "addresses with errors": len(self._errors)}

    async def known(self, ip: str) -> Sequence[str]:
        """See `Guard`."""
        now, who = self._seconds(), network_of(ip)
        words = []
        if self._welcome is not None and not self._welcome(ip):
            words.append("refused for good, by the configuration")
        if (why := self._banned.get(who, now)) is not None:
            words.append(f"{who} is refused for another {self._banned.left(who, now):.0f} s ({why})")
        if who in self._errors:
            words.append(f"errors lately: {self._errors.level(who, now):.0f} of {self._settings.errors} from {who}")
        if self._settings.logins and self._logins.shut(ip):
            words.append("refused for failed logins")
        return words

    async def forget(self, ip: str) -> int:
        """See `Guard`; guessed passwords, too."""
        who = network_of(ip)
        return int(self._banned.forget(who)) + int(self._errors.forget(who)) + self._logins.forget(ip)
