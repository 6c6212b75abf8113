"""Text is compared as RFC 5051 says: by titlecase and full decomposition, whatever script it is in."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailframe.mime.casemap import fold


def one(character: str) -> str:
    """Section 2, word for word: the titlecase property where there is one, then decompositions until there are none."""
    title = character.title()
    return unicodedata.normalize("NFKD", title if len(title) == 1 else character)


def test_every_character_there_is() -> None:
    assert [hex(code) for code in range(0x110000) if fold(chr(code)) != one(chr(code))] == []


@settings(max_examples=200, deadline=None)
@given(st.text(st.one_of(st.characters(), st.sampled_from("aéß\u1e9eǆ\u0301\u0323\u0345ΐ가é한ﬁ\n :"))))
def test_a_text_is_its_characters_side_by_side(text: str) -> None:
    """So a folded whole holds its folded parts: what SEARCH relies on, and what is kept in pieces."""
    assert fold(text) == "".join(map(one, text))


@pytest.mark.parametrize(("one", "other"), [
    ("Smith", "sMITH"), ("Jörg", "JO\u0308RG"), ("Ångström", "a\u030angstro\u0308m"), ("\u212b", "å"), ("ΣΊΣΥΦΟΣ", "Σίσυφος"),
    ("Привет", "ПРИВЕТ"), ("ｆｕｌｌ", "ＦＵＬＬ"), ("が", "か\u3099"), ("각", "\u1100\u1161\u11a8"), ("ǆ", "Ǆ"), ("K", "k"),
])
def test_alike(one: str, other: str) -> None:
    assert fold(one) == fold(other)


def test_what_the_standard_keeps_apart() -> None:
    assert fold("ß") != fold("ss") and fold("ß") != fold("ẞ")           # UnicodeData.txt has no titlecase of sharp s
    assert fold("é") != fold("e") and fold("e") in fold("é")            # a letter is found under its accent


def test_the_order_is_that_of_titlecase() -> None:
    words = ["[", "zebra", "_x", "Zoë", "apple", "Äpfel", "éclair", "Eclipse", "Яблоко", "яма"]
    ordered = sorted(words, key=fold)
    assert ordered == ["apple", "Äpfel", "Eclipse", "éclair", "zebra", "Zoë", "[", "_x", "Яблоко", "яма"]
    for low, high in pairwise(ordered):
        assert fold(low).encode() < fold(high).encode()
