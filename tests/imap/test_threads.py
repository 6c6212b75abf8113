"""THREAD makes the conversations of RFC 5256, and cannot be made to run for ever."""

from __future__ import annotations

import re
import time
from collections.abc import Generator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.imap_stub import run

from mailframe.imap.extensions.thread import post
from mailframe.imap.search.threads import Forest, Post, by_references, by_subject, render
from mailframe.pacing.breath import Breath


def grown(steps: Generator[None, None, Forest]) -> bytes:
    breath = Breath(lambda: 0.0, lambda: None)  # type: ignore[arg-type, return-value]
    answer: bytes = run(breath.through(render(run(breath.through(steps)))))
    return answer


def threads(*posts: Post) -> bytes:
    return grown(by_references(posts))


def mail(number: int, own: str = "", refs: str = "", subject: str = "", replies: bool = False, sent: int | None = None) -> Post:
    return Post(number, number if sent is None else sent, subject or f"s{number}", replies, own.encode(),
                tuple(ref.encode() for ref in refs.split()))


@pytest.mark.parametrize(("posts", "expected"), [
    ([], b""),
    ([mail(1, "a"), mail(2, "b")], b"(1)(2)"),
    ([mail(1, "a"), mail(2, "b", "a"), mail(3, "c", "a b")], b"(1 2 3)"),
    ([mail(1, "a"), mail(2, "b", "a"), mail(3, "c", "a")], b"(1 (2)(3))"),
    ([mail(3, "c", "a b"), mail(1, "a"), mail(2, "b", "a")], b"(1 2 3)"),
    ([mail(1, "b", "gone"), mail(2, "c", "gone")], b"((1)(2))"),
    ([mail(1, "b", "gone")], b"(1)"),
    ([mail(1, "c", "a gone"), mail(2, "a")], b"(2 1)"),
    ([mail(1, "a", "b"), mail(2, "b", "a")], b"(2 1)"),                                  # a loop: the first link stands
    ([mail(1, "a"), mail(2, "a"), mail(3, "b", "a")], b"(1 3)(2)"),                      # a Message-ID used twice
    ([mail(1, "a", sent=9), mail(2, "b", sent=5)], b"(2)(1)"),
    ([mail(1, "a", subject="x"), mail(2, "b", subject="x", replies=True)], b"(1 2)"),
    ([mail(1, "a", subject="x", replies=True), mail(2, "b", subject="x")], b"(2 1)"),
    ([mail(1, "a", subject="x"), mail(2, "b", subject="x")], b"((1)(2))"),
    ([mail(1, "a", subject="x"), mail(2, "b", subject="x"), mail(3, "c", subject="x")], b"((1)(2)(3))"),
    ([mail(1, "a", "gone", subject="x"), mail(2, "b", "gone"), mail(3, "c", subject="x", replies=True)], b"((1)(2)(3))"),
    ([mail(1, "a"), mail(2, "b", "a"), mail(3, "c", "a b"), mail(4, "d", "a b"), mail(5, "e", "a")], b"(1 (2 (3)(4))(5))"),
])
def test_by_references(posts: list[Post], expected: bytes) -> None:
    assert threads(*posts) == expected


def test_by_subject() -> None:
    posts = [mail(1, subject="b"), mail(2, subject="a"), mail(3, subject="b"), mail(4, subject="b", sent=0), mail(5, subject="a")]
    assert grown(by_subject(posts)) == b"(4 (1)(3))(2 5)"


names = st.sampled_from("abcdefgh")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(names, st.lists(names, max_size=4), st.sampled_from(["x", "y", ""]), st.booleans(), st.integers(0, 9))))
def test_every_message_is_told_exactly_once(drawn: list[tuple[str, list[str], str, bool, int]]) -> None:
    posts = [
        Post(number, sent, subject, replies, own.encode(), tuple(ref.encode() for ref in refs))
        for number, (own, refs, subject, replies, sent) in enumerate(drawn, 1)
    ]
    for algorithm in (by_references, by_subject):
        answer = grown(algorithm(posts))
        assert sorted(map(int, re.findall(rb"\d+", answer))) == list(range(1, len(posts) + 1))
        assert answer.count(b"(") == answer.count(b")")


def test_a_hostile_chain_is_no_deeper_and_no_slower_than_allowed() -> None:
    count = 10_000
    chain = [Post(number, number, "", False, b"%d" % number, (b"%d" % (number - 1),)) for number in range(count, 0, -1)]
    begun = time.process_time()
    answer = threads(*chain)
    assert time.process_time() - begun < 10
    assert len(re.findall(rb"\d+", answer)) == count


def test_references_are_read_from_headers() -> None:
    block = b"Subject: Re: Hi\r\nMessage-ID: <c@x>\r\nReferences: <a@x>\r\n <b@x>\r\nIn-Reply-To: <z@x>\r\n\r\n"
    assert post(block, 4, 7) == Post(4, 7, "HI", True, b"c@x", (b"a@x", b"b@x"))
    assert post(b"In-Reply-To: Your <z@x> of <y@x>\r\n\r\n", 1, 7).references == (b"z@x",)


def test_a_quoted_id_is_the_same_as_a_plain_one() -> None:
    """RFC 5256 section 3, REFERENCES, step 1."""
    block = b'Message-ID: <"01KF8JCEOCBS0045PS"@xxx.yyy.com>\r\nReferences: <"a\\"b"@c> <d@"e">\r\n\r\n'
    found = post(block, 1, 0)
    assert (found.message_id, found.references) == (b"01KF8JCEOCBS0045PS@xxx.yyy.com", (b'a"b@c', b'd@"e"'))
