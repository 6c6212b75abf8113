"""The framer: same octets, any chunking, same commands (I4); limits that hold; nothing of a refused literal is a command."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from mailframe.imap.cursor import BadSyntax, Cursor
from mailframe.imap.framer import Continue, Event, Framer, Limits, Rejected, Stream, Whole

SMALL = Limits(60, 200)


def append_streams(text: bytes) -> bool:
    if b"BROKEN" in text:
        raise BadSyntax("broken")
    return b" APPEND " in text


def heard(pieces: list[bytes], limits: Limits = SMALL) -> list[Event | bytes]:
    """All events, and streamed octets as bytes; neighbouring ones joined, since their cut is the network's."""
    framer = Framer(limits, append_streams)
    found: list[Event | bytes] = []
    streaming = False
    for piece in pieces:
        framer.feed(piece)
        while True:
            if streaming:
                octets = framer.streamed()
                if octets is None:
                    break
                if octets:
                    if isinstance(found[-1], bytes):
                        octets = found.pop() + octets  # type: ignore[operator]
                    found.append(octets)
                    continue
                streaming = False
                framer.resume()
            event = framer.next()
            if event is None:
                break
            found.append(event)
            if isinstance(event, Stream):
                framer.accept()
                streaming = True
    return found


def whole(*pieces: bytes) -> list[bytes]:
    return [event.data for event in heard(list(pieces)) if isinstance(event, Whole)]


def test_pipelined_commands_come_one_by_one() -> None:
    assert whole(b"a NOOP\r\nb NOOP\r\nc NO") == [b"a NOOP", b"b NOOP"]


def test_a_literal_stays_inside_its_command_and_its_octets_are_no_command() -> None:
    assert heard([b"a LOGIN {6}\r\n", b"x\r\nb N {3+}\r\nfoo\r\n"]) == [Continue(), Whole(b"a LOGIN {6}\r\nx\r\nb N {3+}\r\nfoo")]


def test_a_lone_lf_ends_a_line_for_people_at_a_terminal() -> None:
    event, = [event for event in heard([b"a LOGIN {3+}\nfoo bar\n"]) if isinstance(event, Whole)]
    cursor = Cursor(event.data, 8)
    assert cursor.string() == b"foo"


def test_a_line_too_long_is_refused_once_and_the_next_command_is_heard() -> None:
    assert heard([b"a " + b"x" * 100 + b"\r\nb NOOP\r\n"]) == [
        Rejected(b"a", "Line too long"), Whole(b"b NOOP")]


def test_a_waiting_literal_too_big_is_refused_without_a_continuation() -> None:
    assert heard([b"a LOGIN {9999999999}\r\n", b"b NOOP\r\n"]) == [
        Rejected(b"a", "Literal too big", True), Whole(b"b NOOP")]


def test_a_literal_too_big_that_comes_anyway_is_passed_over_with_the_rest_of_its_command() -> None:
    wire = b"a LOGIN {300+}\r\n" + b"z LOGOUT\r\n" * 30 + b" {10+}\r\n0123456789 foo\r\nb NOOP\r\n"
    found = heard([wire])
    assert isinstance(found[0], Rejected)
    assert found[1:] == [Whole(b"b NOOP")]


def test_a_literal_behind_a_line_too_long_is_no_command() -> None:
    wire = b"a " + b"x" * 100 + b" {10+}\r\nz LOGOUT\r\n\r\nb NOOP\r\n"
    assert heard([wire])[1:] == [Whole(b"b NOOP")]


def test_literals_add_up_to_the_budget() -> None:
    literal = b" {100+}\r\n" + b"x" * 100
    assert any(isinstance(event, Rejected) for event in heard([b"a X" + literal + literal + b"\r\n"]))


def test_a_message_streams_and_what_follows_is_an_event_of_its_own() -> None:
    assert heard([b"a APPEND INBOX {5+}\r\nhello {3+}\r\nbye\r\nb NOOP\r\n"]) == [
        Stream(b"a APPEND INBOX ", 5, False), b"hello", Stream(b" ", 3, False), b"bye", Whole(b""), Whole(b"b NOOP")]


def test_an_abandoned_message_is_passed_over_whether_it_waits_or_not() -> None:
    for mark, rest in ((b"{5+}", b"b LO\n foo\r\n"), (b"{5}", b"")):
        framer = Framer(SMALL, append_streams)
        framer.feed(b"a APPEND INBOX " + mark + b"\r\n")
        assert isinstance(framer.next(), Stream)
        framer.abandon()
        framer.feed(rest + b"c NOOP\r\n")
        assert framer.next() == Whole(b"c NOOP")


def test_a_broken_append_is_refused_before_its_message_comes() -> None:
    assert heard([b"a BROKEN APPEND {9}\r\n", b"b NOOP\r\n"]) == [
        Rejected(b"a", "broken"), Whole(b"b NOOP")]


PIECES = st.sampled_from([
    b"a NOOP\r\n", b"b LOGIN {4+}\r\nx\r\ny foo\r\n", b"c X {3}\r\nabc {0+}\r\n\r\n",
    b"d " + b"x" * 59 + b"\r\n", b"e " + b"y" * 58 + b"\r\n",
    b"f X {500+}\r\n" + b"q" * 500 + b" {5+}\r\n12345\r\n", b"g X {500}\r\n",
    b"h APPEND I {7+}\r\nwo\r\nrld\r\n", b"i APPEND I {2+}\r\nhi {2+}\r\nho\r\n",
    b"\r\n", b"\n", b"{\r\n", b"}\r\n", b"j {1}x}\r\n", b"k BROKEN {3+}\r\nabc\r\n", b"l X\n",
    b"m " + b"z" * 200 + b" {4+}\r\nn X\n\r\n", b"\0\xff\r\n",
])


@settings(max_examples=60, deadline=None)
@given(st.lists(PIECES, max_size=6), st.lists(st.integers(0, 2_000), max_size=8))
def test_any_split_same_answer(pieces: list[bytes], cuts: list[int]) -> None:
    """I4."""
    wire = b"".join(pieces)
    edges = sorted({0, *(cut for cut in cuts if cut < len(wire)), len(wire)})
    chunks = [wire[start:stop] for start, stop in pairwise(edges)]
    expected = heard([wire])
    assert heard(chunks) == expected
    assert heard([wire[place:place + 1] for place in range(len(wire))]) == expected


def test_giant_input_without_an_end_costs_no_memory() -> None:
    framer = Framer(SMALL, append_streams)
    for _ in range(100):
        framer.feed(b"x" * 10_000)
        framer.next()
    assert framer.buffered < 11_000
