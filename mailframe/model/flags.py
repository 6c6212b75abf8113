"""Flags of a message as one 64-bit mask: five system flags, then a mailbox's own keywords."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SEEN, ANSWERED, FLAGGED, DELETED, DRAFT = 1, 2, 4, 8, 16
SYSTEM_FLAGS: tuple[tuple[bytes, int], ...] = (
    (b"\\Seen", SEEN), (b"\\Answered", ANSWERED), (b"\\Flagged", FLAGGED), (b"\\Deleted", DELETED), (b"\\Draft", DRAFT),
)
FIRST_KEYWORD_BIT = 8              # bits 5 to 7 are kept free
MAX_KEYWORDS = 64 - FIRST_KEYWORD_BIT

_SYSTEM_BITS = {name.lower(): bit for name, bit in SYSTEM_FLAGS}


def keyword_bit(index: int) -> int:
    """The mask of a mailbox's keyword number `index` (0 to 55), in the order of `IMailbox.keywords`."""
    return 1 << (FIRST_KEYWORD_BIT + index)


def system_bit(name: bytes) -> int | None:
    """The mask of a system flag by its name in any case, or None."""
    return _SYSTEM_BITS.get(name.lower())


def flag_names(mask: int, keywords: Sequence[str]) -> list[bytes]:
    """The flags in `mask` as IMAP spells them."""
    names = [name for name, bit in SYSTEM_FLAGS if mask & bit]
    mask >>= FIRST_KEYWORD_BIT
    if mask:
        names += [word.encode("ascii") for index, word in enumerate(keywords) if mask >> index & 1]
    return names


def flag_mask(names: Iterable[bytes], keywords: Sequence[str]) -> int:
    """The mask of `names`; each keyword must be in `keywords` (any case), else KeyError."""
    mask = 0
    for name in names:
        bit = system_bit(name)
        if bit is None:
            folded = name.decode("ascii").lower()
            for index, word in enumerate(keywords):
                if word.lower() == folded:
                    bit = keyword_bit(index)
                    break
            else:
                raise KeyError(name)
        mask |= bit
    return mask


@dataclass(frozen=True, slots=True)
class FlagChange:
    """new = (old & keep) | set: FLAGS is keep=0, +FLAGS sets, -FLAGS keeps the rest."""

    keep: int
    set: int

    @classmethod
    def replace(cls, mask: int) -> FlagChange:
        return cls(0, mask)

    @classmethod
    def add(cls, mask: int) -> FlagChange:
        return cls(_ALL, mask)

    @classmethod
    def remove(cls, mask: int) -> FlagChange:
        return cls(_ALL & ~mask, 0)

    def apply(self, mask: int) -> int:
        return (mask & self.keep) | self.set


_ALL = (1 << 64) - 1
