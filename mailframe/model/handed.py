"""What became of a message's recipients at the next hop."""

from __future__ import annotations

from collections.abc import Container

from .envelope import Recipient
from .refusal import Refusal


class Handed(dict[Recipient, Refusal | None]):
    """Outcome by recipient: None where the next hop took responsibility.

    `reporting` are those of them for whom the next hop has DSN and will itself send the reports that the sender asked for
    (RFC 3461 section 5.2.2); for the others a "relayed" report is ours to send if NOTIFY=SUCCESS (section 5.2.3).
    `timed` are those for whom it has DELIVERBY and was told the time that is left (RFC 2852).
    `hosts` is who took it, by recipient, and `said` its reply on one line (RFC 3461 section 6.3 (i)).
    """

    def __init__(self) -> None:
        super().__init__()
        self.reporting: set[Recipient] = set()
        self.timed: set[Recipient] = set()
        self.hosts: dict[Recipient, str] = {}
        self.said: dict[Recipient, str] = {}

    def note(self, recipient: Recipient, offers: Container[str], host: str = "", said: str = "") -> None:
        """A next hop that `offers` these EHLO keywords took it; `host` is the name by which we know it."""
        self[recipient] = None
        self.hosts[recipient] = host
        self.said[recipient] = said
        if "DSN" in offers:
            self.reporting.add(recipient)
        if "DELIVERBY" in offers:
            self.timed.add(recipient)

    def merge(self, other: Handed) -> None:
        """Add what became of others."""
        self.update(other)
        self.reporting |= other.reporting
        self.timed |= other.timed
        self.hosts |= other.hosts
        self.said |= other.said
