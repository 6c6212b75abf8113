"""Dot-stuffing, TOP's cut and the line framer: any split, same answer (I4)."""

from __future__ import annotations

import io
import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from mailframe.pop3.data import DotStuffer, TopCutter, stuff
from mailframe.pop3.framer import TOO_LONG, LineFramer, TooLong

QUICK = settings(max_examples=60, deadline=None)
_BITS = [b".", b"\r\n", b"\r", b"\n", b"a", b"\r\n.\r\n", b"..", b"\n.\r\n", b"\r\n\r\n"]
octets = st.lists(st.sampled_from(_BITS), max_size=14).map(b"".join)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in itertools.pairwise(edges)]


cuts = st.lists(st.integers(0, 100), max_size=8)


def sliced(data: bytes, places: list[int]) -> bytes:
    stuffer = DotStuffer()
    return b"".join([stuffer.feed(piece) for piece in cut(data, places)]) + stuffer.end()


@QUICK
@given(octets, cuts)
def test_stuffing_in_slices_is_stuffing_the_whole(data: bytes, places: list[int]) -> None:
    assert sliced(data, places) == stuff(data)


@QUICK
@given(octets)
def test_a_client_that_reads_lines_gets_the_message_back_and_nothing_of_it_ends_the_answer(data: bytes) -> None:
    wire = io.BytesIO(stuff(data) + b"+OK next\r\n")
    got = b""
    while (line := wire.readline()) != b".\r\n":
        got += line[1:] if line.startswith(b".") else line
    assert wire.readline() == b"+OK next\r\n"
    assert got == data + (b"" if data.endswith(b"\r\n") or not data else b"\r\n")


def test_an_ordinary_message_is_stuffed_as_the_rfc_says() -> None:
    assert stuff(b"a\r\n.b\r\n.\r\n") == b"a\r\n..b\r\n..\r\n.\r\n"
    assert stuff(b".") == b"..\r\n.\r\n"
    assert stuff(b"") == b".\r\n"


def reference_top(data: bytes, lines: int) -> bytes:
    head, blank, body = (b"\n" + data).partition(b"\n\r\n")
    if not blank:
        return data
    *ended, rest = body.split(b"\n")
    return (head + blank)[1:] + b"".join(([line + b"\n" for line in ended] + [rest])[:lines])


@QUICK
@given(octets, st.integers(0, 4), cuts)
def test_top_in_slices_is_top_of_the_whole(data: bytes, lines: int, places: list[int]) -> None:
    cutter = TopCutter(lines)
    assert b"".join(cutter.feed(piece) for piece in cut(data, places)) == reference_top(data, lines)


def frame(pieces: list[bytes], limit: int) -> list[bytes | TooLong]:
    framer, found = LineFramer(limit), []
    for piece in pieces:
        framer.feed(piece)
        while (line := framer.next()) is not None:
            found.append(line)
    return found


@QUICK
@given(st.lists(st.sampled_from([b"NOOP", b"\r\n", b"\n", b"\r", b"x" * 9]), max_size=14).map(b"".join), cuts)
def test_lines_are_the_same_however_they_were_cut(data: bytes, places: list[int]) -> None:
    assert frame(cut(data, places), 10) == frame([data], 10) == frame([data[i:i + 1] for i in range(len(data))], 10)


def test_a_line_over_the_limit_is_skipped_to_its_end_and_not_kept() -> None:
    framer = LineFramer(10)
    for _ in range(1000):
        framer.feed(b"x" * 100)
        assert framer.next() is None
        assert len(framer) <= 100
    framer.feed(b"x\r\nNOOP\r\n")
    assert framer.next() is TOO_LONG
    assert framer.next() == b"NOOP"
    assert frame([b"x" * 10 + b"\r\n" + b"y" * 11 + b"\r\n"], 10) == [b"x" * 10, TOO_LONG]
