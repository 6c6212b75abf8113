"""SORT puts messages in the order of RFC 5256, whatever their headers look like."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.imap_stub import inbox, run

from mailframe.imap import headings as module
from mailframe.imap.extensions.sort import read_table
from mailframe.imap.headings import SORT_KEYS, base_subject, first_fields, mailbox, ordered, sent, shown, subject
from mailframe.model.mailbox import New
from mailframe.pacing.breath import Breath

BREATH = Breath(lambda: 0.0, lambda: None)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize(("subject", "base"), [
    ("Hello", "Hello"), ("Re: Hello", "Hello"), ("RE: re : Fwd: Hello", "Hello"), ("fw:Hello", "Hello"), ("Hello (fwd)", "Hello"),
    ("Re: Hello (fwd) (FWD) ", "Hello"), ("[list] Hello", "Hello"), ("[list] Re: [other] Hello", "Hello"),
    ("Re[2]: Hello", "Hello"),
    ("[fwd: Hello]", "Hello"), ("[Fwd: Re: [x] Hello (fwd)]", "Hello"), ("[only]", "[only]"), ("Re: [only]", "[only]"),
    ("  spaced \t out  ", "spaced out"), ("Re: a\u00a0b\u00a0", "a\u00a0b\u00a0"), ("[a] [b]", "[b]"), ("Re [x] : [y]z", "z"),
    ("[fwd: a] b", "b"), ("fwd[x]: [fwd: [y] re: z (fwd)]", "z"), ("[x]\tre:\r\n a", "a"), ("Aw: x", "Aw: x"),
    ("Report", "Report"), ("Fwdx: y", "Fwdx: y"), ("Re:", ""), ("", ""), ("[a [b] c", "[a [b] c"),
])
def test_base_subjects(subject: str, base: str) -> None:
    assert base_subject(subject) == base


def test_a_hostile_subject_costs_no_time() -> None:
    for piece in ("[", "[x] ", "re: ", "(fwd)", "[fwd:", "re [x", " "):
        base_subject(piece * 100_000)


def test_missing_and_broken_headers_still_have_a_place() -> None:
    header = first_fields(b"From: (nobody)\r\nDate: whenever\r\n\r\n")
    assert (sent(header, 1_000), subject(header), mailbox(header, b"to"), shown(header, b"from")) == (1_000, "", "", "")
    header = first_fields(b"To: =?utf-8?q?J=C3=B6rg?= <Joerg@example.org>, b@x\r\nDate: Mon, 1 Jan 2024 01:00:00 +0100\r\n\r\n")
    assert (sent(header, 0), mailbox(header, b"to"), shown(header, b"to")) == (1_704_067_200, "JOERG", "JO\u0308RG")


MESSAGES = st.lists(st.tuples(
    st.sampled_from(["b", "Re: a", "A", "[x] c", ""]), st.sampled_from(["ann", "Bob", "cy"]), st.integers(1, 5), st.integers(0, 3),
), max_size=30)
KEYS = st.lists(st.tuples(st.sampled_from(sorted(SORT_KEYS)), st.booleans()), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(MESSAGES, KEYS)
def test_the_order_is_that_of_one_sort_by_all_keys(
    messages: list[tuple[str, str, int, int]], keys: list[tuple[bytes, bool]],
) -> None:
    store = inbox([
        New(f"From: X <{who}@example.org>\r\nSubject: {words}\r\nDate: {day} Jan 2024 00:00 +0000\r\n\r\n".encode(), date=date)
        for words, who, day, date in messages
    ])
    table = run(read_table(store, range(1, len(messages) + 1), SORT_KEYS, BREATH))
    expected = list(range(len(messages)))
    for key, reverse in reversed(keys):
        expected.sort(key=table.columns[key].__getitem__, reverse=reverse)
    whole, module.CHUNK = module.CHUNK, 4
    try:
        assert run(ordered([(table.columns[key], reverse) for key, reverse in keys], len(messages), BREATH)) == expected
    finally:
        module.CHUNK = whole
    assert table.columns[b"SUBJECT"] == ["C" if "c" in words else words.removeprefix("Re: ").upper() for words, *_ in messages]
    assert table.columns[b"FROM"] == [who.upper() for _, who, *_ in messages]
