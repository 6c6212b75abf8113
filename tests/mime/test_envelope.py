"""ENVELOPE (RFC 3501 section 7.4.2) and IMAP strings."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.imapread import check_envelope, read_data
from support.messages import lines

from mailframe.mime.envelope import NIL_ENVELOPE, render_envelope
from mailframe.mime.imapstring import imap_string


@pytest.mark.parametrize(("octets", "shown"), [
    (None, b"NIL"), (b"", b'""'), (b"NIL", b'"NIL"'), (b'a "b" \\c', b'"a \\"b\\" \\\\c"'), (b"a\tb", b'"a\tb"'),
    (b"caf\xc3\xa9", b"{5}\r\ncaf\xc3\xa9"), (b"a\rb", b"{3}\r\na\rb"), (b"a\nb", b"{3}\r\na\nb"), (b"a\0b", b"{3}\r\na?b"),
])
def test_imap_strings(octets: bytes | None, shown: bytes) -> None:
    assert imap_string(octets) == shown


@given(st.none() | st.binary(max_size=30))
@settings(max_examples=60, deadline=None)
def test_a_string_is_read_back(octets: bytes | None) -> None:
    assert read_data(imap_string(octets)) == (None if octets is None else octets.replace(b"\0", b"?"))


def test_an_ordinary_envelope_to_the_octet() -> None:
    header = lines(
        "Date: Mon, 7 Feb 1994 21:52:25 -0800 (PST)", "From: Fred Foobar <foobar@Blurdybloop.example>",
        "Subject: afternoon meeting", "To: mooch@owatagu.siam.edu.example", "Message-Id: <B27397-0100000@Blurdybloop.example>", "",
    )
    assert render_envelope(header) == (
        b'("Mon, 7 Feb 1994 21:52:25 -0800 (PST)" "afternoon meeting" (("Fred Foobar" NIL "foobar" "Blurdybloop.example")) '
        b'(("Fred Foobar" NIL "foobar" "Blurdybloop.example")) (("Fred Foobar" NIL "foobar" "Blurdybloop.example")) '
        b'((NIL NIL "mooch" "owatagu.siam.edu.example")) NIL NIL NIL "<B27397-0100000@Blurdybloop.example>")'
    )


def test_nothing_is_nil_and_empty_text_is_empty() -> None:
    assert render_envelope(b"") == render_envelope(b"\r\n") == NIL_ENVELOPE
    assert render_envelope(lines("Subject:", "To:", "Message-ID: ", "")) == b'(NIL "" NIL NIL NIL NIL NIL NIL NIL "")'


def test_empty_sender_and_reply_to_default_to_from_and_others_do_not() -> None:
    shown = read_data(render_envelope(lines("From: a@b", "Sender:", "Reply-To: c@d", "")))
    assert shown[2] == shown[3] == [[None, None, b"a", b"b"]]
    assert shown[4] == [[None, None, b"c", b"d"]]
    assert shown[5] is None


def test_encoded_words_stay_encoded_and_raw_octets_are_literals() -> None:
    shown = render_envelope(lines("Subject: =?utf-8?q?J=C3=B6?=", "From: J\xf6 <j@e>", ""))
    assert b'"=?utf-8?q?J=C3=B6?="' in shown
    assert b'(({3}\r\nJ\xc3\xb6 NIL "j" "e"))' in shown


def test_of_repeated_fields_the_first_text_counts_and_lists_add_up() -> None:
    shown = read_data(render_envelope(lines("Subject: one", "To: a@b", "Subject: two", "To: c@d", "")))
    assert shown[1] == b"one"
    assert shown[5] == [[None, None, b"a", b"b"], [None, None, b"c", b"d"]]


def test_folding_and_group_syntax() -> None:
    shown = read_data(render_envelope(lines("Subject: one", "\ttwo", "Cc: Team: a@b;", "")))
    assert shown[1] == b"one\ttwo"
    assert shown[6] == [[None, None, b"Team", None], [None, None, b"a", b"b"], [None, None, None, None]]


PIECES = [b"From: ", b"To:", b"Subject: ", b"Date:", b"\r\n", b"\n", b" ", b"\xff", b"\0", b'"', b"<a@b>", b"(", b":", b";"]


@given(st.lists(st.sampled_from(PIECES), max_size=15).map(b"".join) | st.binary(max_size=50))
@settings(max_examples=60, deadline=None)
def test_any_header_has_a_valid_envelope(block: bytes) -> None:
    check_envelope(read_data(render_envelope(block)))


def test_an_envelope_stays_small_whatever_the_header() -> None:
    assert len(read_data(render_envelope(b"To: a@b\r\n" * 100_000))[5]) <= 2_000
    assert len(render_envelope(b"Subject: " + b"x" * 10_000_000)) < 300_000
