"""Messages from the wild, when the corpus is there: nothing fails, and Python's email package agrees where it can."""

from __future__ import annotations

import email
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from support.imapread import check_body, check_envelope, read_data
from support.messages import corpus, crlf

from mailframe.mime.attributes import attributes
from mailframe.mime.index import Index
from mailframe.mime.scan import Scanner, scan
from mailframe.mime.searchtext import search_text
from mailframe.mime.section import locate
from mailframe.mime.structure import render_body

# Where the email package ends a header at a line that is no field, we go on to the empty line; and it takes
# the line end before a missing last delimiter away.
DISAGREE = {"raw_email_incorrect_header.eml", "example13.eml", "raw_email4.eml", "attachment_message_rfc822_inline_image.eml"}
FILES = corpus()
each = pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])


@each
@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
def test_every_message_has_valid_attributes(path: Path, line_end: bytes) -> None:
    octets = crlf(path.read_bytes()).replace(b"\r\n", line_end)
    found = attributes(octets)
    check_envelope(read_data(found.envelope))
    check_body(read_data(found.structure), True)
    index = Index.unpack(found.index)
    assert index == scan(octets)
    check_body(read_data(render_body(index)), False)
    search_text(octets, index)


@each
def test_every_message_in_pieces_is_the_same(path: Path) -> None:
    octets = path.read_bytes()
    scanner = Scanner()
    for at in range(0, len(octets), 61):
        scanner.feed(octets[at:at + 61])
    assert scanner.finish() == scan(octets)


def leaves(message: Message[Any, Any], path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Message[Any, Any]]]:
    if message.get_content_maintype() == "multipart" and message.is_multipart():
        for number, part in enumerate(message.get_payload(), 1):
            yield from leaves(part, (*path, number))
    elif message.get_content_type() == "message/rfc822" and message.is_multipart():
        inner = message.get_payload(0)
        yield from leaves(inner, path if inner.get_content_maintype() == "multipart" else (*path, 1))
    elif message.get_content_maintype() != "message":
        yield path or (1,), message


@each
def test_sections_are_the_octets_that_the_email_package_finds(path: Path) -> None:
    if path.name in DISAGREE:
        pytest.skip("the email package reads this one differently, and we mean ours")
    octets = crlf(path.read_bytes())
    index = scan(octets)
    for number, part in leaves(email.message_from_bytes(octets)):
        found = locate(index, number, "")
        assert found is not None
        assert octets[found[0]:found[0] + found[1]] == part._payload.encode("ascii", "surrogateescape")
