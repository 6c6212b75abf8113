"""IMAP URLs: what names a message is read as RFC 5092 writes it, and anything else is refused with a sentence."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailframe.imap.append.url import TO_THE_END, MessageUrl, NotOfThisKind, Server, parse, parse_authorized, told

GOOD = {
    b"/INBOX/;UID=20": MessageUrl(20, "INBOX"),
    b"/inbox/;uid=20": MessageUrl(20, "INBOX"),
    b"/Drafts;UIDVALIDITY=385759045/;UID=20/;SECTION=HEADER": MessageUrl(20, "Drafts", None, 385759045, b"HEADER"),
    b";UID=20/;section=1.2": MessageUrl(20, section=b"1.2"),
    b";UID=20/;PARTIAL=0.1024": MessageUrl(20, partial=(0, 1024)),
    b";UID=20/;PARTIAL=7": MessageUrl(20, partial=(7, TO_THE_END)),
    b"/a/b%2Fc/d/;UID=1/;SECTION=1.MIME/;PARTIAL=1.2": MessageUrl(1, "a/b/c/d", section=b"1.MIME", partial=(1, 2)),
    b"/%E6%9B%B8%3Bx/;UID=1": MessageUrl(1, "書;x"),
    b"/a+b&c=d:e@f/;UID=1": MessageUrl(1, "a+b&c=d:e@f"),
    b"/%2E%2E/;UID=1": MessageUrl(1, ".."),
    b"/x/;UID=1/;SECTION=HEADER.FIELDS%20(DATE%20FROM)": MessageUrl(1, "x", section=b"HEADER.FIELDS (DATE FROM)"),
    b"imap://host/x/;UID=1": MessageUrl(1, "x", Server("host")),
    b"IMAP://Michael@Mail.Example.ORG:1143/x/;UID=1": MessageUrl(1, "x", Server("mail.example.org", "Michael", 1143)),
    b"imap://m%40x;AUTH=*@host/x/;UID=1": MessageUrl(1, "x", Server("host", "m@x")),
    b"imap://;AUTH=GSSAPI@host/x/;UID=1": MessageUrl(1, "x", Server("host")),
    b"//[2001:db8::1]:993/x/;UID=4294967295": MessageUrl(4294967295, "x", Server("[2001:db8::1]", None, 993)),
}
BAD = (
    b"", b"/", b"/INBOX", b"INBOX/;UID=1", b"/INBOX;UID=1", b"/INBOX/;UID=0", b"/INBOX/;UID=4294967296", b"/INBOX/;UID=-1",
    b"/INBOX/;UID=1/", b"/INBOX/;UID=1;SECTION=1", b"/INBOX/;UID=1/;SECTION=", b"/INBOX/;UID=1/;PARTIAL=1.0", b"/;UID=1",
    b"/INBOX/;UID=1/;PARTIAL=.5", b"/INBOX/;UID=1/;PARTIAL=9999999999999999999", b"/INBOX;UIDVALIDITY=0/;UID=1",
    b"/INBOX/;UID=1/;PARTIAL=1/;SECTION=1", b"/a/./b/;UID=1", b"/../;UID=1", b"/a b/;UID=1", b"/a%/;UID=1", b"/a%2/;UID=1",
    b"/%FF/;UID=1", b"/\xc3\xb6/;UID=1", b"/a\0/;UID=1", b"/a\r\n/;UID=1", b"imap:/a/;UID=1", b"imap://host", b"imap://host/",
    b"imap:///x/;UID=1", b"imap://@host/;UID=1", b"imap://a:b@host/x/;UID=1", b"imap://host:x/x/;UID=1", b"imaps://host/x/;UID=1",
    b"http://host/x/;UID=1", b"/INBOX?SUBJECT%20x", b"/INBOX/;UID=1?x", b"/INBOX/;UID=1#x", b"/" + b"x" * 8_190 + b"/;UID=1",
)
CHARACTERS = st.sampled_from([
    b"/", b";", b"UID=", b"1", b"0", b"SECTION=", b"PARTIAL=", b"UIDVALIDITY=", b".", b"%", b"%20", b"%C3", b"INBOX", b"imap:",
    b"//", b"host", b"@", b":", b"[", b"]", b"*", b"a", b";AUTH=", b"HEADER", b";URLAUTH=", b"user+a", b":internal:",
    b"0123456789abcdef" * 2, b";EXPIRE=2020-01-01T00:00:00Z", b"\0", b"\xff", b"?", b"99999999999",
])


@pytest.mark.parametrize("text", GOOD, ids=bytes.decode)
def test_what_names_a_message(text: bytes) -> None:
    assert parse(text) == GOOD[text]


@pytest.mark.parametrize("text", BAD, ids=lambda text: repr(text[:40]))
def test_what_names_none(text: bytes) -> None:
    with pytest.raises(NotOfThisKind, match=r"\w"):
        parse(text)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.lists(CHARACTERS, max_size=25).map(b"".join)))
@example(b"/" + b"a/" * 4_000 + b";UID=1")
@example(b";UID=1/;SECTION=" + b"%20" * 2_700)
@example(b"//" + b"a" * 8_000)
@example(b"//" + b"%41" * 2_600 + b":")
def test_any_octets_are_read_or_refused(text: bytes) -> None:
    try:
        found = parse(text)
    except NotOfThisKind as fault:
        assert str(fault)
    else:
        assert 0 < found.uid < 1 << 32
        assert found.mailbox or found.server is None
        assert found.partial is None or found.partial[1] > 0


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.lists(CHARACTERS, max_size=12).map(b"".join)).map(b"//a@host/x/;UID=1".__add__))
@example(b"//a@host/x/;UID=1;EXPIRE=2020-01-01T00:00:00Z;URLAUTH=user+a:internal:" + b"0" * 64)
@example(b"//a@host/x/;UID=1;URLAUTH=user+" + b"%41" * 2_600 + b":")
def test_any_octets_are_an_authority_or_refused(text: bytes) -> None:
    try:
        found = parse_authorized(text)
    except NotOfThisKind as fault:
        assert str(fault)
    else:
        assert text.startswith(found.rump) and found.owner and bool(found.token) == (text != found.rump)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=100))
def test_a_url_is_told_in_visible_ascii_without_the_bracket_that_ends_it(text: bytes) -> None:
    said = told(text)
    assert all(0x20 < octet < 0x7F for octet in said) and b"]" not in said
    if text.isascii() and all(0x20 < octet < 0x7F for octet in text) and b"]" not in text:
        assert said == text
