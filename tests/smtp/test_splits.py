"""Same octets, any chunking, same result (I4); nothing said inside a message becomes a command (I5)."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.smtpworld import SmtpWorld
from support.smugglers import EVIL, HEAD, SMUGGLERS

from mailframe.smtp.client_data import DotStuffer
from mailframe.smtp.data import ChunkReader, DataReader
from mailframe.smtp.framer import Fault, Framer

line_bits = st.sampled_from([b"\r\n", b"\r", b"\n", b".", b"..", b"a", b"\0", b"\r\n.\r\n", b"NOOP", b"QUIT\r\n", b"\xff", b" "])
wires = st.lists(
    st.sampled_from([
        HEAD, b".\r\n", b"\r\n.\r\n", b"text\r\n", b"RSET\r\n", b"NOOP\r\n", b"XYZZY\r\n", b"MAIL FROM:<b@far.example>\r\n",
        b"DATA\r\n", b"RCPT TO:<c@mx.example>\r\n", b"x" * 2_100, b"AUTH " + b"A" * 3_000 + b"\r\n", *SMUGGLERS,
        HEAD[:-6] + b"BDAT 5\r\n", b"BDAT 12\r\n", b"BDAT 7 LAST\r\n", b"BDAT 0 LAST\r\n", b"BDAT 0\r\n", b"BDAT 4 X\r\n",
        b"BDAT x\r\n",
        b"bdat 3\n", b"BDAT " + b"9" * 3_000 + b"\r\n", HEAD[:-6].replace(b"e>\r\nR", b"e> BODY=BINARYMIME\r\nR") + b"BDAT 9\r\n",
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
    message = b"first" + trick + EVIL
    wire = HEAD + message + b"\r\n.\r\nNOOP\r\n"
    splits = {"whole": [[]], "octets": [list(range(len(wire)))], "every": [[at] for at in range(len(HEAD), len(wire))]}[border]
    for places in splits:
        said, _, seen, begun = run(wire, pieces(wire, places))
        assert begun == 1, "what stands in a message was taken for MAIL"
        assert isinstance(said, bytes) and said.endswith(b"250 2.0.0 Ok\r\n")
        bare = re.search(rb"\r(?!\n)|(?<!\r)\n", message) is not None
        assert (b"550 5.6.11" in said) == bare
        assert len(seen) == (0 if bare else 1)


def taken(wire: bytes, parts: list[bytes], policy: str) -> bytes:
    """What reached the mailbox of one message, and nothing else; b"" where it was refused."""
    world = SmtpWorld(bare_newlines=policy)
    player = world.connect()
    for part in parts:
        player.protocol.dataReceived(part)
    said = player.transport.value()
    player.transport.drop(player.protocol)
    assert len(world.reception.deliveries) == 1, "what stands in a message was taken for MAIL"
    assert said.endswith(b"250 2.0.0 Ok\r\n") and (b"550 5.6.11" in said or world.reception.committed)
    return world.reception.committed[0].octets if world.reception.committed else b""


@pytest.mark.parametrize("trick", SMUGGLERS, ids=repr)
@pytest.mark.parametrize("body", ["7BIT", "BINARYMIME"])
@pytest.mark.parametrize("policy", ["refuse", "normalise"])
def test_nothing_in_a_chunk_is_an_end_or_a_command_wherever_chunks_are_cut(trick: bytes, body: str, policy: str) -> None:
    """I5: the mailbox has what was sent, or nothing; each split into two chunks, each octet by octet as well."""
    message = b"first" + trick + EVIL + b"\r\n.\r\n"
    head = HEAD[:-6].replace(b"\r\nRCPT", b" BODY=" + body.encode() + b"\r\nRCPT")
    bare = body == "7BIT" and re.search(rb"\r(?!\n)|(?<!\r)\n", message) is not None
    wanted = (re.sub(rb"\r\n|\r|\n", b"\r\n", message) if policy == "normalise" else b"") if bare else message
    for cut in (0, 1, *range(4, 16), len(message)):
        wire = head + b"BDAT %d\r\n%bBDAT %d LAST\r\n%bNOOP\r\n" % (cut, message[:cut], len(message) - cut, message[cut:])
        assert taken(wire, [wire], policy) == taken(wire, pieces(wire, list(range(len(wire)))), policy) == wanted


@pytest.mark.parametrize("trick", SMUGGLERS, ids=repr)
@pytest.mark.parametrize("sent", ["DATA, normalised", "BDAT", "BINARYMIME"])
def test_the_next_hop_gets_one_message_as_well(trick: bytes, sent: str) -> None:
    """I5: what was taken goes out by DATA to a server that reads strictly, and to one that takes LF for a line end."""
    message = b"first" + trick + EVIL
    if sent == "DATA, normalised":
        octets = taken(HEAD + message + b"\r\n.\r\nNOOP\r\n", [HEAD + message + b"\r\n.\r\nNOOP\r\n"], "normalise")
    else:
        head = HEAD[:-6].replace(b"\r\nRCPT", (b" BODY=BINARYMIME" if sent == "BINARYMIME" else b"") + b"\r\nRCPT")
        wire = head + b"BDAT %d LAST\r\n%bNOOP\r\n" % (len(message), message)
        octets = taken(wire, [wire], "normalise")
    stuffer = DotStuffer()
    data = stuffer.feed(octets) + stuffer.end()
    assert re.search(rb"\r(?!\n)|(?<!\r)\n", data) is None
    assert data.count(b"\r\n.\r\n") == 1 and data.replace(b"\r\n", b"\n").count(b"\n.\n") == 1
    relayed = taken(HEAD + data + b"NOOP\r\n", [HEAD + data + b"NOOP\r\n"], "refuse")
    assert re.sub(rb"[\r\n]", b"", relayed) == re.sub(rb"[\r\n]", b"", octets)


@settings(max_examples=60, deadline=None)
@given(st.lists(line_bits, max_size=30).map(b"".join), st.lists(st.integers(1, 60), max_size=12), st.booleans())
def test_chunks_are_judged_the_same_however_they_are_cut(data: bytes, places: list[int], repair: bool) -> None:
    reader = ChunkReader(repair=repair)
    octets = b"".join(map(reader.feed, pieces(data, places))) + reader.feed(b"", last=True)
    assert octets == (re.sub(rb"\r\n|\r|\n", b"\r\n", data) if repair else data)
    assert reader.bare_newline == (re.search(rb"\r(?!\n)|(?<!\r)\n", data) is not None)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), line_bits.map(lambda bit: bit * 3)), max_size=12), cuts)
def test_so_many_octets_are_taken_and_then_lines_again(chunks: list[tuple[int, bytes]], places: list[int]) -> None:
    """F1: lines and exact octets by turns."""
    wanted = [(b"line", (bit * 40)[:size]) for size, bit in chunks]
    wire = b"".join(line + b"\r\n" + octets for line, octets in wanted)
    framer, found = Framer(), []
    rest = list(pieces(wire, places))

    def more() -> None:
        framer.feed(rest.pop(0))

    for _, octets in wanted:
        while (line := framer.line()) is None:
            more()
        got = b""
        while len(got) < len(octets):
            if not framer.waiting:
                more()
            got += framer.take(len(octets) - len(got))
        found.append((line, got))
    assert found == wanted and framer.waiting == 0 and framer.take(5) == b""


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
