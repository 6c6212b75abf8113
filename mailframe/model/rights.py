"""Rights on a mailbox as letters (RFC 4314 section 2.1), who is meant by an identifier, and which flags a right covers."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from .flags import DELETED, SEEN

EVERY = "lrswipkxtea"           # in the order in which rights are always told
EXTRA = "kxte"                  # of these, what RFC 2086 did not have (section 2.1.1)
ANYONE = "anyone"
AUTHENTICATED = "authenticated"     # as ANYONE: nobody reads mail here without having logged in
NEGATIVE = "-"

_VIRTUAL = {"c": "kx", "d": "te"}       # the old rights, as unions of new ones (section 2.1.1)
_ALL_FLAGS = (1 << 64) - 1


def normal(letters: Iterable[str]) -> str:
    """In the usual order, each once."""
    found = set(letters)
    return "".join(letter for letter in EVERY if letter in found)


def parse(text: str) -> str:
    """Letters as a client writes them, the old "c" and "d" taken for their members. Raises ValueError for any other."""
    found: set[str] = set()
    for letter in text:
        if letter not in EVERY and letter not in _VIRTUAL:
            raise ValueError(f"no such right: {letter!r}")
        found.update(_VIRTUAL.get(letter, letter))
    return normal(found)


def told(rights: str) -> str:
    """With the old "c" and "d" where one of their members is there (section 2.1.1: programs of that age look for them)."""
    return rights + "".join(old for old, members in _VIRTUAL.items() if not set(members).isdisjoint(rights))


@dataclass(frozen=True, slots=True)
class RightsChange:
    """What SETACL asks for: `sign` "+" adds `rights`, "-" takes them away, "" puts them in the place of all."""

    sign: str
    rights: str

    @classmethod
    def parse(cls, text: str) -> RightsChange:
        """Raises ValueError for an unknown right."""
        sign = text[:1] if text[:1] in ("+", "-") else ""
        return cls(sign, parse(text[len(sign):]))

    def apply(self, old: str) -> str:
        if self.sign == "+":
            return normal(old + self.rights)
        return normal(set(old) - set(self.rights)) if self.sign else self.rights


def identities(user: str) -> frozenset[str]:
    """The identifiers that mean `user`. A name that would be read as something else (section 2) means nobody by itself."""
    own = () if user.startswith(NEGATIVE) or user in (ANYONE, AUTHENTICATED) else (user,)
    return frozenset((ANYONE, AUTHENTICATED, *own))


def effective(entries: Iterable[tuple[str, str]], user: str) -> str:
    """What `user` may by (identifier, rights): all that is granted to whom he is, without what is denied to any of these."""
    who = identities(user)
    granted: set[str] = set()
    denied: set[str] = set()
    for identifier, rights in entries:
        if identifier in who:
            granted.update(rights)
        elif identifier.startswith(NEGATIVE) and identifier[1:] in who:
            denied.update(rights)
    return normal(granted - denied)


def flags_by(rights: str | None) -> int:
    """The mask of the flags that may be changed (section 4): "s" \\Seen, "t" \\Deleted, "w" all others. None is the owner."""
    if rights is None:
        return _ALL_FLAGS
    mask = SEEN if "s" in rights else 0
    if "t" in rights:
        mask |= DELETED
    return mask | _ALL_FLAGS & ~(SEEN | DELETED) if "w" in rights else mask


def has(rights: str | None, wanted: Collection[str]) -> bool:
    """Whether all of `wanted` are there. None is the owner."""
    return rights is None or all(letter in rights for letter in wanted)
