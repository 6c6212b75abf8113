"""Content-Type, Content-Disposition, RFC 2231."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailframe.mime import parameters
from mailframe.mime.header import content_type, disposition


@pytest.mark.parametrize(("value", "found"), [
    (b" text/plain", (b"text", b"plain", ())),
    (b" Text/HTML; Charset=UTF-8\r\n", (b"text", b"html", ((b"charset", b"UTF-8"),))),
    (b'multipart/mixed;\r\n\tboundary="a b;\\"c(d)"; x=y', (b"multipart", b"mixed", ((b"boundary", b'a b;"c(d)'), (b"x", b"y")))),
    (b"text/plain (comment; x=y); charset = us-ascii (really)", (b"text", b"plain", ((b"charset", b"us-ascii"),))),
    (b"text / plain ; format=flowed ;; delsp=yes;", (b"text", b"plain", ((b"format", b"flowed"), (b"delsp", b"yes")))),
    (b"application/pdf; name=my file.pdf", (b"application", b"pdf", ((b"name", b"my file.pdf"),))),
    (b'image/png; name="never closed', (b"image", b"png", ((b"name", b"never closed"),))),
    (b'a/b; x="y" junk; z=1', (b"a", b"b", ((b"x", b"y"), (b"z", b"1")))),
    (b"a/b; x=", (b"a", b"b", ((b"x", b""),))),
    (b"a/b; x", (b"a", b"b", ())),
    (b"text", None), (b"", None), (b"/plain", None), (b";charset=x", None),
])
def test_content_types_as_they_come(value: bytes, found: object) -> None:
    assert content_type(value) == found


@pytest.mark.parametrize(("text", "found"), [
    (b"t*0=a; t*1=b; t*2=c", [(b"t", b"abc")]),
    (b"t*1=b; t*0=a", [(b"t", b"ab")]),
    (b"t*=utf-8''a%20b", [(b"t*", b"utf-8''a%20b")]),
    (b"t*0*=utf-8'en'a%20; t*1=\"b c\"; t*2*=%20d", [(b"t*", b"utf-8'en'a%20b%20c%20d")]),
    (b"t*0=a'b; t*1*=%20c", [(b"t*", b"''a%27b%20c")]),
    (b"x=1; t*0=a; y=2; t*1=b", [(b"x", b"1"), (b"t", b"ab"), (b"y", b"2")]),
    (b"t*0=a; t*2=c", [(b"t", b"a"), (b"t*2", b"c")]),
    (b"t*7=c", [(b"t*7", b"c")]),
    (b"t*0=a; t*0=b", [(b"t", b"a")]),
])
def test_rfc2231_pieces_are_joined_and_keep_charset_and_encoding(text: bytes, found: list[tuple[bytes, bytes]]) -> None:
    assert content_type(b"a/b; " + text) == (b"a", b"b", tuple(found))


def test_disposition() -> None:
    assert disposition(b" Attachment; FileName=\"a.pdf\"") == (b"attachment", ((b"filename", b"a.pdf"),))
    assert disposition(b"inline") == (b"inline", ())
    assert disposition(b" ; filename=x") is None
    assert disposition(b"") is None


def test_parameters_are_cut_at_the_limit() -> None:
    found = content_type(b"a/b" + b"; x=y" * 100_000)
    assert found is not None and len(found[2]) == 200
    pieces = content_type(b"a/b" + b"".join(b"; x*%d=y" % number for number in range(100_000)))
    assert pieces is not None and pieces[2] == ((b"x", b"y" * 200),)


PIECES = [b" ", b"a", b"Text", b"/", b";", b"x", b"=", b'"y z"', b'"(b)"', b"(c)", b"*0", b"\r\n ", b"charset=utf-8", b'"', b"\\"]


@given(st.lists(st.sampled_from(PIECES), max_size=8).map(lambda pieces: b"text/plain;" + b"".join(pieces)))
@settings(max_examples=60, deadline=None)
def test_the_short_way_and_the_long_way_agree(value: bytes) -> None:
    for cut in (value, value[4:], value[5:], value.replace(b";", b"", 1)):
        assert content_type(cut) == parameters._any_content_type(cut)


@given(st.binary(max_size=60) | st.text('a/=;"*0\\( \')', max_size=40).map(str.encode))
@settings(max_examples=60, deadline=None)
def test_any_octets_are_a_value(value: bytes) -> None:
    content_type(value)
    content_type(b"a/b;" + value)
    disposition(value)
