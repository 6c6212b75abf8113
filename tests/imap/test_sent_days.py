"""SENTSINCE and its kin: the day read from a kept ENVELOPE is the one that reading the header gives."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.imap_stub import inbox, run

from mailframe.imap.search.matching import Octets
from mailframe.imap.search.searching import Searching
from mailframe.imap.search.sentdays import UNDATED, UNKNOWN, KeptDays, SentDays, day_in
from mailframe.mime.attributes import attributes
from mailframe.mime.envelope import render_envelope
from mailframe.model.mailbox import MAX_UID, Field, New
from mailframe.model.query import Sent
from mailframe.pacing.breath import Breath

BREATH = Breath(lambda: 0.0, lambda: None)  # type: ignore[arg-type, return-value]
DATES = (
    b"Mon, 1 Jan 2024 10:00:00 +0000", b"1 Jan 2024 10:00:00 -0800", b" Mon, 31 Dec 2023 24:00:00 +1400 (x)", b"Mon, 1 Jan 24 1:00",
    b"Mon, 1 Jan 2024 25:00:00 +0000", b"Mon, 1 Jan 2024 23:59:61 +0000", b"30 Feb 2024 10:00:00 +0000", b"(1 Jan 2020) 2 Jan 2021",
    b"Mon Jan  1 10:00:00 2024", b"2024-01-01 10:00:00", b"whenever", b"", b'Mon, 1 Jan 2024 10:00:00 "',
    b"Mon,\r\n 1 Jan 2024 10:00:00 +0000",
    b"\xff 1 Jan 2024 10:00:00 +0000", b"Mon, 1 Jan 2024 10:00:00 +00001 Feb 2025", b"Mon, 1 Foo 2024 10:00:00 +0000 2 Jan 2023",
)


def agree(block: bytes) -> None:
    day = day_in(render_envelope(block))
    read = Octets(block).day
    assert day in (UNKNOWN, UNDATED if read is None else read), block


@pytest.mark.parametrize("date", DATES)
def test_known_forms(date: bytes) -> None:
    agree(b"Date: " + date + b"\r\nSubject: x\r\nDate: 3 Mar 2003 10:00:00 +0000\r\n\r\n")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([
    b"Mon, ", b"1", b" ", b"Jan", b"jan", b"2024", b"10:00:00", b"24:59:60", b" +0100", b"(", b")", b'"', b"\\", b",", b"\r\n ",
    b"31 Dec 1999",
]), max_size=9))
def test_any_form(pieces: list[bytes]) -> None:
    agree(b"Date: " + b"".join(pieces) + b"\r\n\r\n")


def test_the_usual_form_is_read_without_the_message() -> None:
    assert day_in(render_envelope(b"Date: Mon, 1 Jan 2024 10:00:00 +0000\r\n\r\n")) == 738_886
    assert day_in(b"") == UNKNOWN and day_in(render_envelope(b"Subject: x\r\n\r\n")) == UNDATED


def test_days_are_learned_once_in_any_order() -> None:
    mailbox = inbox()
    octets = [b"Date: %d Jan 2024 10:00:00 +0000\r\n\r\nx" % (number % 28 + 1) for number in range(60)]
    run(mailbox.append([New(each, attributes=attributes(each)) for each in octets]))
    kept = SentDays()
    expected = [uid for uid in range(1, 61) if (uid - 1) % 28 + 1 >= 10]
    for ranges in ([(30, 40)], [(1, 5), (50, 60)], [(1, MAX_UID)], [(1, MAX_UID)]):
        found = run(Searching(mailbox, (), Sent(first=738_895), BREATH, days=kept).among(ranges))
        assert found == [uid for uid in expected if any(low <= uid <= high for low, high in ranges)]
    known = run(mailbox.rows([(1, 1)], 1, Field.ENVELOPE)).envelopes != [b""]
    assert len(kept) == (60 if known else 0)
    assert UNKNOWN not in kept.of(array("I", range(1, 61))) or not known


def test_the_mailbox_used_longest_ago_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailframe.imap.search.sentdays.MESSAGES", 10)
    kept = KeptDays()
    for name in "abc":
        kept.of("ann", name).learn(range(1, 6), [1] * 5)
    assert [len(kept.of("ann", name)) for name in "cb"] == [5, 5] and len(kept.of("ann", "a")) == 0
