"""Who a message is from, by a second opinion: what another reader finds in an accepted From must be allowed as well."""

from __future__ import annotations

import email
import email.policy
from email.utils import getaddresses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailframe.model.refusal import Refusal
from mailframe.pipeline.submission.authors import check_form, read, unreadable
from mailframe.pipeline.submission.wellformed import spoken

PIECES = st.lists(st.sampled_from([
    "bob@example.org", "eve@example.org", "<bob@example.org>", "<eve@example.org>", ",", ";", ":", "(", ")", '"', "\\", " ",
    "\r\n ", "Bob", "<", ">", "@", "eve", "=?utf-8?q?eve=40example=2Eorg?=", "[", "]", ".", "\t", "é",
]), min_size=1, max_size=8)


def is_bobs(header: bytes) -> bool:
    found = read(header, 50)
    try:
        check_form(found, 50)
    except Refusal:
        return False
    return all(not unreadable(each) and each.folded == "bob@example.org" for each in found.named(b"from"))


@given(PIECES)
@settings(max_examples=60, deadline=None)
def test_the_standard_librarys_two_readers_find_nobody_else(pieces: list[str]) -> None:
    header = b"From: " + "".join(pieces).encode() + b"\r\n"
    if not is_bobs(header):
        return
    try:
        modern = email.message_from_bytes(header + b"\r\n", policy=email.policy.default)["From"]
    except AttributeError:              # of names that begin with a dot it makes nothing at all
        return
    old = getaddresses([str(email.message_from_bytes(header + b"\r\n")["From"])])
    for address in (*(each.addr_spec for each in modern.addresses), *(address for _, address in old)):
        assert "eve" not in address


@pytest.mark.parametrize(("value", "found"), [
    (b"a@b.example", [b"a@b.example"]),
    (b"A B <a@b.example>, c@d.example", [b"a@b.example", b"c@d.example"]),
    (b'"x@y.example" <a@b.example> (z@z.example)', [b"a@b.example"]),
    (b"x@y.example <a@b.example>", [b"x@y.example", b"a@b.example"]),
    (b'"a b"@c.example', [b'"a b"@c.example']),
    (b"a@[IPv6:2001:db8::1]", [b"a@[IPv6:2001:db8::1]"]),
    (b"g: a@b.example, c@d.example;, e@f.example", [b"a@b.example", b"c@d.example", b"e@f.example"]),
    (b"g:;", []),
    (b"", None), (b"a", None), (b"a@b.example,", None), (b"a @b.example", None), (b"a@b.example <", None), (b"<a@b.example", None),
    (b"a@b.example;", None), (b"a@b@c.example", None), (b"g: h: a@b.example;;", None), (b"a\rb <a@b.example>", None),
])
def test_exactly_a_list_or_none(value: bytes, found: list[bytes] | None) -> None:
    """RFC 5322 section 3.4."""
    assert spoken(value) == found


@pytest.mark.parametrize("piece", [
    b"a ", b"(", b"(a)", b"a@b,", b'"a" ', b"<a@b> ", b"a: ", b"((", b"a.", b"\\", b"(a)@", b'"a"@b ', b"(a(b)",
    b"a:;,", b"a@b <a@b>,"])
def test_no_input_makes_it_slow(piece: bytes) -> None:
    """As long as a value can be (`LIMITS.address_tokens`), many times over: what is not linear never ends here."""
    for size in (9_000, 200_000):
        value = piece * (size // len(piece))
        assert spoken(value + b"!\x00") is None
        spoken(value)
