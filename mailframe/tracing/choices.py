"""Whose sessions are to be seen: by address or network, by account, by listener; for good or for a while."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Literal, get_args

Kind = Literal["client", "account", "listener"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class TraceSettings:
    """Sessions that are logged line by line: passwords never, messages as their number of octets. `mailframe trace` chooses
    more of them while the server runs."""

    clients: tuple[str, ...] = ()          # "192.0.2.1", "2001:db8::/32": their sessions from the first line
    accounts: tuple[str, ...] = ()         # sessions in which one of these logs in, from their first line
    listeners: tuple[str, ...] = ()        # all sessions at listeners of these names
    max_sessions: int = 20                 # that are logged at one time: the log is for people
    max_lines: int = 2_000                 # of one session: a client in a loop must not fill the disk
    max_line_octets: int = 500             # of one line; what is longer is cut

    def __post_init__(self) -> None:
        for key in ("max_sessions", "max_lines", "max_line_octets"):
            if getattr(self, key) <= 0:
                raise ValueError(f"{key} must be greater than 0, not {getattr(self, key)!r}")
        for client in self.clients:
            try:
                Choice("client", client)
            except ValueError as error:
                raise ValueError(f"clients: {error}; for an account there is accounts") from None

    def choices(self) -> list[Choice]:
        """As choices without an end."""
        by_kind: tuple[tuple[Kind, tuple[str, ...]], ...] = (
            ("client", self.clients), ("account", self.accounts), ("listener", self.listeners))
        return [Choice(kind, value) for kind, values in by_kind for value in values]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of them. Raises ValueError for a client that is no address and no network."""

    kind: Kind
    value: str
    until: float | None = None             # seconds since the epoch; None: as long as the server runs
    protocol: str = ""                     # smtp...; "": all that can be traced

    def __post_init__(self) -> None:
        if self.kind == "client":
            try:
                object.__setattr__(self, "value", str(ip_network(self.value, strict=False)))
            except ValueError:
                raise ValueError(f"{self.value!r} is neither an address nor a network") from None
        elif self.kind == "account":
            object.__setattr__(self, "value", self.value.lower())

    def covers(self, protocol: str, ip: str, listener: str) -> bool:
        """Whether a session is chosen before anybody has logged in."""
        if self.protocol not in ("", protocol):
            return False
        if self.kind == "listener":
            return listener == self.value
        return self.kind == "client" and _within(ip, self.value)

    def covers_account(self, protocol: str, account: str) -> bool:
        """Whether it is once `account` has."""
        return self.kind == "account" and self.protocol in ("", protocol) and account.lower() == self.value


def _within(ip: str, network: str) -> bool:
    try:
        return ip_address(ip) in ip_network(network)
    except ValueError:
        return False                       # a Unix socket
