"""What is known of an address that somebody asks about (SMTP's VRFY)."""

from __future__ import annotations

from dataclasses import dataclass

from .address import Address


@dataclass(frozen=True, slots=True)
class Verified:
    """Mail for it is taken."""

    address: Address                       # in full, also when only its local part was asked for
    forwarded: Address | None = None       # its one place, when that is somewhere else
