"""Whole conversations: the same octets get the same answers, wherever the network cuts them (I4)."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from support.imap_world import World

SAID = (
    b"a CAPABILITY\r\n", b"b NOOP\r\n", b'c LIST "" (*) RETURN (STATUS (MESSAGES UIDNEXT))\r\n', b"d SELECT {5}\r\nINBOX\r\n",
    b"e APPEND INBOX (\\Seen) {11+}\r\nz LOGOUT\r\nx (kw) {2+}\r\nyz\r\n", b"f APPEND INBOX {3}\r\nabc\r\n", b"g IDLE\r\nDONE\r\n",
    b"h APPEND Nowhere {9+}\r\nz LOGOUT\r\n\r\n", b"i FETCH 1:* (UID FLAGS BODY.PEEK[])\r\n", b"j BOGUS {4+}\r\nfoo\n\r\n", b"\r\n",
    b"k STORE 1 +FLAGS (\\Deleted)\r\n", b"l EXPUNGE\r\n", b"m SEARCH TEXT {2+}\r\nyz\r\n",
    b"n CREATE {70000+}\r\n" + b"z LOGOUT\r\n" * 7_000 + b"\r\n",
    b"t APPEND INBOX CATENATE (TEXT {10+}\r\nz LOGOUT\r\n URL {13+}\r\n/INBOX/;UID=1 TEXT ~{1}\r\n\0)"
    b" CATENATE (URL {3}\r\n;x))\r\n",
    b'u APPEND INBOX CATENATE (URL "/INBOX/;UID=1/;SECTION=HEADER" TEXT {2}\r\nhi UTF8 (~{1+}\r\n.))\r\n',
    b'v REPLACE 1 INBOX CATENATE (TEXT {2}\r\nhi URL ";UID=1")\r\n', b"w UID REPLACE * INBOX {3+}\r\na\0b {2+}\r\nxy\r\n",
    b"x REPLACE 1 {5+}\r\nINBOX (\\Seen) {11+}\r\nz LOGOUT\r\nx\r\n",
    b"o LOGIN a b\r\n", b"p UID FETCH 1:* FLAGS\r\n", b"q " + b"x" * 70_000 + b"\r\n", b"r UNSELECT\r\n", b"s IDLE\r\nnonsense\r\n",
)


def answers(pieces: list[bytes]) -> bytes:
    world = World()
    client = world.connect()
    for piece in pieces:
        client.send(piece)
        world.clock.pump([0] * 3)
    world.clock.pump([0] * 10)
    heard = client.transcript
    world.close()
    return heard


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(SAID), max_size=8), st.lists(st.integers(1, 400), max_size=40))
def test_any_split_same_answer(said: list[bytes], sizes: list[int]) -> None:
    wire = b"l LOGIN alice {6+}\r\nsecret\r\n" + b"".join(said) + b"z LOGOUT\r\n"
    expected = answers([wire])
    assert expected.endswith(b"z OK LOGOUT completed\r\n")
    edges = [0]
    for size in sizes:
        edges.append(edges[-1] + size)
    edges = [edge for edge in edges if edge < len(wire)] + [len(wire)]
    assert answers([wire[start:stop] for start, stop in pairwise(edges)]) == expected


def test_byte_by_byte() -> None:
    wire = b"l LOGIN alice {6+}\r\nsecret\r\n" + b"".join(octets for octets in SAID if len(octets) < 1_000) + b"z LOGOUT\r\n"
    assert answers([wire[place:place + 1] for place in range(len(wire))]) == answers([wire])
