"""The short way through common messages says what the scanner says, or leaves them to it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.messages import corpus, crlf, lines

from mailframe.mime.atonce import LONGEST, read_at_once
from mailframe.mime.limits import LIMITS
from mailframe.mime.scan import Scanner, scan, scanned

TEXT = lines("Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: quoted-printable", "", "caf=C3=A9", "")
FILE = lines("Content-Type: application/pdf; name=a.pdf", "Content-Transfer-Encoding: base64",
             "Content-Disposition: attachment; filename=a.pdf", "", "QUJD", "")
HEAD = lines("From: Ada <ada@a.example>", "Message-ID: <1@x>", "References: <0@x>", "Subject: s")


def multipart(subtype: str, boundary: str, *parts: bytes, epilogue: bytes = b"") -> bytes:
    begun = lines(f"Content-Type: multipart/{subtype}; boundary=\"{boundary}\"", "")
    bodies = b"".join(b"--%b\r\n%b\r\n" % (boundary.encode(), part) for part in parts)
    return begun + bodies + f"--{boundary}--\r\n".encode() + epilogue


COMMON = [
    HEAD + TEXT, HEAD + lines("", "body"), HEAD + lines(""),
    HEAD + multipart("alternative", "=-a", TEXT, TEXT),
    HEAD + multipart("mixed", "=-m", multipart("alternative", "=-a", TEXT, TEXT), FILE),
    HEAD + multipart("mixed", "=-m", multipart("related", "=-r", multipart("alternative", "=-a", TEXT, TEXT), FILE), FILE,
                     epilogue=b"end"),
    HEAD + multipart("mixed", "m", TEXT, lines("Content-Type: message/rfc822", "") + HEAD + multipart("mixed", "n", TEXT, FILE)),
    HEAD + multipart("digest", "d", lines("") + HEAD + TEXT, lines("") + HEAD + multipart("mixed", "n", TEXT)),
    HEAD + multipart("report", "r", TEXT, lines("Content-Type: message/delivery-status", "", "Final-Recipient: rfc822; a@b", "")),
    HEAD + multipart("mixed", "m", TEXT, FILE).removesuffix(b"--m--\r\n"),
    HEAD + multipart("mixed", "m", TEXT, FILE).removesuffix(b"\r\n"),
    lines("Content-Type: message/rfc822", "") + HEAD + TEXT, multipart("mixed", "m", lines("")),
]


def agrees(octets: bytes) -> bool:
    """Whether it was common; raises where the two ways differ."""
    scanner = Scanner()
    scanner.feed(octets)
    index = scanner.finish()
    found = read_at_once(octets)
    assert found is None or (found[0], found[1]) == (index.parts, scanner.root_fields)
    return found is not None


@pytest.mark.parametrize("octets", COMMON)
def test_common_messages_go_the_short_way(octets: bytes) -> None:
    assert agrees(octets)


@pytest.mark.parametrize("octets", [
    b"", b"\r\nbody", b"\nbody", HEAD, HEAD.replace(b"\r\n", b"\n") + b"\nbody", HEAD + b"\n\r\nbody", COMMON[0].ljust(LONGEST + 1),
    multipart("mixed", ""), multipart("mixed", "m"),
    lines("Content-Type: multipart/mixed; boundary=m", "", "--m--", "--m", "", "x"),
    multipart("mixed", "m", b"Content-Type: text/html"),
    multipart("mixed", "m") + b"--m",
    multipart("mixed", "m", TEXT).removesuffix(b"--m--\r\n") + b"--m", multipart("mixed", "m", multipart("mixed", "m", TEXT)),
    multipart("mixed", "m", multipart("mixed", "m--", TEXT)), multipart("mixed", "m", b"--m" + b" " * LIMITS.delimiter_octets),
    multipart("mixed", "m", TEXT + b"--m" + b" " * LIMITS.delimiter_octets), multipart("mixed", "m" * 501, TEXT),
    lines("Content-Type: message/rfc822", "Content-Transfer-Encoding: base64", "", "QUJD"),
    lines("Content-Type: message/rfc822", "") * LIMITS.depth + HEAD + TEXT, multipart("mixed", "m", *[TEXT] * LIMITS.parts),
])
def test_uncommon_ones_are_left_to_the_scanner(octets: bytes) -> None:
    assert not agrees(octets)
    assert scan(octets) == scanned(octets).finish()


@pytest.mark.parametrize("path", corpus(), ids=[path.name for path in corpus()])
def test_real_messages_and_what_is_left_of_them_after_damage(path: Path) -> None:
    octets, chance = crlf(path.read_bytes()[:LONGEST]), random.Random(path.name)
    agrees(octets)
    for _ in range(3 if octets else 0):
        at, size = chance.randrange(len(octets)), chance.choice((1, 2, 4, 30, 500))
        agrees(octets[:at] + octets[at + size:])
        agrees(octets[:at] + chance.choice((b"\n", b"\r\n\r\n", b"--", octets[:size])) + octets[at:])


# Delimiters, empty lines and types in any order: most are broken, and the more the better.
PIECES = [
    b"--a\r\n", b"--a--\r\n", b"\r\n--b\r\n", b"\r\n--b--\r\n", b"--ab \r\n", b"--ab--", b"\r\n", b"\r\n\r\n", b"\n",
    b"text", b"--", b"From: a@b\r\n",
    b"Content-Type: multipart/mixed; boundary=a\r\n\r\n", b"Content-Type: multipart/digest; boundary=b\r\n\r\n",
    b"Content-Type: multipart/mixed; boundary=ab\r\n\r\n", b"Content-Type: message/rfc822\r\n\r\n", TEXT, FILE,
]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join))
@settings(max_examples=300, deadline=None)
def test_any_order_of_pieces_says_the_same(octets: bytes) -> None:
    agrees(octets)
    agrees(COMMON[4].replace(b"QUJD", octets))


@given(st.sampled_from(COMMON), st.lists(st.tuples(st.integers(0, 900), st.integers(0, 9), st.sampled_from(PIECES)), max_size=3))
@settings(max_examples=300, deadline=None)
def test_common_messages_with_faults_say_the_same(octets: bytes, faults: list[tuple[int, int, bytes]]) -> None:
    for at, size, piece in faults:
        octets = octets[:at] + piece + octets[at + size:]
    agrees(octets)
