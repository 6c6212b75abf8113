"""What a filter says, and how several sayings become one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .refusal import Refusal


@dataclass(frozen=True, slots=True)
class Pass:
    """Nothing to object."""


@dataclass(frozen=True, slots=True)
class Refuse:
    refusal: Refusal
    final: bool = False        # nobody need be asked after it, as after any permanent one


@dataclass(frozen=True, slots=True)
class Tag:
    """Add header lines in front (each complete with CRLF), and file elsewhere if `folder`."""

    header: bytes = b""
    folder: str | None = None


@dataclass(frozen=True, slots=True)
class Rewritten:
    """Deliver these octets instead (makes a second content)."""

    content: bytes


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Accept, and file into `folder` of each own recipient; nothing is handed on to others."""

    folder: str = "Junk"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Discard:
    """Accept and drop silently; `reason` is logged."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Named:
    """At the connection: this is the client's name in DNS, which leads back to its address. Later filters and Received show it."""

    name: str


Verdict = Pass | Refuse | Tag | Rewritten | Quarantine | Discard | Named


@dataclass(frozen=True, slots=True)
class Judgement:
    """All verdicts of one stage as one."""

    refusal: Refusal | None = None
    discard: str | None = None
    quarantine: Quarantine | None = None
    header: bytes = b""
    folder: str | None = None
    content: bytes | None = None
    name: str = ""


def combine(verdicts: Iterable[Verdict]) -> Judgement:
    """A permanent refusal beats a temporary one beats discard beats quarantine; tags add up, the last rewrite counts."""
    refusal: Refusal | None = None
    discard: str | None = None
    quarantine: Quarantine | None = None
    header = b""
    folder: str | None = None
    content: bytes | None = None
    name = ""
    for verdict in verdicts:
        match verdict:
            case Refuse(found):
                if refusal is None or (refusal.temporary and not found.temporary):
                    refusal = found
            case Discard(reason):
                discard = reason if discard is None else discard
            case Quarantine():
                quarantine = quarantine or verdict
            case Tag(more, place):
                header, folder = header + more, place or folder
            case Rewritten(octets):
                content = octets
            case Named(found_name):
                name = found_name
            case Pass():
                pass
    return Judgement(refusal, discard, quarantine, header, folder, content, name)
