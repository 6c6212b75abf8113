"""What became of a message's recipients at the next hop."""

from __future__ import annotations

from .envelope import Recipient
from .refusal import Refusal


class Handed(dict[Recipient, Refusal | None]):
    """Outcome by recipient: None where the next hop took responsibility.

    `reporting` are those of them for whom the next hop has DSN and will itself send the reports that the sender asked for
    (RFC 3461 section 5.2.2); for the others a "relayed" report is ours to send if NOTIFY=SUCCESS (section 5.2.3).
    """

    def __init__(self) -> None:
        super().__init__()
        self.reporting: set[Recipient] = set()
