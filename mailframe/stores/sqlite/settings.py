"""What the SQLite store may be told."""

from __future__ import annotations

from dataclasses import dataclass

from .schema import LOGGED


@dataclass(frozen=True, slots=True)
class SqliteSettings:
    """Limits of the mailboxes in one SQLite file. Wrong values raise ValueError, one sentence."""

    max_octets: int | None = None       # of an account without a limit of its own, all mailboxes together
    max_messages: int | None = None     # the same in messages
    expunged_kept: int = 100_000        # UIDs of expunged messages remembered for each mailbox, some 2 MB: a program that
                                        # comes back after more of them compares the whole list of UIDs instead

    search_text: bool = False           # keep decoded text for SEARCH, made in the background: as much again as the text of mail
    search_index: bool = False          # and an index of it, half as much again: for few accounts with much mail

    @property
    def searches(self) -> bool:
        """Whether text is kept for SEARCH."""
        return self.search_text or self.search_index

    @property
    def limited(self) -> bool:
        """Whether accounts have a limit that was given none of their own."""
        return self.max_octets is not None or self.max_messages is not None

    def __post_init__(self) -> None:
        for name in ("max_octets", "max_messages"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ValueError(f"{name} is {value}, expected 0 or more")
        if self.expunged_kept < LOGGED:
            raise ValueError(f"expunged_kept is {self.expunged_kept}, expected {LOGGED} or more")
