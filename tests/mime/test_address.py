"""Address lists (RFC 5322 section 3.4, its obsolete forms, and what people send)."""

from __future__ import annotations

import email.utils

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailframe.mime import address
from mailframe.mime.header import Address, parse_addresses
from mailframe.mime.limits import LIMITS

END = (None, None, None, None)


@pytest.mark.parametrize(("value", "found"), [
    (b" joe@example.org", [(None, None, b"joe", b"example.org")]),
    (b"Joe Q. Public <joe@example.org>", [(b"Joe Q. Public", None, b"joe", b"example.org")]),
    (b'"Doe, Jane" <jane@a.example>, b@b', [(b"Doe, Jane", None, b"jane", b"a.example"), (None, None, b"b", b"b")]),
    (b'"Giant; \\"Big\\" Box" <x@y>', [(b'Giant; "Big" Box', None, b"x", b"y")]),
    (b"=?utf-8?q?J=C3=B6?= <j@e>", [(b"=?utf-8?q?J=C3=B6?=", None, b"j", b"e")]),
    (b"Joe\r\n  Doe\r\n <j@e>", [(b"Joe Doe", None, b"j", b"e")]),
    (b"j@e (Joe (the) Doe)", [(b"Joe (the) Doe", None, b"j", b"e")]),
    (b"Pete(A nice \\) chap) <pete(his account)@silly.test(host)>", [(b"Pete", None, b"pete", b"silly.test")]),
    (b'"john doe"@e', [(None, None, b"john doe", b"e")]),
    (b"<@a.example,@b.example:mary@e>", [(None, b"@a.example,@b.example", b"mary", b"e")]),
    (b"john . doe @ e . example", [(None, None, b"john.doe", b"e.example")]),
    (b"a@[192.0.2.1]", [(None, None, b"a", b"[192.0.2.1]")]),
    (b"Team: a@x, Bob <b@y>;, c@z", [(None, None, b"Team", None), (None, None, b"a", b"x"), (b"Bob", None, b"b", b"y"), END,
                                     (None, None, b"c", b"z")]),
    (b"undisclosed-recipients:;", [(None, None, b"undisclosed-recipients", None), END]),
    (b"Team: a@x", [(None, None, b"Team", None), (None, None, b"a", b"x"), END]),            # never closed
    (b"undisclosed recipients", [(None, None, b"undisclosed recipients", b"")]),
    (b"root", [(None, None, b"root", b"")]),
    (b"<>", [(None, None, b"", b"")]),
    (b"me@home <me@work>", [(b"me@home", None, b"me", b"work")]),
    (b"a@b@c", [(None, None, b"a@b", b"c")]),
    (b"Joe j@e", [(b"Joe", None, b"j", b"e")]),
    (b",, a@b ,,", [(None, None, b"a", b"b")]),
    (b"J\xf6 <j@e>", [(b"J\xf6", None, b"j", b"e")]),
    (b"", []), (b"  \r\n ", []), (b"(only a comment)", []),
    (b"<ada (no name)@ (neither) b.example>", [(None, None, b"ada", b"b.example")]),
    (b"<ada@b.example> (her name)", [(b"her name", None, b"ada", b"b.example")]),
    (b'"never closed', [(None, None, b"never closed", b"")]),
    (b"<a@b", [(None, None, b"a", b"b")]), (b"a@b>", [(None, None, b"a", b"b")]), (b"A <a@b> junk, c@d",
     [(b"A", None, b"a", b"b"), (None, None, b"c", b"d")]),
])
def test_addresses_as_they_come(value: bytes, found: list[Address]) -> None:
    assert parse_addresses(value) == found


ORDINARY = st.lists(
    st.tuples(
        st.one_of(st.none(), st.text("abc .-", min_size=1, max_size=9), st.text('ab,;:<>@ ()', min_size=1, max_size=9)),
        st.from_regex(r"\A[a-z]+(\.[a-z]+)*\Z").map(lambda local: local[:20].strip(".")), st.sampled_from(["x.example", "b"]),
    ), min_size=1, max_size=5,
)


@given(ORDINARY)
@settings(max_examples=60, deadline=None)
def test_what_a_composer_wrote_is_read_back(people: list[tuple[str | None, str, str]]) -> None:
    written, wanted = [], []
    for name, local, domain in people:
        name = " ".join((name or "").split())
        written.append(f'"{name}" <{local}@{domain}>' if name else f"{local}@{domain}")
        wanted.append((name.encode() or None, None, local.encode(), domain.encode()))
    assert parse_addresses(",\r\n ".join(written).encode()) == wanted
    seconds = [pair[1] for pair in email.utils.getaddresses([", ".join(written)])]
    assert seconds == [f"{local}@{domain}" for _, local, domain in people]


PIECES = [b"a", b"b.c", b" ", b"@", b"<", b">", b",", b'"x y"', b"d@e", b"A <f@g>", b".", b"  "]


@given(st.lists(st.sampled_from(PIECES), max_size=10).map(b"".join))
@settings(max_examples=60, deadline=None)
def test_the_short_way_and_the_long_way_agree(value: bytes) -> None:
    slow: list[Address] = []
    reader, at = address._Reader(value, slow), 0
    while at < len(value):
        at = reader.element(at)
    reader.finish()
    assert parse_addresses(value) == slow


@given(st.binary(max_size=60) | st.text('a@,:;<>"()[]\\. ', max_size=40).map(str.encode))
@settings(max_examples=60, deadline=None)
def test_any_octets_are_an_address_list(value: bytes) -> None:
    for found in parse_addresses(value):
        assert len(found) == 4


def test_a_hostile_list_is_cut_at_the_limit() -> None:
    assert len(parse_addresses(b"a@b," * 100_000)) == 5_000
    assert len(parse_addresses(b"x:" + b"a@b," * 100_000)) <= 5_001
    assert len(parse_addresses(b"a:;" * 100_000)) <= LIMITS.address_tokens
    assert len(parse_addresses(b"a . " * 100_000)) == 1
