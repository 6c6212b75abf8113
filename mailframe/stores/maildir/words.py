"""Flags in file names: the six letters of Maildir, and a to z for the keywords in ``dovecot-keywords``. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from mailframe.model.flags import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN, keyword_bit

FILE = "dovecot-keywords"
MAX_LETTERS = 26

_SYSTEM = ((ord("D"), DRAFT), (ord("F"), FLAGGED), (ord("R"), ANSWERED), (ord("S"), SEEN), (ord("T"), DELETED))
_FIRST = ord("a")


def parsed(octets: bytes) -> dict[int, str]:
    """Number (0 is a) to keyword, of a file with lines like ``0 $Forwarded``; lines that are none are passed over."""
    words: dict[int, str] = {}
    for line in octets.splitlines():
        number, _, word = line.partition(b" ")
        if number.isdigit() and len(number) < 3 and int(number) < MAX_LETTERS and word and word.isascii():
            words[int(number)] = word.decode("ascii")
    return words


def written(words: dict[int, str]) -> bytes:
    """The file again."""
    return "".join(f"{number} {words[number]}\n" for number in sorted(words)).encode("ascii")


class Letters:
    """How one folder's letters and its mailbox's keyword table (in the index) mean the same."""

    def __init__(self, words: dict[int, str], table: Sequence[str]) -> None:
        places = {word.lower(): keyword_bit(index) for index, word in enumerate(table)}
        self._bits = dict(_SYSTEM)
        for number in sorted(words, reverse=True):      # of two letters for one word the first is written, both are read
            bit = places.get(words[number].lower())
            if bit is not None:
                self._bits[_FIRST + number] = bit
        self._letters = {bit: letter for letter, bit in self._bits.items()}
        self.known = 0                                  # all that a file's name can tell; other keywords rest in the index alone
        for bit in self._letters:
            self.known |= bit

    def mask(self, letters: bytes) -> int:
        """The flags that are known here; P and letters without a word mean nothing to us."""
        mask = 0
        for letter in letters:
            mask |= self._bits.get(letter, 0)
        return mask

    def letters(self, mask: int, before: bytes = b"") -> bytes:
        """The letters of `mask`, and those of `before` that mean nothing to us: they are another program's."""
        own = bytes(letter for bit, letter in self._letters.items() if mask & bit)
        return own + bytes(letter for letter in before if letter not in self._bits)


def missing(words: dict[int, str], wanted: Sequence[str]) -> dict[int, str]:
    """`words` with those of `wanted` that have no letter, as far as there are free ones: what is left has none."""
    answer, known = dict(words), {word.lower() for word in words.values()}
    free = iter(number for number in range(MAX_LETTERS) if number not in words)
    for word in wanted:
        if word.lower() not in known:
            number = next(free, None)
            if number is None:
                break
            known.add(word.lower())
            answer[number] = word
    return answer
