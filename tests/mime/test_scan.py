"""The one pass over a message: parts, offsets, any cut, any hostility."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.imapread import check_body, read_data
from support.messages import lines

from mailframe.mime.index import Index, Part
from mailframe.mime.limits import LIMITS, MimeLimits
from mailframe.mime.scan import Scanner, scan
from mailframe.mime.structure import render_body, render_bodystructure


def shape(index: Index) -> list[str]:
    """Each part as "depth type/subtype", in order."""
    depth: list[int] = []
    for part in index.parts:
        depth.append(depth[part.parent] + 1 if part.parent >= 0 else 0)
    return [f"{depth[number]} {part.maintype.decode()}/{part.subtype.decode()}" for number, part in enumerate(index.parts)]


def bodies(octets: bytes, limits: MimeLimits = LIMITS) -> list[bytes]:
    """Bodies of the leaves."""
    return [octets[part.body:part.end] for part in scan(octets, limits).parts if not part.is_multipart and not part.is_message]


MIXED = lines("Content-Type: multipart/mixed; boundary=x", "")
TWO = MIXED + lines("preamble", "--x", "", "one", "--x", "Content-Type: text/html", "", "two", "", "--x--", "epilogue")


def test_a_plain_message() -> None:
    (part,) = scan(b"Subject: x\r\n\r\nbody\r\nmore").parts
    assert part == Part(-1, 0, 14, 24, 1)


def test_two_parts_without_preamble_epilogue_and_delimiter_line_ends() -> None:
    index = scan(TWO)
    assert shape(index) == ["0 multipart/mixed", "1 text/plain", "1 text/html"]
    assert bodies(TWO) == [b"one", b"two\r\n"]
    assert [part.lines for part in index.parts[1:]] == [0, 1]
    assert index.size == index.parts[0].end == len(TWO)


def test_lf_only_message() -> None:
    octets = TWO.replace(b"\r\n", b"\n")
    assert bodies(octets) == [b"one", b"two\n"]


def test_missing_final_boundary() -> None:
    assert bodies(MIXED + lines("--x", "", "one", "--x", "", "two")) == [b"one", b"two\r\n"]
    assert bodies(MIXED + lines("--x", "", "one") + b"--x--") == [b"one"]


def test_an_outer_delimiter_ends_inner_multiparts() -> None:
    octets = MIXED + lines("--x", "Content-Type: multipart/alternative; boundary=y", "", "--y", "", "one",
                           "--x", "", "two", "--y", "--x--")
    assert shape(scan(octets)) == ["0 multipart/mixed", "1 multipart/alternative", "2 text/plain", "1 text/plain"]
    assert bodies(octets) == [b"one", b"two\r\n--y"]


@pytest.mark.parametrize(("outer", "inner"), [("x", "xy"), ("xy", "x"), ("x", "x--"), ("x--", "x")])
def test_a_boundary_that_begins_like_another(outer: str, inner: str) -> None:
    octets = lines(f"Content-Type: multipart/mixed; boundary={outer}", "", f"--{outer}",
                   f"Content-Type: multipart/alternative; boundary={inner}", "", f"--{inner}", "", "one", f"--{inner}", "", "two",
                   f"--{inner}--", "", f"--{outer}", "", "three", f"--{outer}--")
    if {outer, inner} == {"x", "x--"}:      # truly ambiguous: it is enough to stay whole
        check_body(read_data(render_bodystructure(scan(octets))), True)
        return
    assert bodies(octets) == [b"one", b"two", b"three"]


def test_delimiters_want_the_whole_line() -> None:
    octets = MIXED + lines("--x \t", "", "one", " --x", "--xx", "--x-", "a--x", "--x --", "--x--")
    assert bodies(octets) == [lines("one", " --x", "--xx", "--x-", "a--x", "--x --").removesuffix(b"\r\n")]


def test_empty_bodies_and_headers_cut_by_a_delimiter() -> None:
    octets = MIXED + lines("--x", "", "--x", "--x", "Content-Type: text/html", "--x", "", "", "--x--")
    index = scan(octets)
    assert shape(index) == ["0 multipart/mixed", "1 text/plain", "1 text/plain", "1 text/html", "1 text/plain"]
    assert bodies(octets) == [b"", b"", b"", b""]
    assert octets[index.parts[3].start:index.parts[3].body] == b"Content-Type: text/html"


def test_without_a_separator_everything_is_header() -> None:
    (part,) = scan(b"Subject: x\r\nno field at all\r\n").parts
    assert (part.body, part.end, part.lines) == (29, 29, 0)


def test_a_message_inside_keeps_its_envelope_and_its_parts() -> None:
    inner = lines("From: a@b", "Subject: inner", "Content-Type: multipart/mixed; boundary=y", "", "--y", "", "deep", "--y--")
    octets = MIXED + lines("--x", "Content-Type: message/rfc822", "") + inner + lines("", "--x--")
    index = scan(octets)
    assert shape(index) == ["0 multipart/mixed", "1 message/rfc822", "2 multipart/mixed", "3 text/plain"]
    assert b'"inner"' in (index.parts[1].envelope or b"")
    assert bodies(octets) == [b"deep"]
    assert octets[index.parts[2].start:index.parts[2].end] == inner


@pytest.mark.parametrize("subtype", ["rfc822", "global"])
def test_a_message_as_the_only_part(subtype: str) -> None:
    octets = lines(f"Content-Type: message/{subtype}", "", "Subject: in", "", "text")
    index = scan(octets)
    assert shape(index) == [f"0 message/{subtype}", "1 text/plain"]
    assert (index.parts[0].lines, index.parts[1].lines) == (3, 1)


@pytest.mark.parametrize("encoding", ["base64", "Quoted-Printable", "x-odd"])
def test_an_encoded_message_is_not_looked_into(encoding: str) -> None:
    octets = lines("Content-Type: message/rfc822", f"Content-Transfer-Encoding: {encoding}", "", "U3ViamVjdDogeA0KDQp5")
    assert shape(scan(octets)) == ["0 message/rfc822", "1 application/octet-stream"]
    check_body(read_data(render_bodystructure(scan(octets))), True)


def test_parts_of_a_digest_are_messages_unless_they_say_otherwise() -> None:
    octets = lines("Content-Type: multipart/digest; boundary=x", "", "--x", "", "Subject: in", "", "text",
                   "--x", "Content-Type: text/plain", "", "y", "--x--")
    assert shape(scan(octets)) == ["0 multipart/digest", "1 message/rfc822", "2 text/plain", "1 text/plain"]


@pytest.mark.parametrize("header", ["boundary=", "", 'boundary=""', "boundary=zzz", "boundary=" + "z" * 600])
def test_a_multipart_without_parts_shows_its_body_as_text(header: str) -> None:
    octets = lines(f"Content-Type: multipart/mixed; {header}", "", "--x", "text", "--")
    index = scan(octets)
    assert shape(index) == ["0 multipart/mixed", "1 text/plain"]
    assert bodies(octets) == [b"--x\r\ntext\r\n--\r\n"]
    assert index.parts[1].lines == 3


def test_header_values_of_a_part() -> None:
    octets = lines("Content-Type: Image/PNG; name=x", "Content-Transfer-Encoding: Base64 (yes)", "Content-ID: <a@b>",
                   "Content-Description: a", " b", "Content-MD5: Q2hlY2s=",
                   "Content-Disposition: inline; filename=y", "Content-Language: en, de (both)",
                   "Content-Location: http://a", " b/c", "Content-Type: text/html", "")
    assert scan(octets).parts == [Part(
        -1, 0, len(octets), len(octets), 0, b"image", b"png", ((b"name", b"x"),), b"base64", b"<a@b>", b"a b", b"Q2hlY2s=",
        (b"inline", ((b"filename", b"y"),)), (b"en", b"de"), b"http://ab/c", None)]


# Any cut, the same answer (I4).

PIECES = [
    b"--a", b"--a--", b"--b", b"--b--", b"--ab", b"\r\n", b"\n", b"\r\n\r\n", b"\r", b" ", b"x", b"-", b"From: a@b\r\n",
    b"Content-Type: multipart/mixed; boundary=a\r\n", b"Content-Type: multipart/digest; boundary=b\r\n",
    b"Content-Type: multipart/mixed; boundary=ab\r\n", b"Content-Type: message/rfc822\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
]
SMALL = MimeLimits(depth=4, parts=6, header_octets=50, delimiter_octets=6)


@given(
    st.lists(st.sampled_from(PIECES), max_size=25).map(b"".join), st.lists(st.integers(1, 9), max_size=60),
    st.sampled_from([LIMITS, SMALL]),
)
@settings(max_examples=60, deadline=None)
def test_any_split_same_index(octets: bytes, cuts: list[int], limits: MimeLimits) -> None:
    whole = scan(octets, limits)
    scanner, at = Scanner(replace(limits, held_octets=0)), 0
    for size in cuts:
        scanner.feed(octets[at:at + size])
        at += size
    scanner.feed(octets[at:])
    assert scanner.finish() == whole
    assert_sound(whole, octets)


def assert_sound(index: Index, octets: bytes) -> None:
    """Parts lie within their parents in order, lines are counted right, packing keeps all, what is rendered is valid."""
    assert index.size == len(octets)
    for number, part in enumerate(index.parts):
        assert 0 <= part.start <= part.body <= part.end <= len(octets)
        assert part.lines == octets.count(b"\n", part.body, part.end)
        assert part.parent < number
        if number:
            parent = index.parts[part.parent]
            assert parent.body <= part.start and part.end <= parent.end
    assert Index.unpack(index.pack()) == index
    check_body(read_data(render_bodystructure(index)), True)
    check_body(read_data(render_body(index)), False)


@given(st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_any_octets_are_a_message(octets: bytes) -> None:
    assert_sound(scan(octets), octets)
    octets = b"Content-Type: multipart/mixed; boundary=-\n\n---\n" + octets
    assert_sound(scan(octets), octets)


@pytest.mark.parametrize("octet_by_octet", [True, False])
def test_long_messages_are_searched_in_slices(octet_by_octet: bool) -> None:
    part = lines("--x", "", "y" * 70) + b"z\r\n" * 30_000
    octets = MIXED + part + part + lines("--x--")
    scanner = Scanner()
    for at in range(0, len(octets), 1 if octet_by_octet else 9_999):
        scanner.feed(octets[at:at + (1 if octet_by_octet else 9_999)])
    index = scanner.finish()
    assert index == scan(octets)
    assert [part.lines for part in index.parts] == [60_000 + 7, 30_000, 30_000]


def test_the_scanner_holds_no_more_than_a_slice_of_a_body() -> None:
    scanner = Scanner()
    scanner.feed(MIXED + lines("--x", ""))
    for _ in range(100):
        scanner.feed(b"-" * 70_000 + b"\r\n--")
        assert len(scanner._buffer) < 2 * LIMITS.held_octets


@pytest.mark.parametrize("chunk", [b"y\n--xx", b"\n--x", b"X: y\n--", b"y" * 60_000, b"--x"])
def test_the_scanner_holds_no_more_than_the_limit_of_a_header(chunk: bytes) -> None:
    limits = MimeLimits(header_octets=10_000, held_octets=1_000)
    scanner = Scanner(limits)
    octets = lines("Content-Type: multipart/mixed; boundary=xx", "", "--xx", "A: b")
    scanner.feed(octets)
    for _ in range(20_000 if len(chunk) < 100 else 10):
        scanner.feed(chunk)
        octets += chunk
        assert len(scanner._buffer) <= limits.header_octets + limits.held_octets + 2 * len(chunk)
    assert scanner.finish() == scan(octets, limits)


# Hostile messages: understood up to a limit, always served.

def test_ten_thousand_nested_multiparts_are_opened_to_the_depth_limit() -> None:
    octets = b"".join(lines(f"Content-Type: multipart/mixed; boundary=b{n}", "", f"--b{n}") for n in range(10_000))
    index = scan(octets)
    assert len(index.parts) == LIMITS.depth + 1         # the last is the text that stands for the rest
    assert_sound(index, octets)


def test_ten_thousand_nested_messages_are_opened_to_the_depth_limit() -> None:
    octets = lines("Content-Type: message/rfc822", "") * 10_000
    index = scan(octets)
    assert len(index.parts) == LIMITS.depth + 1
    assert_sound(index, octets)


def test_a_hundred_thousand_parts_are_told_apart_to_the_limit() -> None:
    octets = MIXED + b"--x\r\n\r\n" * 100_000
    index = scan(octets)
    assert len(index.parts) == LIMITS.parts
    assert index.parts[-1].end == len(octets)
    assert_sound(index, octets)


def test_many_open_multiparts_with_many_parts_stay_within_both_limits() -> None:
    octets = b"".join(
        lines(f"Content-Type: multipart/digest; boundary=b{n % 7}", "", f"--b{n % 7}", "", "", f"--b{n % 5}") for n in range(5_000)
    )
    index = scan(octets)
    assert len(index.parts) <= LIMITS.parts + LIMITS.depth
    assert_sound(index, octets)
    octets = octets.replace(b"\r\n", b"\n")
    assert_sound(scan(octets), octets)


def test_a_hundred_thousand_header_fields_and_parameters_are_cut() -> None:
    octets = b"X: y\r\n" * 100_000 + b"Content-Type: text/html\r\n\r\nbody"
    (part,) = scan(octets).parts
    assert (part.subtype, octets[part.body:part.end]) == (b"plain", b"body")
    octets = b"Content-Type: text/html" + b"; x=y" * 100_000 + b"\r\n\r\nbody"
    (part,) = scan(octets).parts
    assert (part.subtype, len(part.parameters)) == (b"html", LIMITS.parameters)


def test_a_long_header_is_cut_the_same_however_it_comes() -> None:
    octets = b"Subject: x\r\n" + b"X: " + b"y" * 300_000 + b"\r\nContent-Type: text/html\r\n\r\nbody\r\n"
    scanner = Scanner()
    for at in range(0, len(octets), 1_000):
        scanner.feed(octets[at:at + 1_000])
    assert scanner.finish() == scan(octets)
    assert scan(octets).parts[0].subtype == b"plain"
    assert bodies(octets) == [b"body\r\n"]
