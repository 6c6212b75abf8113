"""Who has a maildrop open: POP3 gives each to one session at a time (RFC 1939 section 4)."""

from __future__ import annotations

from mailframe.model.refusal import Refusal

from .reply import IN_USE


class MaildropInUse(Refusal):
    """RFC 2449 section 8.1.1."""

    public, smtp, pop_code = "Another session has this maildrop open", (450, "4.2.1"), IN_USE


class MaildropLocks:
    """Shared by all POP3 listeners of a process."""

    def __init__(self) -> None:
        self._held: set[str] = set()

    def take(self, account: str) -> bool:
        """False when another session holds it."""
        if account in self._held:
            return False
        self._held.add(account)
        return True

    def release(self, account: str) -> None:
        self._held.discard(account)

    def __contains__(self, account: str) -> bool:
        return account in self._held
