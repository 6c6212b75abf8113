"""A preview seen at a first glance is the one that all of the beginning would give."""

from __future__ import annotations

import sys

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailframe.mime import preview as room
from mailframe.mime.charset import beginning, decode
from mailframe.mime.index import Part
from mailframe.mime.preview import CHARACTERS, PLAIN_OCTETS, candidates, preview, preview_of
from mailframe.mime.scan import scan

WORDS = ["word ", "and another one ", "Grüße ", "=C3=A4", "=\r\n", "\r\n", " \r\n", "> quoted\r\n", "\u034f", "\u200b", "\t", "\0",
         "ab" * 50]
BODIES = st.lists(st.sampled_from(WORDS), min_size=20, max_size=120).map("".join)
CHARSETS = st.sampled_from([
    b"", b"utf-8", b"us-ascii", b"iso-8859-1", b"windows-1252", b"utf-7", b"utf-16", b"iso-2022-jp", b"nonsense",
])
ENCODINGS = st.sampled_from([b"7bit", b"8bit", b"quoted-printable", b"base64", b"nonsense"])
PLAIN = "plain words of a letter " * 60


def at_length(body: bytes, part: Part) -> str:
    """`preview_of` without the glance."""
    glance = room._glance
    room._glance = lambda body, part: None
    try:
        return preview_of(body, part)
    finally:
        room._glance = glance


@given(BODIES, st.sampled_from(["utf-8", "cp1252"]), CHARSETS, ENCODINGS)
@settings(max_examples=400, deadline=None)
@example(PLAIN, "utf-8", b"utf-8", b"7bit")
@example(PLAIN.replace("letter ", "letter\r\n") + "\u034f\u200b", "utf-8", b"utf-8", b"quoted-printable")
def test_a_glance_says_the_same(body: str, written: str, charset: bytes, encoding: bytes) -> None:
    octets = body.encode(written, "replace")
    part = Part(-1, 0, 0, len(octets), 0, b"text", b"plain", ((b"charset", charset),), encoding)
    octets = octets[:PLAIN_OCTETS]
    assert preview_of(octets, part) == at_length(octets, part)


def test_a_glance_is_enough_for_plain_text() -> None:
    octets = PLAIN.encode()[:PLAIN_OCTETS]
    part = Part(-1, 0, 0, len(octets))
    found = room._glance(octets, part)
    assert found is not None and CHARACTERS < len(found) < len(PLAIN_OCTETS * " ")
    assert preview_of(octets, part) == ("plain words of a letter " * 8 + "plain").rstrip() == at_length(octets, part)


def test_what_is_printable_and_yet_unseen_is_known() -> None:
    signs = map(chr, range(sys.maxunicode + 1))
    assert [sign for sign in signs if sign.isprintable() and room._UNSEEN.match(sign)] == [" ", "\u034f"]


@given(st.binary(max_size=30), st.binary(max_size=30), CHARSETS | st.sampled_from([b"koi8-r", b"windows-1251", b"iso-8859-15"]))
@settings(max_examples=300, deadline=None)
def test_a_beginning_stays_whatever_follows(octets: bytes, more: bytes, charset: bytes) -> None:
    text = beginning(octets, charset)
    assert text is None or decode(octets + more, charset).startswith(text)


def test_plain_parts_come_before_others_and_five_are_enough() -> None:
    kinds = [b"html", b"plain", b"html", b"plain", b"html", b"html", b"html"]
    message = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"".join(
        b"--x\r\nContent-Type: text/%b\r\n\r\n%d\r\n" % (kind, number) for number, kind in enumerate(kinds)) + b"--x--\r\n"
    found = [message[part.body:part.end] for part in candidates(scan(message))]
    assert found == [b"1", b"3", b"0", b"2", b"4"]
    assert preview(message, scan(message)) == "1"
