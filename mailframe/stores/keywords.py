"""A mailbox's keyword table: how it grows, and how masks are carried from one table to another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mailframe.model.flags import FIRST_KEYWORD_BIT, MAX_KEYWORDS, keyword_bit
from mailframe.model.refusal import LimitReached

_SYSTEM_MASK = (1 << FIRST_KEYWORD_BIT) - 1


def missing(table: Sequence[str], add: Iterable[str]) -> list[str]:
    """Those of `add` that `table` lacks, compared without case, each once."""
    known = {word.lower() for word in table}
    lacking: list[str] = []
    for word in add:
        if word.lower() not in known:
            known.add(word.lower())
            lacking.append(word)
    return lacking


def grown(table: Sequence[str], add: Iterable[str]) -> tuple[str, ...]:
    """`table` with what it lacks of `add`. Raises LimitReached beyond 56."""
    table = (*table, *missing(table, add))
    if len(table) > MAX_KEYWORDS:
        raise LimitReached("Too many different keywords in this mailbox")
    return table


def used(masks: Iterable[int], table: Sequence[str]) -> list[str]:
    """The words of `table` that occur in any of `masks`."""
    together = 0
    for mask in masks:
        together |= mask
    return [word for index, word in enumerate(table) if together & keyword_bit(index)]


def carried(source: Sequence[str], masks: Iterable[int], target: Sequence[str]) -> tuple[str, ...]:
    """`target` with the words that `masks` need, as far as there is room: a copy loses a keyword rather than fails."""
    return (*target, *missing(target, used(masks, source)))[:MAX_KEYWORDS]


def translate(mask: int, source: Sequence[str], target: Sequence[str]) -> int:
    """`mask` of table `source` as a mask of `target`; words that `target` lacks are dropped."""
    answer = mask & _SYSTEM_MASK
    if answer != mask:
        places = {word.lower(): index for index, word in enumerate(target)}
        for index, word in enumerate(source):
            if mask & keyword_bit(index) and word.lower() in places:
                answer |= keyword_bit(places[word.lower()])
    return answer
