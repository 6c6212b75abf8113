"""What an operator may choose about the mail that our users submit (RFC 6409), each with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from mailframe.model.domain import canonical_domain
from mailframe.model.pattern import AddressPatterns


@dataclass(frozen=True, slots=True)
class RateSettings:
    """How much one account may send, whichever way it logs in. 0 is no limit; what failed is not counted."""

    messages_per_hour: int = 500           # far beyond what a person writes; a stolen password sends all it can
    messages_per_day: int = 3_000          # six busy hours: notices to customers pass, a mailing does not
    recipients_per_hour: int = 2_000       # what they cost others; two of the largest messages (`max_recipients`)
    recipients_per_day: int = 10_000       # about what large providers allow a paying user
    on_loopback: bool = False              # true: programs on this machine are counted as well; wanted where a webmail runs here
    unlimited: tuple[str, ...] = ()        # accounts without limits, for newsletters: "news@example.org", "*@lists.example.org"
    save_s: float = 10.0                   # counts go into the database so often: a crash forgets as much

    def __post_init__(self) -> None:
        for key in ("messages_per_hour", "messages_per_day", "recipients_per_hour", "recipients_per_day"):
            if getattr(self, key) < 0:
                raise ValueError(f"{key} must not be negative")
        if self.save_s <= 0:
            raise ValueError("save_s must be greater than 0")
        _patterns("unlimited", self.unlimited)


@dataclass(frozen=True, slots=True)
class SubmissionSettings:
    """What is checked and mended in a message from somebody who has logged in. Mail from other servers is left alone."""

    check_from: Literal["off", "envelope", "header"] = "header"  # where only own addresses may stand; off: nowhere. envelope: in
    #                                        MAIL FROM. header: in From, Sender and Resent- fields as well, which readers see
    allow_from: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # more addresses by account: "sales@example.org",
    #                                        "*@example.org", "*"
    redirects: bool = True                 # a message with an own Resent-From keeps its author's From (RFC 5322 section 3.6.6)
    missing_from: Literal["add", "refuse"] = "add"  # what happens to a message without From: it gets the sender's address
    add_sender: Literal["never", "several", "differs"] = "several"  # Sender (RFC 6409 section 8.1): where From has several
    #                                        authors (RFC 5322 section 3.6.2), or also where the account is none of them
    complete_domain: str = ""              # "example.org": what addresses without a domain get, in envelope and header (RFC 6409
    #                                        sections 4.2 and 8.8); "": they are refused, for they say who to nobody else
    strip_bcc: bool = True                 # take Bcc out, which would show everybody who else has it; the Sent copy keeps it
    save_sent: tuple[str, ...] = ()        # accounts whose mail is copied into Sent: "*" or some; most programs do so themselves,
    #                                        and then there would be two
    sent_timeout_s: float = 30.0           # for that copy, where it is not in the message's own commit: its sender waits for it
    max_header_octets: int = 262_144       # of a message's header, which is held until its end: a To of thousands is 100 KiB
    max_authors: int = 50                  # addresses in From, Sender and such: each may cost a question of the directory
    rates: RateSettings = field(default_factory=RateSettings)

    def __post_init__(self) -> None:
        for key in ("sent_timeout_s", "max_header_octets", "max_authors"):
            if getattr(self, key) <= 0:
                raise ValueError(f"{key} must be greater than 0")
        _patterns("save_sent", self.save_sent)
        if self.complete_domain:
            try:
                object.__setattr__(self, "complete_domain", canonical_domain(self.complete_domain))
            except ValueError as error:
                raise ValueError(f"complete_domain is {error}") from None
        for account, patterns in self.allow_from.items():
            try:
                AddressPatterns.parse([*patterns, *([account] if "@" in account else [])])
            except ValueError as error:
                raise ValueError(f"allow_from of {account}: {error}") from None


def _patterns(key: str, texts: Sequence[str]) -> None:
    """Raises ValueError, with a sentence that names the key, for what is no address and no pattern of addresses."""
    try:
        AddressPatterns.parse(texts)
    except ValueError as error:
        raise ValueError(f'{key}: {error}; write "news@example.org", "*@example.org" or "*"') from None
