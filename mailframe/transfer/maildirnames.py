"""Flags in the names of Maildir files (``:2,FS``), and Dovecot's list of keywords for the letters a to z. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

KEYWORDS = "dovecot-keywords"       # "0 $Forwarded" a line: the number stands for the letter
MOST_KEYWORDS = 26
LETTERS: Mapping[str, bytes] = {
    "S": b"\\Seen", "R": b"\\Answered", "F": b"\\Flagged", "T": b"\\Deleted", "D": b"\\Draft", "P": b"$Forwarded",
}
_OF_FLAG = {flag.lower(): letter for letter, flag in LETTERS.items()}
_INFO = re.compile(r"[:;!]2,([A-Za-z]*)")


_EXPORTED = re.compile(r"\d+\.V(\d+)U(\d+)\.mailframe(?:[:,;].*)?$")


def exported_name(date: int, uidvalidity: int, uid: int) -> str:
    """An export's file, without its flags: the same in each run."""
    return f"{max(date, 0)}.V{uidvalidity}U{uid}.mailframe"


def exported(name: str) -> tuple[int, int] | None:
    """(UIDVALIDITY, UID) of an export's file; None for another's."""
    found = _EXPORTED.match(name)
    return (int(found[1]), int(found[2])) if found else None


def base_name(name: str) -> str:
    """What stays the same when flags change."""
    found = _INFO.search(name)
    return name[:found.start()] if found else name


def flags_of(name: str, keywords: Mapping[int, str]) -> tuple[bytes, ...]:
    """The flags that a file's name tells, as IMAP spells them; letters without a keyword say nothing."""
    found = _INFO.search(name)
    flags = []
    for letter in found[1] if found else "":
        if letter in LETTERS:
            flags.append(LETTERS[letter])
        elif (number := ord(letter) - 97) in keywords:
            flags.append(keywords[number].encode("ascii", "replace"))
    return tuple(dict.fromkeys(flags))


def letters_for(flags: Iterable[bytes], keywords: Sequence[str]) -> tuple[str, list[bytes]]:
    """(the letters in the order that Maildir wants, flags that have none) with `keywords` numbered from 0."""
    numbers = {word.lower(): number for number, word in enumerate(keywords[:MOST_KEYWORDS])}
    letters, without = [], []
    for flag in flags:
        lower = flag.lower()
        number = numbers.get(lower.decode("ascii", "replace"))
        if lower in _OF_FLAG:
            letters.append(_OF_FLAG[lower])
        elif number is not None:
            letters.append(chr(97 + number))
        elif lower != b"\\recent":
            without.append(flag)
    return "".join(sorted(set(letters))), without


def read_keywords(octets: bytes) -> dict[int, str]:
    """By number; lines that say nothing are passed over."""
    found = {}
    for line in octets.decode("utf-8", "replace").splitlines():
        number, _, word = line.partition(" ")
        if number.isascii() and number.isdigit() and word:
            found[int(number)] = word
    return found


def render_keywords(words: Sequence[str]) -> bytes:
    """As `read_keywords` reads it."""
    return "".join(f"{number} {word}\n" for number, word in enumerate(words[:MOST_KEYWORDS])).encode()
