"""Same octets, any chunking, same result (I4); nothing said inside a message becomes a command (I5)."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.smtpworld import SmtpWorld

from mailframe.smtp.data import DataReader
from mailframe.smtp.framer import Fault, Framer

HEAD = b"EHLO c.example\r\nMAIL FROM:<a@far.example>\r\nRCPT TO:<bob@mx.example>\r\nDATA\r\n"
SMUGGLERS = [
    b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\r\n.\n", b"\r\n\n.\r\n", b"\r\r\n.\n", b"\n\n.\r\n", b"\r\n\0.\r\n",
    b"\r\n..\r\n", b"\r\n.\r\r\n", b"\r\n. \r\n", b"\n\r.\r\n",
]

line_bits = st.sampled_from([b"\r\n", b"\r", b"\n", b".", b"..", b"a", b"\0", b"\r\n.\r\n", b"NOOP", b"QUIT\r\n", b"\xff", b" "])
wires = st.lists(
    st.sampled_from([
        HEAD, b".\r\n", b"\r\n.\r\n", b"text\r\n", b"RSET\r\n", b"NOOP\r\n", b"XYZZY\r\n", b"MAIL FROM:<b@far.example>\r\n",
        b"DATA\r\n", b"RCPT TO:<c@mx.example>\r\n", b"x" * 2_100, b"AUTH " + b"A" * 3_000 + b"\r\n", *SMUGGLERS,
    ]) | line_bits, max_size=14,
).map(b"".join)
cuts = st.lists(st.integers(1, 9_000), max_size=12)


def pieces(wire: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place for place in set(places) if place < len(wire)), len(wire)]
    return [wire[low:high] for low, high in pairwise(edges)]


def run(wire: bytes, parts: list[bytes]) -> tuple[object, ...]:
    world = SmtpWorld(max_errors=1_000)
    player = world.connect()
    for part in parts:
        if not player.transport.lost:
            player.protocol.dataReceived(part)
            player.transport.settle(player.protocol)
    said = player.transport.value()
    seen = [(delivery.octets, delivery.recipients) for delivery in world.reception.committed]
    ended = player.transport.lost
    if not ended:
        player.transport.drop(player.protocol)
    assert world.clock.getDelayedCalls() == []
    return said, ended, seen, len(world.reception.deliveries)


@settings(max_examples=60, deadline=None)
@given(wires, cuts)
def test_a_conversation_goes_the_same_way_however_it_is_cut(wire: bytes, places: list[int]) -> None:
    assert run(wire, pieces(wire, places)) == run(wire, [wire])


@settings(max_examples=30, deadline=None)
@given(wires)
def test_octet_by_octet_is_the_same_conversation(wire: bytes) -> None:
    assert run(wire, pieces(wire, list(range(len(wire))))) == run(wire, [wire])


@pytest.mark.parametrize("trick", SMUGGLERS, ids=repr)
@pytest.mark.parametrize("border", ["whole", "octets", "every"])
def test_a_smuggled_end_is_never_an_end(trick: bytes, border: str) -> None:
    message = b"first" + trick + b"MAIL FROM:<root@mx.example>\r\nRCPT TO:<victim@mx.example>\r\nDATA\r\nevil"
    wire = HEAD + message + b"\r\n.\r\nNOOP\r\n"
    splits = {"whole": [[]], "octets": [list(range(len(wire)))], "every": [[at] for at in range(len(HEAD), len(wire))]}[border]
    for places in splits:
        said, _, seen, begun = run(wire, pieces(wire, places))
        assert begun == 1, "what stands in a message was taken for MAIL"
        assert isinstance(said, bytes) and said.endswith(b"250 2.0.0 Ok\r\n")
        bare = re.search(rb"\r(?!\n)|(?<!\r)\n", message) is not None
        assert (b"554 5.6.11" in said) == bare
        assert len(seen) == (0 if bare else 1)


def reference(data: bytes) -> tuple[bytes, bytes, bool]:
    """RFC 5321 section 4.5.2, slowly."""
    whole = b"\r\n" + data
    end = whole.find(b"\r\n.\r\n")
    assert end >= 0
    body, rest = whole[:end + 2], whole[end + 5:]
    lines = [line[1:] if line[:1] == b"." else line for line in body.split(b"\r\n")]
    return b"\r\n".join(lines)[2:], rest, re.search(rb"\r(?!\n)|(?<!\r)\n", body) is not None


@settings(max_examples=60, deadline=None)
@given(st.lists(line_bits, max_size=30).map(b"".join), st.lists(st.integers(1, 60), max_size=12))
def test_the_reader_agrees_with_the_rfc(data: bytes, places: list[int]) -> None:
    data += b"\r\n.\r\nrest"
    reader = DataReader()
    octets, rest = b"", b""
    for part in pieces(data, places):
        if reader.done:
            rest += part
        else:
            more, rest = reader.feed(part)
            octets += more
    assert (octets, rest, reader.bare_newline) == reference(data)


@settings(max_examples=60, deadline=None)
@given(st.lists(line_bits, max_size=30).map(b"".join), st.lists(st.integers(1, 60), max_size=12))
def test_repair_leaves_no_bare_newline_and_loses_no_text(data: bytes, places: list[int]) -> None:
    data += b"\r\n.\r\n"
    reader, octets = DataReader(repair=True), b""
    for part in pieces(data, places):
        if not reader.done:
            octets += reader.feed(part)[0]
    assert re.search(rb"\r(?!\n)|(?<!\r)\n", octets) is None
    assert re.sub(rb"[\r\n]", b"", octets) == re.sub(rb"[\r\n]", b"", reference(data)[0])


@settings(max_examples=60, deadline=None)
@given(st.lists(line_bits | st.just(b"y" * 700) | st.just(b"AUTH "), max_size=30).map(b"".join), cuts)
def test_lines_are_the_same_however_they_are_cut(wire: bytes, places: list[int]) -> None:
    def lines(parts: list[bytes]) -> list[bytes | Fault]:
        framer, found = Framer(), []
        for part in parts:
            framer.feed(part)
            while (line := framer.line()) is not None:
                found.append(line)
        return found
    assert lines(pieces(wire, places)) == lines([wire])


def test_a_line_without_end_takes_no_memory() -> None:
    framer = Framer()
    for _ in range(1_000):
        framer.feed(b"x" * 10_000)
        assert framer.line() is None and framer.waiting <= 10_000
    framer.feed(b"\r\nNOOP\r\n")
    assert framer.line() is Fault.TOO_LONG and framer.line() == b"NOOP"
