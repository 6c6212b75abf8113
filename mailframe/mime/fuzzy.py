"""How well a text is what somebody means by some words (RFC 6203): each somewhere in it, without case and accents; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Accents that are no letters of their own: those that SQLite's trigram tokenizer takes away, so that its index can be asked.
_ACCENTS = re.compile(
    "[\u0300-\u0304\u0306-\u030c\u030f\u0311\u031b\u0323-\u0328\u032d\u032e\u0330\u0331]+")
_WORD = re.compile(r"\w+")
MAX_WORDS = 32          # of one string that are looked for
_MANY = 8               # of a word in a text: beyond, more say no more


def plain(text: str) -> str:
    """A folded text (`casemap.fold`) without accents."""
    return text if text.isascii() else _ACCENTS.sub("", text)


@dataclass(frozen=True, slots=True)
class Meant:
    """What is looked for: its words, and them side by side; both plain."""

    words: tuple[str, ...]
    phrase: str

    @classmethod
    def of(cls, folded: str) -> Meant:
        phrase = " ".join(plain(folded).split())
        words = dict.fromkeys(_WORD.findall(phrase)) or dict.fromkeys([phrase])
        return cls(tuple(words)[:MAX_WORDS], phrase)

    def relevancy(self, folded: str) -> int:
        """From 1 to 100; 0 where a word is missing. Words count that stand for themselves, side by side, and often."""
        text = plain(folded)
        if not all(word in text for word in self.words):
            return 0
        if not self.phrase:
            return 1
        whole = sum(self._stands(word, text) for word in self.words) / len(self.words)
        together = self.phrase in text
        often = sum(min(text.count(word), _MANY) for word in self.words) / (_MANY * len(self.words))
        return 1 + round(44 * whole + 25 * together + 30 * often)

    @staticmethod
    def _stands(word: str, text: str) -> bool:
        """Whether a word is one in the text as well, not only a part of others."""
        return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) is not None
