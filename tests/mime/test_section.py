"""BODY[...] to octets (RFC 3501 section 6.4.5)."""

from __future__ import annotations

import pytest
from support.messages import lines

from mailframe.mime.scan import scan
from mailframe.mime.section import Text, locate

# The example of RFC 3501 section 6.4.5: 1 text, 2 octet-stream, 3 message (3.1 text, 3.2 octet-stream),
# 4 multipart (4.1 image, 4.2 message (4.2.1 text, 4.2.2 multipart (4.2.2.1, 4.2.2.2))).
MESSAGE = lines(
    "Subject: root", "Content-Type: multipart/mixed; boundary=a", "", "pre",
    "--a", "X: 1", "", "body 1",
    "--a", "Content-Type: application/octet-stream", "", "body 2",
    "--a", "Content-Type: message/rfc822", "",
    "Subject: three", "Content-Type: multipart/mixed; boundary=b", "",
    "--b", "X: 3.1", "", "body 3.1", "--b", "Content-Type: application/octet-stream", "", "body 3.2", "--b--",
    "--a", "Content-Type: multipart/mixed; boundary=c", "",
    "--c", "Content-Type: image/gif", "", "body 4.1",
    "--c", "Content-Type: message/rfc822", "",
    "Subject: four two", "Content-Type: multipart/mixed; boundary=d", "",
    "--d", "", "body 4.2.1", "--d", "Content-Type: multipart/alternative; boundary=e", "",
    "--e", "", "body 4.2.2.1", "--e", "Content-Type: text/richtext", "", "body 4.2.2.2", "--e--",
    "--d--", "--c--", "--a--", "post",
)


def section(octets: bytes, part: tuple[int, ...], text: Text = "") -> bytes | None:
    found = locate(scan(octets), part, text)
    return None if found is None else octets[found[0]:found[0] + found[1]]


@pytest.mark.parametrize("name", ["1", "2", "3.1", "3.2", "4.1", "4.2.1", "4.2.2.1", "4.2.2.2"])
def test_every_leaf_is_found_by_its_number(name: str) -> None:
    assert section(MESSAGE, tuple(map(int, name.split(".")))) == f"body {name}".encode()


def test_the_message_itself() -> None:
    assert section(MESSAGE, ()) == MESSAGE
    header = section(MESSAGE, (), "HEADER")
    assert header == lines("Subject: root", "Content-Type: multipart/mixed; boundary=a", "")
    assert section(MESSAGE, (), "TEXT") == MESSAGE[len(header):]
    assert section(MESSAGE, (), "MIME") is None


def test_a_message_part_is_whole_its_header_and_text_are_the_inner_ones() -> None:
    whole, header, text = section(MESSAGE, (3,)), section(MESSAGE, (3,), "HEADER"), section(MESSAGE, (3,), "TEXT")
    assert header == lines("Subject: three", "Content-Type: multipart/mixed; boundary=b", "")
    assert whole is not None and text is not None and whole == header + text and text.endswith(b"--b--")
    assert section(MESSAGE, (4, 2), "HEADER") == lines("Subject: four two", "Content-Type: multipart/mixed; boundary=d", "")


def test_mime_is_the_parts_own_header() -> None:
    assert section(MESSAGE, (1,), "MIME") == b"X: 1\r\n\r\n"
    assert section(MESSAGE, (3,), "MIME") == b"Content-Type: message/rfc822\r\n\r\n"
    assert section(MESSAGE, (4, 2, 2, 2), "MIME") == b"Content-Type: text/richtext\r\n\r\n"
    assert section(MESSAGE, (4,), "MIME") == b"Content-Type: multipart/mixed; boundary=c\r\n\r\n"


def test_a_multipart_part_is_its_body() -> None:
    body = section(MESSAGE, (4, 2, 2))
    assert body is not None and body.startswith(b"--e\r\n") and body.endswith(b"--e--")


@pytest.mark.parametrize(("part", "text"), [
    ((0,), ""), ((5,), ""), ((1, 1), ""), ((1,), "HEADER"), ((1,), "TEXT"), ((4,), "HEADER"),
    ((3, 3), ""), ((4, 2, 2, 3), "MIME"), ((2, 1), "MIME"),
])
def test_what_is_not_there_is_none(part: tuple[int, ...], text: Text) -> None:
    assert section(MESSAGE, part, text) is None


def test_part_1_of_what_is_no_multipart_is_its_body() -> None:
    octets = lines("Subject: x", "", "body")
    assert section(octets, (1,)) == b"body\r\n"
    assert section(octets, (1,), "MIME") == b"Subject: x\r\n\r\n"
    assert section(octets, (2,)) is None and section(octets, (1, 1)) is None and section(octets, (1,), "HEADER") is None


def test_a_message_in_a_message() -> None:
    octets = lines("Content-Type: message/rfc822", "", "Subject: in", "", "body")
    assert section(octets, (1,)) == lines("Subject: in", "", "body")
    assert section(octets, (1,), "HEADER") == lines("Subject: in", "")
    assert section(octets, (1, 1)) == section(octets, (1,), "TEXT") == b"body\r\n"
    assert section(octets, (1, 1, 1)) is None and section(octets, (1, 2)) is None


def test_the_text_that_stands_for_an_empty_multipart() -> None:
    octets = lines("Content-Type: multipart/mixed; boundary=x", "", "no delimiter")
    assert section(octets, (1,)) == b"no delimiter\r\n"
