"""Who has guessed too many passwords lately: counted by address over all protocols, bounded, forgiven with time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mailframe.model.client import is_near, network_of
from mailframe.model.refusal import LoginFailed
from mailframe.pacing.levels import Levels


@dataclass(frozen=True, slots=True)
class LoginLimits:
    """How much guessing one address may do; IPv6 counts by /64. Wrong values raise ValueError."""

    max_failures: int = 20                 # wrong passwords from one address; a household with a wrong one saved makes a dozen
    max_loopback_failures: int = 200       # from this machine: web mail logs in from there for everybody
    max_known_failures: int = 10           # of a user who logged in from there before: a guesser beside him does not shut him out
    forgive_s: float = 60.0                # one failure is forgotten in so much time: a thousand guesses a day, then
    remember_addresses: int = 20_000       # with failures or logins, the latest; some 5 MiB when full

    def __post_init__(self) -> None:
        for key in ("max_failures", "max_loopback_failures", "max_known_failures", "forgive_s", "remember_addresses"):
            if getattr(self, key) <= 0:
                raise ValueError(f"{key} must be greater than 0, not {getattr(self, key)!r}")


class TooManyFailures(LoginFailed):
    """Not even looked at; temporary, so that mail programs do not ask their user for another password."""

    public, smtp = "Too many failed logins from your address, please try again later", (454, "4.7.0")
    imap_code, pop_code = b"UNAVAILABLE", b"SYS/TEMP"


class LoginLimiter:
    """One for the whole server.

      L1  Failures shut their own address alone: no name is ever shut, so nobody can lock out a user who is elsewhere.
      L2  Who logged in from an address before may go on doing so while others guess from there, within a limit of his own.
      L3  A success forgives nothing: a guesser with one account of his own gains nothing by it.
    """

    def __init__(self, seconds: Callable[[], float], limits: LoginLimits | None = None) -> None:
        """`seconds`: the clock."""
        self._seconds = seconds
        self._limits = limits = limits or LoginLimits()
        self._addresses = Levels(limits.forgive_s, limits.remember_addresses)
        self._known = Levels(limits.forgive_s, limits.remember_addresses)

    def check(self, ip: str, user: str) -> None:
        """Before the password is looked at. Raises TooManyFailures."""
        if not self.shut(ip):
            return
        now, network = self._seconds(), network_of(ip)
        known = (network, _name(user))
        if known not in self._known or self._known.level(known, now) + 1 > self._limits.max_known_failures:
            raise TooManyFailures(detail=f"from {network}")

    def shut(self, ip: str) -> bool:
        """Whether too many passwords were guessed from there lately, so that strangers need not try."""
        most = self._limits.max_loopback_failures if is_near(ip) else self._limits.max_failures
        network = network_of(ip)
        return network in self._addresses and self._addresses.level(network, self._seconds()) + 1 > most

    def failed(self, ip: str, user: str) -> None:
        """It was wrong."""
        now, network = self._seconds(), network_of(ip)
        self._addresses.add(network, now, 1)
        if (network, _name(user)) in self._known:
            self._known.add((network, _name(user)), now, 1)

    def forget(self, ip: str) -> int:
        """Forgive the failures of an address, for an operator; returns how many addresses that was."""
        return int(self._addresses.forget(network_of(ip)))

    def succeeded(self, ip: str, user: str) -> None:
        """It was right."""
        self._known.add((network_of(ip), _name(user)), self._seconds(), 0)


def _name(user: str) -> str:
    return user[:255].casefold()
