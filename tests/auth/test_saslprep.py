"""SASLprep, by the examples of RFC 4013 section 3 and the tables behind them."""

from __future__ import annotations

import pytest

from mailframe.sasl.saslprep import saslprep


@pytest.mark.parametrize(("text", "prepared"), [
    ("user", "user"), ("USER", "USER"), ("I\u00adX", "IX"), ("\u00aa", "a"), ("\u2168", "IX"), ("", ""), ("\u00ad", ""),
    ("a\u00a0b", "a b"),
    ("Ju\u0308rgen", "J\u00fcrgen"), ("\u0627\u0031\u0628", "\u0627\u0031\u0628"), ("\U0001f600", "\U0001f600"),
])
def test_what_is_the_same_becomes_the_same(text: str, prepared: str) -> None:
    assert saslprep(text) == prepared
    assert saslprep(prepared) == prepared


@pytest.mark.parametrize("text", [
    "\x07", "a\x00b", "a\nb", "\u0627\u0031", "\u0627b", "\ue000", "\ufdd0", "\ufffd", "\u200e", "\u2028", "\U000e0041"])
def test_what_no_name_holds(text: str) -> None:
    with pytest.raises(ValueError, match=r"letters|character"):
        saslprep(text)
