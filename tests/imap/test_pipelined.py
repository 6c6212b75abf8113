"""What of a client's commands that it sent ahead is about message numbers (RFC 9051 section 5.5)."""

from __future__ import annotations

import pytest

from mailframe.imap.builtin import default_registry
from mailframe.imap.news.pipelined import counts_messages

REGISTRY = default_registry()


def counts(waiting: bytes) -> bool:
    return counts_messages(waiting, REGISTRY.by_number, REGISTRY.perhaps_by_number)


@pytest.mark.parametrize("waiting", [
    b"a FETCH 1 FLAGS\r\n", b"a fetch 1 flags\r\n", b"a NOOP\r\nb STORE 1 FLAGS ()\r\n", b"a SEARCH ALL\n", b"a COPY 1 x\r\n",
    b"a MOVE 1 x\r\n", b"a SORT (DATE) UTF-8 ALL\r\n", b"a UID SEARCH 1:3\r\n", b"a UID SEARCH NOT (OR 7 SEEN)\r\n",
    b"a uid search unseen *\r\n", b"a UID THREAD REFERENCES UTF-8 2,4\r\n", b"a APPEND x {3+}\r\nabc\r\nb FETCH 1 UID\r\n",
])
def test_commands_by_number_are_found(waiting: bytes) -> None:
    assert counts(waiting)


@pytest.mark.parametrize("waiting", [
    b"", b"a NOOP\r\n", b"a UID FETCH 1:* FLAGS\r\nb NOOP\r\n", b"a UID SEARCH ALL\r\n", b"a UID STORE 1 FLAGS ()\r\n", b"DONE\r\n",
    b"a UID SEARCH SINCE 1-Feb-2024 UNSEEN\r\n", b"a EXPUNGE\r\nb NOOP\r\n", b"a NOOP\r\nb UID COPY 1 ", b"a UID FETCH 1:",
])
def test_others_are_not(waiting: bytes) -> None:
    assert not counts(waiting)


@pytest.mark.parametrize("whole", [b"a FETCH 1 FLAGS\r\n", b"a NOOP\r\nb UID SEARCH 4\r\n"])
def test_one_that_comes_in_pieces_is_found_from_its_first_octet_on(whole: bytes) -> None:
    begin = whole.rfind(b"\r\n", 0, -2) + 2 if whole.count(b"\r\n") > 1 else 0
    for cut in range(begin + 1, len(whole) + 1):
        assert counts(whole[:cut]), whole[:cut]
