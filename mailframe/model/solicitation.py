"""Solicitation class keywords (RFC 3865 section 2.2): ``org.example:ADV:ADLT``."""

from __future__ import annotations

import re
from collections.abc import Collection

from .refusal import Refusal

ANY = "*"                  # in a list of what is not wanted: all that says it is a solicitation
_MOST = 1_000              # characters of a list
_CLASS = re.compile(r"[A-Za-z][A-Za-z0-9._:-]*")


class Unwanted(Refusal):
    """Its public words say which class it was, as section 2.4 has it."""

    public, smtp = "Solicitations are not wanted here", (550, "5.7.1")


def classes(text: str) -> tuple[str, ...]:
    """The keywords of a list with commas. Raises ValueError."""
    words = tuple(word.strip() for word in text.split(","))
    if len(text) > _MOST or not all(_CLASS.fullmatch(word) for word in words):
        raise ValueError(f"Solicitation classes are words like org.example:ADV, with commas between, up to {_MOST} characters")
    return words


def unwanted(said: Collection[str], refused: Collection[str]) -> Unwanted | None:
    """What is answered to a message of the classes `said`. A class stands for those below it: org.example:ADV for
    org.example:ADV:ADLT, too; letters are compared without case."""
    if ANY in refused and said:
        return Unwanted(f"Not wanted here: SOLICIT={','.join(said)}")
    for word in said:
        if any(f"{word.lower()}:".startswith(f"{each.lower()}:") for each in refused):
            return Unwanted(f"Not wanted here: SOLICIT={word}")
    return None
