"""Content-Transfer-Encodings put on piece by piece."""

from __future__ import annotations

from binascii import a2b_base64, a2b_qp
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from mailframe.mime.encode import Base64Encoder, Encoder, QuotedPrintableEncoder

OCTETS = st.lists(st.sampled_from([
    b"text ", b"\xe9", b"=", b"\t", b".", b"\0", b"\r", b"\n", b"\r\n", b"x" * 75, b"x" * 76, b"\xff" * 30, b"y" * 9_000,
]), max_size=20).map(b"".join)
CUTS = st.lists(st.integers(0, 100_000), max_size=6)


def encoded(encoder: Encoder, octets: bytes, places: list[int], last: bool) -> bytes:
    borders = [0, *sorted(place % (len(octets) + 1) for place in places), len(octets)]
    return b"".join(encoder.feed(octets[start:end]) for start, end in pairwise(borders)) + encoder.finish(last=last)


def narrow(text: bytes) -> bool:
    """76 characters to a line; binascii allows itself another before an encoded line feed."""
    lines = text.split(b"\r\n")
    return text.isascii() and not any(b"\r" in line or b"\n" in line or len(line) > 77 for line in lines)


@settings(max_examples=60, deadline=None)
@given(OCTETS, CUTS, st.booleans())
def test_base64_of_any_pieces_is_one_and_comes_back(octets: bytes, places: list[int], last: bool) -> None:
    """I4."""
    text = encoded(Base64Encoder(), octets, places, last)
    assert text == encoded(Base64Encoder(), octets, [], last)
    assert narrow(text) and a2b_base64(text) == octets
    assert text.endswith(b"\r\n") == (last and octets != b"")


@settings(max_examples=150, deadline=None)
@given(OCTETS, CUTS, st.booleans())
def test_quoted_printable_of_any_pieces_comes_back(octets: bytes, places: list[int], last: bool) -> None:
    """Where a very long line is cut depends on the pieces; what it says does not."""
    text = encoded(QuotedPrintableEncoder(), octets, places, last)
    assert a2b_qp(text) == octets
    assert narrow(text) and not any(line.endswith((b" ", b"\t")) for line in text.split(b"\r\n"))
    assert not last or not text or text.endswith(b"\r\n")
