"""How much each account has sent of late, against its limits, in memory; `ratebook` keeps it across restarts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import ceil

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from mailframe.model.address import Address
from mailframe.model.envelope import Peer
from mailframe.model.pattern import AddressPatterns
from mailframe.model.refusal import Refusal

from .settings import RateSettings
from .window import DAY_S, HOUR_S, Window

log = Logger()

#: What is counted, over how long: the order in which `Ledger` keeps its windows, and the database their numbers.
KINDS = (("messages", HOUR_S), ("messages", DAY_S), ("recipients", HOUR_S), ("recipients", DAY_S))
_PER, _TO = {HOUR_S: "hour", DAY_S: "day"}, {"messages": "", "recipients": "to "}


class SendingTooMuch(Refusal):
    public, smtp = "This account has sent too much, try again later", (450, "4.7.1")


class Ledger:
    """One account's four windows."""

    __slots__ = ("warned", "windows")

    def __init__(self) -> None:
        self.windows = tuple(Window(length) for _, length in KINDS)
        self.warned = False                    # the log knows that it is over a limit


class Rates:
    """Counts what is under way as sent, and takes it back when it fails: many sessions at once get no more than one.

    `changed` has the accounts whose counts are not saved yet.
    """

    def __init__(self, settings: RateSettings, clock: IReactorTime) -> None:
        self._limits = (settings.messages_per_hour, settings.messages_per_day,
                        settings.recipients_per_hour, settings.recipients_per_day)
        self._on_loopback = settings.on_loopback
        self._unlimited = AddressPatterns.parse(settings.unlimited)
        self._clock = clock
        self._ledgers: dict[str, Ledger] = {}
        self.changed: set[str] = set()
        self.listener: Callable[[], None] = lambda: None       # called when there is something new in it

    def counts(self, peer: Peer) -> bool:
        """Whether what `peer` sends is counted at all."""
        if peer.account is None or not any(self._limits) or (not self._on_loopback and _is_loopback(peer.ip)):
            return False
        return not self._unlimited or not self._is_unlimited(peer.account)

    def charge(self, account: str, messages: int, recipients: int) -> None:
        """Raises SendingTooMuch, which says when to try again, and counts nothing then."""
        now = self._clock.seconds()
        ledger = self._ledgers.get(account)
        if ledger is None:
            ledger = self._ledgers[account] = Ledger()
        for (what, length), window, limit in zip(KINDS, ledger.windows, self._limits):
            more = messages if what == "messages" else recipients
            if more and limit and (wait := window.wait_s(more, limit, now)) > 0:
                words = f"{account} has sent {_TO[what]}{limit} {what} in the last {_PER[length]}, which is its limit"
                if not ledger.warned:
                    log.warn("{words}; a stolen password sends like this", words=words)
                ledger.warned = True
                raise SendingTooMuch(f"{words}; try again in {_time(wait)}", detail=words)
        ledger.warned = False
        self._add(ledger, account, messages, recipients, now)

    def refund(self, account: str, messages: int, recipients: int) -> None:
        """It was not sent after all."""
        if account in self._ledgers:
            self._add(self._ledgers[account], account, -messages, -recipients, self._clock.seconds())

    def _add(self, ledger: Ledger, account: str, messages: int, recipients: int, now: float) -> None:
        for (what, _), window in zip(KINDS, ledger.windows):
            window.add(messages if what == "messages" else recipients, now)
        self.changed.add(account)
        self.listener()

    def rows(self, account: str) -> list[tuple[str, int, int, int, int]]:
        """What is worth keeping of an account: (account, kind, number of the window, its count, the last one's)."""
        ledger = self._ledgers.get(account)
        now = self._clock.seconds()
        return [(account, kind, window.number, window.current, window.previous)
                for kind, window in enumerate(ledger.windows) if not window.over(now)] if ledger else []

    def restore(self, rows: Iterable[tuple[str, int, int, int, int]]) -> None:
        """`rows` of an earlier run; what has been counted since stays."""
        for account, kind, number, current, previous in rows:
            ledger = self._ledgers.setdefault(account, Ledger())
            if 0 <= kind < len(KINDS) and ledger.windows[kind].number <= number:
                window = ledger.windows[kind]
                window.number, window.previous = number, previous
                window.current += current

    def forget(self) -> None:
        """Let go of accounts that have sent nothing for two days."""
        now = self._clock.seconds()
        for account in [name for name, ledger in self._ledgers.items() if all(each.over(now) for each in ledger.windows)]:
            del self._ledgers[account]
            self.changed.add(account)

    def __len__(self) -> int:
        return len(self._ledgers)

    def _is_unlimited(self, account: str) -> bool:
        try:
            return Address.parse(account) in self._unlimited
        except ValueError:
            return Address(account, "") in self._unlimited


def _is_loopback(ip: str) -> bool:
    return ip.startswith(("127.", "::ffff:127.")) or ip in ("", "::1")


def _time(seconds: float) -> str:
    """For people, rounded up."""
    if seconds > 2 * HOUR_S:
        return f"{ceil(seconds / HOUR_S)} hours"
    return f"{ceil(seconds / 60)} minutes" if seconds > 60 else "a minute"
