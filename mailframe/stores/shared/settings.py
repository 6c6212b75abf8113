"""How accounts may share mailboxes."""

from __future__ import annotations

from dataclasses import dataclass

from mailframe.model.mailbox import SEPARATOR


@dataclass(frozen=True, slots=True)
class SharingSettings:
    """Mailboxes shared between accounts (RFC 4314). Nothing is shared before its owner says so. Wrong values raise ValueError."""

    enabled: bool = True            # whether owners may share mailboxes at all
    prefix: str = "Other Users"     # others' mailboxes are "Other Users/alice@example.org/INBOX"; no own name may begin so
    anyone: bool = True             # whether a mailbox can be shared with everybody at once (the identifier "anyone")
    max_entries: int = 1_000        # in one mailbox's list: more is a group's work, and each is read by its administrator

    def __post_init__(self) -> None:
        levels = self.prefix.split(SEPARATOR)
        if not all(levels) or levels[0].upper() == "INBOX" or set(self.prefix) & set("*%") or not self.prefix.isprintable():
            raise ValueError(f"prefix is {self.prefix!r}, expected a mailbox name that is not INBOX")
        if self.max_entries < 1:
            raise ValueError(f"max_entries is {self.max_entries}, expected 1 or more")
