"""Mailbox names: which are allowed, who is whose parent, and what a LIST pattern matches. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from mailframe.model.mailbox import INBOX, SEPARATOR, MailboxInfo, MailboxList
from mailframe.model.refusal import Forbidden, LimitReached

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_WILD_RUN = re.compile(r"[*%]{2,}")
_WILD = re.compile(r"([*%])")
MAX_REGULAR = 2         # wildcards in a pattern that a regular expression tries, in quadratic time at worst


def check_name(name: str, max_octets: int, max_depth: int) -> None:
    """Refuse (Forbidden, LimitReached) a name that should not come into being (RFC 9051 section 5.1); what exists is not judged."""
    if not name:
        raise Forbidden("A mailbox needs a name")
    if _CONTROL.search(name):
        raise Forbidden("No control characters in a mailbox name")
    if "*" in name or "%" in name:
        raise Forbidden("No wildcards in a mailbox name")
    if not unicodedata.is_normalized("NFC", name):
        raise Forbidden("A mailbox name must be in Unicode's normal form C")       # RFC 5198 section 3
    levels = name.split(SEPARATOR)
    if not all(levels):
        raise Forbidden("An empty level in the mailbox name")
    if any(level.isspace() for level in levels):
        raise Forbidden("A level of nothing but spaces in the mailbox name")
    if len(levels) > max_depth:
        raise LimitReached("Too many levels in the mailbox name")
    if len(name.encode()) > max_octets:
        raise LimitReached("Mailbox name is too long")


def canonical(name: str) -> str:
    """Any spelling of INBOX, also as the first level, becomes "INBOX" (RFC 3501 section 5.1)."""
    head, separator, rest = name.partition(SEPARATOR)
    return INBOX + separator + rest if head.isascii() and head.upper() == INBOX else name


def parents(name: str) -> Iterator[str]:
    """``a/b/c`` gives ``a``, ``a/b``."""
    place = name.find(SEPARATOR)
    while place >= 0:
        yield name[:place]
        place = name.find(SEPARATOR, place + 1)


def all_parents(known: Iterable[str]) -> set[str]:
    """The parents of all these names, on all levels; each is looked at once however many lie below it."""
    found: set[str] = set()
    fresh = {name.rpartition(SEPARATOR)[0] for name in known if SEPARATOR in name}
    while fresh:
        found |= fresh
        fresh = {name.rpartition(SEPARATOR)[0] for name in fresh if SEPARATOR in name} - found
    return found


def below(name: str, known: Iterable[MailboxInfo]) -> list[MailboxInfo]:
    """The sub-mailboxes of `name`, on all levels."""
    prefix = name + SEPARATOR
    return [info for info in known if info.name.startswith(prefix)]


class Tree:
    """An account's names as LIST sees them: mailboxes, subscribed names, and the parents that both imply."""

    def __init__(self, known: MailboxList) -> None:
        self.mailboxes = {info.name: info for info in known.mailboxes}
        self.subscribed = known.subscribed
        self.with_children = all_parents(self.mailboxes)

    def names(self) -> list[str]:
        """Mailboxes and missing parents (which are \\Noselect); INBOX first, then by name."""
        return in_order(self.mailboxes.keys() | self.with_children)


def in_order(names: Iterable[str]) -> list[str]:
    """INBOX and what is below it first, then by name, each parent before its children."""
    ordered = sorted(names, key=lambda name: name.replace(SEPARATOR, "\0"))       # so that a level's end comes before any character
    first = [name for name in ordered if name == INBOX or name.startswith(INBOX + SEPARATOR)]
    return first + [name for name in ordered if name != INBOX and not name.startswith(INBOX + SEPARATOR)] if first else ordered


class Pattern:
    """A LIST pattern: "*" matches anything, "%" anything within a level (RFC 3501 section 6.3.8).

    What people ask has a wildcard or two, and is a regular expression. With more, all places where the match may stand
    are bits of one integer, so that time is linear in the name whatever the pattern.
    """

    def __init__(self, text: str) -> None:
        text = _WILD_RUN.sub(lambda run: "*" if "*" in run[0] else "%", text)
        self._literal: dict[str, int] = {}
        self._star = self._percent = 0
        for place, character in enumerate(text):
            if character == "*":
                self._star |= 1 << place
            elif character == "%":
                self._percent |= 1 << place
            else:
                self._literal[character] = self._literal.get(character, 0) | 1 << place
        self._everything = text == "*"
        wild = text.count("*") + text.count("%")
        self._quick = _regular(text).fullmatch if wild <= MAX_REGULAR else None
        self._wild = self._star | self._percent
        self._end = 1 << len(text)
        # INBOX is the same in any case: an upper-case twin tries it (RFC 3501 section 5.1).
        upper = text.upper() if text.isascii() else text
        self._twin = Pattern(upper) if upper != text and set("INBOX*%") >= set(upper) else None

    def matches(self, name: str) -> bool:
        if self._everything:
            return True
        if self._quick is not None:
            return bool(self._quick(name)) or self._twin_matches(name)
        # Bit i of `places`: the first i characters of the pattern have matched so far.
        places = 1 | (1 & self._wild) << 1
        for character in name:
            stay = self._star if character == SEPARATOR else self._wild
            places = (places & self._literal.get(character, 0)) << 1 | places & stay
            places |= (places & self._wild) << 1
            if not places:
                break
        return bool(places & self._end) or self._twin_matches(name)

    def _twin_matches(self, name: str) -> bool:
        return self._twin is not None and name.partition(SEPARATOR)[0] == INBOX and self._twin.matches(name)


def _regular(text: str) -> re.Pattern[str]:
    parts = (".*" if each == "*" else f"[^{SEPARATOR}]*" if each == "%" else re.escape(each) for each in _WILD.split(text))
    return re.compile("".join(parts), re.DOTALL)
