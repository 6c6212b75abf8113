"""BODYSTRUCTURE and BODY to the octet (RFC 3501 section 7.4.2), the packed index, attributes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.imapread import check_body, check_envelope, read_data
from support.messages import lines

from mailframe.mime import attributes as room
from mailframe.mime.attributes import attributes, attributes_of, from_scan, rendered_preview
from mailframe.mime.header import split_header
from mailframe.mime.index import Index, Part
from mailframe.mime.scan import Scanner, scan, scanned
from mailframe.mime.structure import render_body, render_bodystructure


def both(*texts: str) -> tuple[bytes, bytes]:
    index = scan(lines(*texts))
    return render_bodystructure(index), render_body(index)


def test_a_simple_text() -> None:
    structure, body = both("Content-Type: TEXT/PLAIN; CHARSET=US-ASCII", "", "a", "b")
    assert body == b'("text" "plain" ("charset" "US-ASCII") NIL NIL "7bit" 6 2)'
    assert structure == b'("text" "plain" ("charset" "US-ASCII") NIL NIL "7bit" 6 2 NIL NIL NIL NIL)'


def test_no_content_type_is_us_ascii_text_and_one_without_charset_shows_none() -> None:
    assert both("", "a")[1] == b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 3 1)'
    assert both("Content-Type: nonsense", "", "a")[1] == b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 3 1)'
    assert both("Content-Type: text/plain", "", "a")[1] == b'("text" "plain" NIL NIL NIL "7bit" 3 1)'


def test_a_part_with_everything() -> None:
    structure, body = both(
        'Content-Type: image/png; name="a \\"b\\".png"', "Content-Transfer-Encoding: base64", "Content-ID: <i@d>",
        "Content-Description: desc", "Content-MD5: md5==", "Content-Disposition: attachment; filename*=utf-8''%c3%a4",
        "Content-Language: en, de", "Content-Location: x/y", "", "AAAA",
    )
    assert body == b'("image" "png" ("name" "a \\"b\\".png") "<i@d>" "desc" "base64" 6)'
    assert structure == body[:-1] + b' "md5==" ("attachment" ("filename*" "utf-8\'\'%c3%a4")) ("en" "de") "x/y")'


def test_a_multipart_with_disposition_and_language() -> None:
    structure, body = both(
        "Content-Type: multipart/alternative; boundary=x", "Content-Disposition: inline", "Content-Language: fi", "",
        "--x", "", "a", "--x", "Content-Type: text/html", "", "b", "--x--",
    )
    inner = b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 1 0%b)("text" "html" NIL NIL NIL "7bit" 1 0%b)'
    assert body == b"(" + inner % (b"", b"") + b' "alternative")'
    assert structure == (b"(" + inner % (b" NIL NIL NIL NIL", b" NIL NIL NIL NIL")
                         + b' "alternative" ("boundary" "x") ("inline" NIL) ("fi") NIL)')


def test_a_message_inside_has_envelope_body_and_lines() -> None:
    structure, body = both("Content-Type: message/rfc822", "", "Subject: in", "From: a@b", "", "text")
    sender = b'((NIL NIL "a" "b"))'
    envelope = b'(NIL "in" %b %b %b NIL NIL NIL NIL NIL)' % (sender, sender, sender)
    inner = b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 6 1%b)'
    assert body == b'("message" "rfc822" NIL NIL NIL "7bit" 32 %b %b 4)' % (envelope, inner % b"")
    none = b" NIL NIL NIL NIL"
    assert structure == b'("message" "rfc822" NIL NIL NIL "7bit" 32 %b %b 4%b)' % (envelope, inner % none, none)


def test_an_empty_multipart_has_one_empty_text() -> None:
    _, body = both("Content-Type: multipart/mixed; boundary=x", "", "--x--")
    assert body == b'(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 7 1) "mixed")'
    _, body = both("Content-Type: multipart/mixed", "")
    assert body == b'(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0) "mixed")'


def test_raw_octets_in_parameters_are_literals() -> None:
    structure = render_bodystructure(scan(b"Content-Type: text/plain; name=\"caf\xe9\"\r\n\r\n"))
    assert b'("name" {4}\r\ncaf\xe9)' in structure
    check_body(read_data(structure), True)


CONTENT = lines("Subject: s", "Content-Type: multipart/mixed; boundary=x", "",
                "--x", "Content-Type: message/rfc822", "", "From: a@b", "", "t", "--x--")


@pytest.mark.parametrize("content", [CONTENT, b"", b"\r\nbody", b"body", b"Subject: x\r\n", b" folded\r\n\r\nbody"])
@pytest.mark.parametrize("head", [b"", b"Return-Path: <a@b>\r\nReceived: from x\r\n\tby y; now\r\n"])
def test_attributes_of_head_and_content_are_those_of_the_whole(content: bytes, head: bytes) -> None:
    words = rendered_preview(content, scan(content))
    known = from_scan(scan(content), content[:split_header(content)], head, preview=words)
    assert known == attributes(head + content)
    read = scanned(content)
    assert from_scan(read.finish(), content[:split_header(content)], head, read.root_fields, words) == known
    assert known.version == room.VERSION
    assert Index.unpack(known.index) == scan(head + content)
    check_envelope(read_data(known.envelope))


def test_attributes_of_a_message_read_in_pieces_are_those_of_the_whole() -> None:
    scanner = Scanner()
    for at in range(0, len(CONTENT), 7):
        scanner.feed(CONTENT[at:at + 7])
    assert attributes_of(scanner, CONTENT) == attributes(CONTENT)


def test_an_ordinary_packed_index_is_small() -> None:
    assert len(scan(lines("Subject: x", "", "body")).pack()) < 70


SHORT = st.binary(max_size=5)
PAIRS = st.lists(st.tuples(SHORT, SHORT), max_size=3).map(tuple)
NUMBER = st.integers(0, 1 << 40) | st.integers(0, 9)


@given(st.lists(st.builds(
    Part, st.integers(-1, 9), NUMBER, NUMBER, NUMBER, NUMBER, SHORT, SHORT, PAIRS, SHORT, st.none() | SHORT, st.none() | SHORT,
    st.none() | SHORT, st.none() | st.tuples(SHORT, PAIRS), st.lists(SHORT, max_size=2).map(tuple), st.none() | SHORT,
    st.none() | SHORT,
), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_what_is_packed_is_unpacked(parts: list[Part]) -> None:
    assert Index.unpack(Index(parts).pack()) == Index(parts)


@pytest.mark.parametrize("packed", [b"", b"H", b"H\1\0\0\0", b"H\2\0\0\0\1\0\1\0", b"X\1\0\0\0\1\0", b"H\xff\xff\xff\xff\1\0"])
def test_what_was_never_packed_is_refused(packed: bytes) -> None:
    with pytest.raises(ValueError, match="not a packed MIME index"):
        Index.unpack(packed)
