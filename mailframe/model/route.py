"""What a directory answers about an address."""

from __future__ import annotations

from dataclasses import dataclass

from .address import Address


@dataclass(frozen=True, slots=True)
class Account:
    """It is ours: deliver to `folder` of account `name`."""

    name: str
    folder: str = "INBOX"


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Ask again for these instead (alias, forward)."""

    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Remote:
    """Not our domain."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Our domain, and nobody there has this name."""


@dataclass(frozen=True, slots=True)
class TryLater:
    """The directory cannot say now; `detail` is for the log."""

    detail: str = ""


Resolution = Account | Rewrite | Remote | Unknown | TryLater
