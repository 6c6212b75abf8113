"""How much may be annotated: a value with a reason beside each number."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MetadataLimits:
    """How many annotations (IMAP METADATA) are kept, and how large; not for a storage plugin that keeps them itself."""

    max_value_octets: int = 65_536          # of one value: a comment, a colour, a small picture; RFC 5464 wants 1,024 at least
    max_entries: int = 200                  # shared ones, and each user's own ones, of one mailbox or the server; RFC 5464: 10
    max_account_octets: int = 4_194_304     # names and values of all mailboxes of an account: nobody fills the disk with these

    def __post_init__(self) -> None:
        for key, least in (("max_value_octets", 1_024), ("max_entries", 10), ("max_account_octets", 65_536)):
            if getattr(self, key) < least:
                raise ValueError(f"{key} must be at least {least}, not {getattr(self, key)!r}")
