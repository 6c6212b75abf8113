"""What DNS says, as values, with the three ways in which it may say nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


class DnsError(Exception):
    """No answer; the text is for the log."""


class NoSuchDomain(DnsError):
    """The name does not exist at all (NXDOMAIN)."""


class NoAnswer(DnsError):
    """The name exists and has no record of this type."""


class NoUsableAnswer(NoAnswer):
    """There are records of this type, and none of them makes sense: MX records that name no host, say."""


class DnsTemporaryError(DnsError):
    """Nobody could say now: time-outs, SERVFAIL (also for a bogus DNSSEC zone), unusable answers."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """At least one record. `secure`: a resolver that we trust has validated it with DNSSEC (the AD bit)."""

    records: tuple[T, ...]
    secure: bool = False

    def __iter__(self) -> Iterator[T]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)


@dataclass(frozen=True, slots=True)
class MailExchange:
    """One MX record. `host` is a canonical domain without a trailing dot, or "" in a null MX (RFC 7505)."""

    preference: int
    host: str


@dataclass(frozen=True, slots=True)
class TlsAssociation:
    """One TLSA record (RFC 6698 section 2.1)."""

    usage: int
    selector: int
    matching: int
    data: bytes
