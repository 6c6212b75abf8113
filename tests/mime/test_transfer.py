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


@pytest.mark.parametrize("line", [b"=41" * 40_000, b"x" * 150_000 + b"=\r\n=42", b"=" * 70_000], ids=["coded", "plain", "broken"])
def test_a_line_without_end_is_not_held(line: bytes) -> None:
    whole = decode_transfer(line, b"quoted-printable")
    for size in (1_000, 70_001):
        assert in_pieces(line, b"quoted-printable", list(range(0, len(line), size))) == whole


def test_an_unknown_encoding_has_no_decoder() -> None:
    assert decoder_for(b"x-uuencode") is None
