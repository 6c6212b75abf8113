"""What a server says it takes in one session: LIMITS (RFC 9422). Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Self

from mailframe.model.envelope import Recipient

_WORDS = re.compile(r"[\w-]+(?:=[!-:<-~]+)?(?: +[\w-]+(?:=[!-:<-~]+)?)*+", re.ASCII)
_LIMIT = re.compile(r"(MAILMAX|RCPTMAX|RCPTDOMAINMAX)=([1-9][0-9]{0,5})", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Limits:
    """0 is no limit that was told."""

    mails: int = 0          # MAIL commands in a session (section 4.1)
    recipients: int = 0     # RCPT commands in a transaction (section 4.2)
    domains: int = 0        # different domains of recipients in a session (section 4.3)

    @classmethod
    def of(cls, parameters: str) -> Self:
        """From what stands behind the keyword; limits that are unknown or make no sense are passed over, and where the
        syntax is not that of limits, all of them (section 3.7)."""
        if not _WORDS.fullmatch(parameters):
            return cls()
        found = {match[1].upper(): int(match[2]) for word in parameters.split() if (match := _LIMIT.fullmatch(word))}
        return cls(found.get("MAILMAX", 0), found.get("RCPTMAX", 0), found.get("RCPTDOMAINMAX", 0))

    def reached(self, mails: int, domains: Collection[str]) -> bool:
        """Whether a session with so much behind it is to be ended: a further message might be too much for it."""
        return 0 < self.mails <= mails or 0 < self.domains <= len(domains)

    def batch(self, recipients: Sequence[Recipient], domains: Collection[str], most: int) -> list[Recipient]:
        """The first of `recipients` that can go in one transaction, in a session that has had these `domains`, `most` at most."""
        most = min(most, self.recipients) if self.recipients else most
        if not self.domains:
            return list(recipients[:most])
        seen = set(domains)
        found: list[Recipient] = []
        for recipient in recipients:
            domain = recipient.address.domain
            if len(found) < most and (domain in seen or len(seen) < self.domains):
                seen.add(domain)
                found.append(recipient)
        return found
