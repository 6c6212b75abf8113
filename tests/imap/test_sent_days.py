"""What an envelope tells of the day a message was sent is what its header tells; where it could differ, the header is asked."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mailframe.imap.matching import Octets
from mailframe.imap.sentdays import UNKNOWN, sent_day
from mailframe.mime.envelope import render_envelope

pieces = st.sampled_from([
    b"Mon, ", b"Xyz, ", b"1", b"31", b"30", b"00", b" ", b"  ", b" Feb ", b" feb ", b" Jan ", b" 2024", b" 0000", b"24",
    b" 10:00:00", b" 25:00:00", b" 10:00", b" +0100", b" -1400", b" +9900", b" GMT", b" (x)", b"\\", b"\"", b"\r\n ", b"\xff",
    b"2024-01-02", b"\0",
])


def days(date: bytes) -> tuple[int, int | None]:
    header = b"Subject: x\r\nDate: " + date + b"\r\nDate: Tue, 2 Jan 2024 10:00:00 +0000\r\n\r\n"
    return sent_day(render_envelope(header)), Octets(header).day


@settings(max_examples=300, deadline=None)
@given(st.one_of(
    st.lists(pieces, max_size=8).map(b"".join),
    st.builds(
        b"%b%d %b %d %02d:%02d:%02d %b%04d".__mod__, st.tuples(
            st.sampled_from([b"", b"Mon, "]), st.integers(0, 33), st.sampled_from([b"Jan", b"Feb", b"Dec"]), st.integers(0, 9999),
            st.integers(0, 25), st.integers(0, 61), st.integers(0, 61), st.sampled_from([b"+", b"-"]), st.integers(0, 9999)))))
def test_the_same_day_or_none(date: bytes) -> None:
    quick, slow = days(date)
    assert quick in (UNKNOWN, slow or 0)


def test_what_most_programs_write_is_known() -> None:
    assert days(b"Mon, 1 Jan 2024 23:30:00 -0800") == (738886, 738886)
    assert days(b"29 Feb 2024 00:00:00 +1400")[0] == 738886 + 59
    assert days(b"30 Feb 2024 00:00:00 +0000") == (0, None)
    assert days(b"yesterday")[0] == UNKNOWN == sent_day(b"(NIL NIL") == sent_day(b"")
