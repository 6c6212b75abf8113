"""Header blocks and fields: where they end, what HEADER.FIELDS cuts out, what values say."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailframe.mime.charset import decode
from mailframe.mime.header import (
    chosen_fields,
    decode_words,
    fields,
    filter_fields,
    has_field,
    parse_date,
    split_header,
    strip_comments,
    unfold,
)

BLOCK = b"Subject: one\r\n two\r\nX-Odd : 1\r\nnot a field\r\nTo: a@b\r\nsubject: three\r\n\r\n"


@pytest.mark.parametrize(("octets", "end"), [
    (b"A: b\r\n\r\nbody\r\n\r\n", 8), (b"A: b\n\nbody\r\n\r\n", 6), (b"\r\nbody", 2), (b"\nbody", 1), (b"A: b\r\n", 6), (b"", 0),
    (b"A: b\r\n\nbody\r\n\r\n", 7), (b"A: b\n\r\nbody", 7), (b"A: b\r\n\r", 7), (b"A: b\n\n\r\n", 6),
])
def test_header_ends_after_the_first_empty_line(octets: bytes, end: int) -> None:
    assert split_header(octets) == end


def test_fields_keep_folding_and_leave_out_what_is_no_field() -> None:
    assert fields(BLOCK) == [(b"subject", b" one\r\n two"), (b"x-odd", b" 1"), (b"to", b" a@b"), (b"subject", b" three")]
    assert fields(b"A: b\n c\nD:\n\n") == [(b"a", b" b\n c"), (b"d", b"")]
    assert fields(b"") == [] and fields(b"\r\n") == []


def test_a_hundred_thousand_fields_are_cut_at_the_limit() -> None:
    block = b"X: y\r\n" * 100_000 + b"\r\n"
    assert len(fields(block)) == 2_000
    assert fields(block, limit=3) == [(b"x", b" y")] * 3


PIECES = [b"To: a\r\n", b" b\r\n", b"\r", b"\n", b"Cc :c\n", b":\n"]


@given(st.binary(max_size=60) | st.lists(st.sampled_from(PIECES), max_size=9).map(b"".join))
@settings(max_examples=60, deadline=None)
def test_chosen_fields_are_those_of_fields(block: bytes) -> None:
    names = frozenset({b"to"})
    chosen = [(name, unfold(value)) for name, value in chosen_fields(block, names)]
    assert chosen == [(name, unfold(value)) for name, value in fields(block) if name in names]


def test_unfolding_keeps_the_white_space_that_the_sender_wrote() -> None:
    assert unfold(b" one\r\n  two\r\n\tthree ") == b"one  two\tthree"


def test_has_field_wants_the_whole_name_at_the_line_start() -> None:
    assert has_field(BLOCK, b"TO") and has_field(BLOCK, b"subject")
    assert not has_field(BLOCK, b"ject") and not has_field(BLOCK, b"two") and not has_field(BLOCK, b"x.odd")


def test_header_fields_are_the_exact_octets_in_their_order() -> None:
    assert filter_fields(BLOCK, frozenset({b"subject", b"cc"}), True) == b"Subject: one\r\n two\r\nsubject: three\r\n\r\n"
    assert filter_fields(BLOCK, frozenset({b"cc"}), True) == b"\r\n"
    assert filter_fields(BLOCK, frozenset({b"subject"}), False) == b"X-Odd : 1\r\nnot a field\r\nTo: a@b\r\n\r\n"
    assert filter_fields(BLOCK, frozenset(), False) == BLOCK


@pytest.mark.parametrize("block", [b"", b"\r\n", b"A: b", b"A: b\r\n", b"A: b\n\n", b"\n", b"A: b\r\n\r\n"])
@pytest.mark.parametrize("keep", [True, False])
def test_filtered_header_always_ends_in_one_empty_line(block: bytes, keep: bool) -> None:
    shown = filter_fields(block, frozenset({b"a"}) if keep else frozenset({b"z"}), keep)
    assert shown == b"\r\n" if b"A" not in block else shown.endswith(b"b\r\n\r\n") or shown == b"A: b\n\r\n"


@pytest.mark.parametrize(("value", "text"), [
    (b" plain", "plain"), (b" folded\r\n\tby a tab\r\n   , by spaces", "folded by a tab , by spaces"),
    (b"=?utf-8?q?M=C3=BCller_&_Co?=", "Müller & Co"),
    (b"=?iso-8859-1?B?Svhybg==?= =?ISO-8859-1?q?_x?=", "Jørn x"),
    (b"=?utf-8?b?4pg=?=\r\n =?utf-8?b?gw==?=", "☃"),                     # one character in two words
    (b"a =?utf-8?q?b?= c =?utf-8?q?d?=", "a b c d"),
    (b"=?utf-8*en?q?x?=", "x"),
    (b"=?no-such?q?caf=E9?=", "café"),
    (b"=?utf-8?b?SGFsbG8?=", "Hallo"),                                    # padding missing
    (b"=?utf-8?b?SGF!!sbG8=A?=", "Hallo"),
    (b"=?NONE?B?VEVTVA=?=", "TEST"),
    ("Grüße".encode(), "Grüße"), (b"caf\xe9", "café"), (b"=?broken", "=?broken"), (b"", ""),
    (b"=?punycode?q?abc?=", "abc"), (b"=?zlib?q?abc?=", "abc"), (b"=?unicode_escape?q?=5Cx41?=", "\\x41"),
])
def test_encoded_words_are_read_tolerantly(value: bytes, text: str) -> None:
    assert decode_words(value) == text


@given(st.binary(max_size=80), st.sampled_from([b"", b"utf-8", b"utf-7", b"iso-2022-jp", b"x\0y", b"hz", b"utf-16", b"\xff"]))
@settings(max_examples=60, deadline=None)
def test_decoding_never_raises(octets: bytes, charset: bytes) -> None:
    decode(octets, charset)
    decode_words(b"=?" + charset + b"?b?" + octets + b"?= =?" + charset + b"?Q?" + octets + b"?=" + octets)


def test_comments_nest_and_quoted_strings_keep_their_parentheses() -> None:
    assert strip_comments(b'a (x (y) \\) z) "(b)" c') == b'a   "(b)" c'
    assert strip_comments(b"a (never closed") == b"a  "
    assert strip_comments(b"(" * 100_000) == b" "
    assert strip_comments(b'"open (\\') == b'"open (\\'


@pytest.mark.parametrize(("value", "seconds", "day"), [
    (b"Fri, 21 Nov 1997 09:55:06 -0600", 880127706, (1997, 11, 21)),
    (b"Fri, 21 Nov 1997 23:55:06 -0600 (CST)", 880178106, (1997, 11, 21)),     # the 22nd in UTC
    (b"21 Nov 97 09:55:06 GMT", 880106106, (1997, 11, 21)),
    (b"Thu,\r\n 13\r\n Feb\r\n 1969\r\n 23:32\r\n -0330 (Newfoundland Time)", -27723480, (1969, 2, 13)),
    (b"Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", 880127706, (1997, 11, 21)),
    (b"1 Jan 70 00:00 EST", 18000, (1970, 1, 1)), (b"1 Jan 2024", 1704067200, (2024, 1, 1)),
    (b"1 Jan 49 00:00:00 Z", 2493072000, (2049, 1, 1)),
    (b"Mon Jan  1 00:00:00 2024", 1704067200, (2024, 1, 1)), (b"2024-01-01T01:00:00+01:00", 1704067200, (2024, 1, 1)),
])
def test_dates_as_they_come(value: bytes, seconds: int, day: tuple[int, int, int]) -> None:
    assert parse_date(value) == (seconds, datetime.date(*day).toordinal())


@pytest.mark.parametrize("value", [
    b"", b"tomorrow", b"32 Jan 2024 00:00:00 +0000", b"1 Foo 2024", b"1 Jan 2024 25:00:00", b"\xff" * 500,
])
def test_what_is_no_date_is_none(value: bytes) -> None:
    assert parse_date(value) is None
