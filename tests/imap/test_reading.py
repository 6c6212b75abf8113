"""Cursor, number sets, modified UTF-7: what clients write is read as meant, and nothing else is let through."""

from __future__ import annotations

import datetime
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailframe.imap import mutf7, numset
from mailframe.imap.cursor import MAX_DEPTH, BadSyntax, Cursor

QUICK = settings(max_examples=60, deadline=None)


def test_strings_in_their_three_forms() -> None:
    cursor = Cursor(b'atom]% "qu\\"o\\\\ted" {3+}\r\na\r\n NIL')
    assert cursor.data.startswith(b"atom")
    with pytest.raises(BadSyntax):
        Cursor(b"at%om").astring() and Cursor(b"%").astring()
    cursor = Cursor(b'atom] "qu\\"o\\\\ted" {3+}\r\na\r\n NIL')
    assert cursor.astring() == b"atom]"
    cursor.space()
    assert cursor.astring() == b'qu"o\\ted'
    cursor.space()
    assert cursor.astring() == b"a\r\n"
    cursor.space()
    assert cursor.nstring() is None
    cursor.end()


@pytest.mark.parametrize("text", [
    b'"a\\x"', b'"a\rb"', b'"a\nb"', b'"open', b"{5}\r\nabc", b"{3}abc", b"{3}\r\na\0c", b"(", b"", b"\xff",
])
def test_what_is_no_string(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        Cursor(text).astring()


def test_a_bracket_bomb_ends_early() -> None:
    cursor = Cursor(b"(" * 100_000)

    def nested() -> object:
        return cursor.list_of(nested)

    with pytest.raises(BadSyntax, match="deeply"):
        nested()
    assert cursor.position == MAX_DEPTH + 1


@pytest.mark.parametrize(("text", "value"), [
    (b'"17-Jul-1996 02:44:25 -0700"', datetime.datetime(1996, 7, 17, 9, 44, 25, tzinfo=datetime.UTC)),
    (b'" 1-jan-2024 00:00:00 +0130"', datetime.datetime(2023, 12, 31, 22, 30, tzinfo=datetime.UTC)),
])
def test_dates_with_times(text: bytes, value: datetime.datetime) -> None:
    assert Cursor(text).date_time() == int(value.timestamp())


@pytest.mark.parametrize("text", [
    b'"31-Feb-2024 00:00:00 +0000"', b'"01-Foo-2024 00:00:00 +0000"', b'"01-Jan-2024 25:00:00 +0000"', b'""',
])
def test_dates_that_are_none(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        Cursor(text).date_time()


def test_inbox_in_any_spelling_is_one_mailbox_and_only_at_the_top() -> None:
    assert [Cursor(text).mailbox() for text in (b"inBox", b'"INBOX"', b"inbox/Sub", b"a/inbox", b"inboxes")] == [
        "INBOX", "INBOX", "INBOX/Sub", "a/inbox", "inboxes"]


@pytest.mark.parametrize("text", [b"&", b"&-&", b"&AGE-", b"&ABC", b"&!-", b"&2D0-", b"&AOQ-&APY-"])
def test_names_that_are_not_modified_utf7(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        Cursor(text).mailbox()


@QUICK
@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_any_name_survives_the_wire(name: str) -> None:
    octets = mutf7.encode(name)
    assert octets.isascii()
    assert mutf7.decode(octets) == name


def test_known_name() -> None:
    assert mutf7.encode("~peter/mail/台北/日本語") == b"~peter/mail/&U,BTFw-/&ZeVnLIqe-"         # RFC 3501 section 5.1.3
    assert mutf7.decode(b"Hello&- world") == "Hello& world"


NUMBERS = st.integers(1, 60) | st.just(0)
PAIRS = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=8)


@QUICK
@given(PAIRS, st.sets(st.integers(1, 50)).map(sorted))
def test_sets_mean_what_a_naive_reading_says(pairs: list[tuple[int, int]], present: list[int]) -> None:
    greatest = max(present, default=0)
    naive = set()
    for first, last in pairs:
        low, high = sorted((first or greatest, last or greatest))
        naive |= {number for number in present if low <= number <= high}
    written = b",".join(b"%b:%b" % tuple(b"%d" % end if end else b"*" for end in pair) for pair in pairs)
    assert numset.parse(written) == numset.NumSet(tuple(pairs))
    found = numset.intersect(numset.parse(written).resolve(greatest), array("I", present))
    assert list(found) == sorted(naive)


@QUICK
@given(st.sets(st.integers(1, 400)).map(sorted))
def test_numbers_written_are_numbers_read(numbers: list[int]) -> None:
    expected = []
    for number in numbers:
        if expected and expected[-1][1] == number - 1:
            expected[-1] = (expected[-1][0], number)
        else:
            expected.append((number, number))
    assert numset.ranges_of(array("I", numbers)) == expected
    if numbers:
        assert numset.parse(numset.render_numbers(numbers)).resolve(1_000) == expected


@pytest.mark.parametrize("text", [
    b"", b"0", b"1:", b"1,,2", b"1:2:3", b"01", b"4294967296", b"-1", b"1 2", b"$,1", b"$,$", b"1,$,2", b"1:$"])
def test_what_is_no_set(text: bytes) -> None:
    with pytest.raises(ValueError):
        numset.parse(text)


def test_a_giant_range_is_never_expanded() -> None:
    assert numset.parse(b"1:4294967295").resolve(5) == [(1, 4294967295)]


@QUICK
@given(st.binary(max_size=40))
def test_the_cursor_never_fails_otherwise(data: bytes) -> None:
    for name in (
        "atom", "astring", "nstring", "number", "sequence_set", "mailbox", "list_mailbox", "flag", "flag_list", "date", "date_time",
    ):
        cursor = Cursor(data)
        try:
            getattr(cursor, name)()
        except BadSyntax:
            continue
        assert cursor.position <= len(data)
