"""Text of messages for searching."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.messages import lines

from mailframe.mime.casemap import fold
from mailframe.mime.scan import scan
from mailframe.mime.searchtext import search_text
from mailframe.mime.text import decode_body, received_count, strip_markup


@pytest.mark.parametrize(("octets", "encoding", "charset", "text"), [
    (b"caf=C3=A9=\r\n!\r\n", b"quoted-printable", b"utf-8", "café!\n"),
    (b"caf=E9 =XY=", b"Quoted-Printable", b"iso-8859-1", "café =XY"),
    (b"R3LDvMOf\r\nZQ==\r\n", b"base64", b"utf-8", "Grüße"),
    (b"R3LDvMOfZQ==\r\ntrailing words", b"base64", b"utf-8", "Grüße"),
    (b"\x1b$B$3$s\x1b(B", b"7bit", b"ISO-2022-JP", "こん"),
    (b"\xa4\xa4", b"8bit", b"big5", "中"),
    (b"caf\xe9", b"8bit", b"no-such-charset", "café"), (b"caf\xc3\xa9", b"", b"us-ascii", "café"),
    (b"caf\xc3\xa9 caf\xe9", b"8bit", b"utf-8", "café café"),
    (b"a\r\nb", b"x-unknown", b"", "a\nb"),
    (b"begin 644 x\r\n#0V%T\r\n`\r\nend\r\n", b"x-uuencode", b"", "Cat"), (b"no begin", b"x-uuencode", b"", "no begin"),
])
def test_bodies_are_decoded_tolerantly(octets: bytes, encoding: bytes, charset: bytes, text: str) -> None:
    assert decode_body(octets, encoding, charset) == text


ENCODINGS = [b"base64", b"quoted-printable", b"x-uuencode", b"?"]


@given(st.binary(max_size=60), st.sampled_from(ENCODINGS), st.sampled_from(["utf-7", "hz", "base64", "\0"]))
@settings(max_examples=60, deadline=None)
def test_decoding_never_raises(octets: bytes, encoding: bytes, charset: str) -> None:
    decode_body(octets, encoding, charset)
    decode_body(b"begin 1\n" + octets, encoding, charset)


def test_markup_goes_and_words_stay_words() -> None:
    html = "<style>p{}</style><script>var x='<p>'</script><!-- <b>no</b> -->"
    html += "<td>W<b>or</b>d</td><td>two</td> 1 &lt; 2 &amp;&#33; a < b &nosuch;"
    assert strip_markup(html).split() == ["Word", "two", "1", "<", "2", "&!", "a", "<", "b", "&nosuch;"]
    assert strip_markup("<p><a") == " <a"


@pytest.mark.parametrize("html", [
    "<" * 300_000, "<!--" * 50_000, "<script>" * 30_000, "<style>" + "</style " * 30_000, "&a" * 100_000,
])
def test_hostile_markup_is_taken_in_one_pass(html: str) -> None:
    assert len(strip_markup(html)) <= len(html)


MESSAGE = lines(
    "Subject: =?utf-8?q?GR=C3=9CSSE?=", "From: Jo", " Doe <j@e>", "Content-Type: multipart/mixed; boundary=x", "", "PREAMBLE",
    "--x", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: base64", "", base64.b64encode("Straße".encode()),
    "--x", "Content-Type: text/html", "", "<p>Some<b>Thing</b></p>",
    "--x", "Content-Type: image/png", "", "PICTURE",
    "--x", "Content-Type: message/rfc822", "", "Subject: Inner", "", "DEEP", "--x--",
)


def test_header_and_body_of_a_message_decoded_and_folded() -> None:
    header, body = search_text(MESSAGE, None)
    assert header.startswith(fold("Subject: Grüsse\nFrom: Jo Doe <j@e>\n"))
    for word in ("Straße", "something", "subject: inner", "deep"):
        assert fold(word) in body
        assert fold(word) not in header
    assert "PREAMBLE" not in body and "PICTURE" not in body and "<p>" not in body
    assert search_text(MESSAGE, scan(MESSAGE)) == (header, body)


@given(st.binary(max_size=120))
@settings(max_examples=60, deadline=None)
def test_any_octets_can_be_searched(octets: bytes) -> None:
    search_text(octets)
    search_text(b"Content-Type: text/html; charset=utf-7\r\n\r\n" + octets)


def test_hops_are_counted() -> None:
    assert received_count(lines("Received: a", " Received: folded", "RECEIVED : b", "X-Received: c", "received: d", "")) == 3
    assert received_count(b"") == 0
