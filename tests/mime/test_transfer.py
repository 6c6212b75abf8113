"""Transfer encodings taken off in pieces give what they give at once (I4)."""

from __future__ import annotations

import base64
import quopri

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailframe.mime.text import decode_transfer
from mailframe.mime.transfer import decoder_for


def in_pieces(octets: bytes, encoding: bytes, cuts: list[int]) -> bytes:
    decoder = decoder_for(encoding)
    assert decoder is not None
    found, at = [], 0
    for cut in sorted(min(cut, len(octets)) for cut in cuts):
        found.append(decoder.feed(octets[at:cut]))
        at = cut
    return b"".join([*found, decoder.feed(octets[at:]), decoder.finish()])


encoded = st.one_of(
    st.binary(max_size=300).map(base64.encodebytes), st.binary(max_size=300).map(quopri.encodestring),
    st.text("AZaz09+/= \r\n-=\x00é", max_size=80).map(str.encode), st.binary(max_size=200))


@settings(max_examples=300, deadline=None)
@given(encoded, st.sampled_from((b"base64", b"quoted-printable", b"8BIT", b"binary")), st.lists(st.integers(0, 400), max_size=6))
def test_any_split_gives_the_same(octets: bytes, encoding: bytes, cuts: list[int]) -> None:
    assert in_pieces(octets, encoding, cuts) == decode_transfer(octets, encoding)


@pytest.mark.parametrize(("octets", "decoded"), [
    (b"hello  \r\nbar", b"hello\r\nbar"), (b"hello \t\nbar\t", b"hello\nbar"), (b"a=20 \r\nb=09\r\n", b"a \r\nb\t\r\n"),
    (b"foo = \t\r\nbar=\nx", b"foo barx"), (b"foo=  ", b"foo"), (b" \r\n\t\r\n", b"\r\n\r\n"), (b"a b\tc", b"a b\tc"),
    (b" " * 998 + b"\n", b"\n"), (b" " * 999 + b"\n", b" " * 999 + b"\n"),
])
def test_blanks_at_the_ends_of_quoted_lines_are_none_of_the_text(octets: bytes, decoded: bytes) -> None:
    assert decode_transfer(octets, b"quoted-printable") == decoded
    for size in (1, 2, 3):
        assert in_pieces(octets, b"quoted-printable", list(range(0, len(octets), size))) == decoded


@pytest.mark.parametrize("line", [
    b"=41" * 40_000, b"x" * 150_000 + b"=\r\n=42", b"=" * 70_000, b" " * 70_000 + b"\r\nx", b"x" * 70_000 + b"  =   \r\ny \n",
    (b"x" + b" " * 998) * 200 + b"\n", (b"=" + b"\t" * 999) * 200 + b"\n", (b"x" + b" " * 990) * 70 + b" ",
], ids=["coded", "plain", "broken", "blank", "soft", "blanks", "many blanks", "blanks at the end"])
def test_a_line_without_end_is_not_held(line: bytes) -> None:
    whole = decode_transfer(line, b"quoted-printable")
    for size in (1_000, 7_919, 70_001):
        assert in_pieces(line, b"quoted-printable", list(range(0, len(line), size))) == whole


def test_an_unknown_encoding_has_no_decoder() -> None:
    assert decoder_for(b"x-uuencode") is None
