"""The header of a submitted message, held until it is whole: no Bcc gets out, and nothing else is lost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailframe.pipeline.submission.opening import HeaderTooLong, Opening


def through(*pieces: bytes, limit: int = 1_000, strip_bcc: bool = True) -> tuple[bytes, bytes]:
    """(what everybody gets, what was taken out)"""
    opening = Opening(limit, strip_bcc)
    return b"".join([*(opening.feed(piece) for piece in pieces), opening.finish()]), opening.blind


@pytest.mark.parametrize(("field", "kept"), [
    (b"Bcc: eve@example.org\r\n", b""),
    (b"BCC : eve@example.org\r\n", b""),
    (b"bCc:\r\n", b""),
    (b"Bcc: eve@example.org,\r\n\tjoe@example.org,\r\n max@example.org\r\n", b""),
    (b"Bcc: eve@example.org,\r\n \r\n joe@example.org\r\n", b""),
    (b"Resent-Bcc: eve@example.org\r\n", b""),
    (b"Bcc: a@b.example\r\nX-Bcc: 1\r\nBcc: c@d.example\r\n", b"X-Bcc: 1\r\n"),
    (b"X: 1\r\n Bcc: not a field\r\n", b"X: 1\r\n Bcc: not a field\r\n"),
])
def test_bcc_is_taken_out_however_it_is_written(field: bytes, kept: bytes) -> None:
    """RFC 5322 section 3.6.3; names in any case, folded, with white space before the colon (section 4.5)."""
    for before, after in ((b"", b"Subject: x\r\n"), (b"Subject: x\r\n", b"")):
        message = before + field + after + b"\r\nBcc: in the text\r\n"
        seen, blind = through(message)
        assert seen == before + kept + after + b"\r\nBcc: in the text\r\n"
        assert sorted((kept + blind).splitlines()) == sorted(field.splitlines())


def test_a_return_path_is_not_a_clients_to_write() -> None:
    """RFC 5321 section 4.4: a system where a message begins does not send one."""
    assert through(b"Return-Path: <x@y.example>\r\nSubject: x\r\n\r\n") == (b"Subject: x\r\n\r\n", b"")


def test_bcc_stays_where_that_is_wanted() -> None:
    message = b"Bcc: eve@example.org\r\n\r\n"
    assert through(message, strip_bcc=False) == (message, b"")


@pytest.mark.parametrize(("message", "seen"), [
    (b"", b""),
    (b"\r\nBcc: text\r\n", b"\r\nBcc: text\r\n"),
    (b"\nBcc: text\n", b"\nBcc: text\n"),
    (b"Hello,\r\nBcc: is a field\r\n", b"Hello,\r\nBcc: is a field\r\n"),
    (b"Bcc: x@y.example", b""),
    (b"Bcc: x@y.example\r\n", b""),
    (b"Bcc: x@y.example\r\n\r\nHello\r\n", b"\r\nHello\r\n"),
    (b"Subject: x\nBcc: x@y.example\n\nBcc: text\n", b"Subject: x\n\nBcc: text\n"),
])
def test_messages_with_little_or_no_header(message: bytes, seen: bytes) -> None:
    assert through(message)[0] == seen
    assert through(*(message[at:at + 1] for at in range(len(message))))[0] == seen


def test_a_header_is_held_up_to_its_limit_and_a_text_of_any_length_passes() -> None:
    opening = Opening(1_000, True)
    opening.feed(b"To: x@y.example\r\n")
    with pytest.raises(HeaderTooLong):
        for _ in range(100):
            opening.feed(b" ,<x@y.example>\r\n")
    with pytest.raises(HeaderTooLong):
        through(b"To: " + b"x" * 1_000 + b"\r\n\r\n")
    text = b"Hello, world\r\n" * 1_000
    assert through(text)[0] == text
    body = b"Subject: x\r\n\r\n" + b"y" * 100_000
    assert through(body[:20], body[20:])[0] == body


PIECES = st.lists(st.sampled_from([b"Bcc: a", b"bcc", b":", b"\r\n", b"\n", b"\r", b" ", b"Subject: x", b"Resent-Bcc:", b"x"]))


@given(PIECES, st.lists(st.integers(0, 60), max_size=5))
@settings(max_examples=60, deadline=None)
def test_any_split_same_answer(pieces: list[bytes], cuts: list[int]) -> None:
    """I4."""
    message, at = b"".join(pieces), 0
    parts = []
    for cut in sorted(cuts):
        parts.append(message[at:cut])
        at = max(at, cut)
    assert through(*parts, message[at:]) == through(message)
