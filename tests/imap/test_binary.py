"""BINARY (RFC 3516): parts without their transfer encoding."""

from __future__ import annotations

import base64
import quopri
import random

import pytest
from support.imap_response import fetches
from support.imap_stub import StubContext, fetch, inbox, run

from mailframe.imap.extensions.binary import UnknownEncoding, decoded_part
from mailframe.imap.items.message import SLICE, Message
from mailframe.model.flags import SEEN
from mailframe.model.mailbox import New
from mailframe.pacing.breath import Breath

PICTURE = bytes(range(256)) * 5
LARGE = random.Random(3).randbytes(3 * SLICE + 1_234)
TEXT = "größer = besser\r\n".encode() * 3


def multipart(*parts: tuple[bytes, bytes]) -> bytes:
    return b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + b"".join(
        b"--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n" + body + b"\r\n"
        for encoding, body in parts) + b"--b--\r\n"


def base64ed(octets: bytes) -> bytes:
    return base64.encodebytes(octets).replace(b"\n", b"\r\n")


MESSAGE = multipart(
    (b"base64", base64ed(PICTURE)), (b"quoted-printable", quopri.encodestring(TEXT)), (b"8bit", TEXT), (b"x-strange", b"?"),
    (b"BASE64", base64ed(LARGE)))


def one(items: bytes, octets: bytes = MESSAGE) -> dict[bytes, object]:
    context = StubContext(inbox([New(octets, size=len(octets))]), read_only=True)
    return fetches(fetch(context, items))[1]


@pytest.mark.parametrize(("item", "label", "octets"), [
    (b"BINARY.PEEK[1]", b"BINARY[1]", PICTURE),
    (b"BINARY[1]<250.10>", b"BINARY[1]<250>", PICTURE[250:260]),
    (b"BINARY.PEEK[2]", b"BINARY[2]", TEXT),
    (b"BINARY.PEEK[3]", b"BINARY[3]", TEXT),
    (b"BINARY.PEEK[5]", b"BINARY[5]", LARGE),
    (b"BINARY.PEEK[5]<70000.500000>", b"BINARY[5]<70000>", LARGE[70_000:570_000]),
    (b"BINARY.PEEK[5]<99000000.5>", b"BINARY[5]<99000000>", b""),
    (b"BINARY.PEEK[1]<1250>", b"BINARY[1]<1250>", PICTURE[1250:]),
    (b"BINARY.PEEK[5]<700000>", b"BINARY[5]<700000>", LARGE[700_000:]),
    (b"BINARY.PEEK[]", b"BINARY[]", MESSAGE),
    (b"BINARY.PEEK[]<10.20>", b"BINARY[]<10>", MESSAGE[10:30]),
    (b"BINARY.PEEK[9]", b"BINARY[9]", None),
    (b"BINARY.SIZE[1]", b"BINARY.SIZE[1]", str(len(PICTURE)).encode()),
    (b"BINARY.SIZE[2]", b"BINARY.SIZE[2]", str(len(TEXT)).encode()),
    (b"BINARY.SIZE[5]", b"BINARY.SIZE[5]", str(len(LARGE)).encode()),
    (b"BINARY.SIZE[]", b"BINARY.SIZE[]", str(len(MESSAGE)).encode()),
    (b"BINARY.SIZE[9]", b"BINARY.SIZE[9]", b"0"),
], ids=lambda value: value.decode("ascii", "ignore")[:40] if isinstance(value, bytes) else "")
def test_each_part_comes_decoded(item: bytes, label: bytes, octets: bytes | None) -> None:
    assert one(item) == {label: octets}


@pytest.mark.parametrize("item", [b"BINARY.PEEK[4]", b"BINARY.SIZE[4]", b"BINARY[4]<0.1>"], ids=bytes.decode)
def test_an_unknown_encoding_is_refused(item: bytes) -> None:
    with pytest.raises(UnknownEncoding) as refused:
        one(item)
    assert refused.value.imap_code == b"UNKNOWN-CTE"


def test_a_nul_makes_the_literal_a_binary_one() -> None:
    context = StubContext(inbox([New(MESSAGE, size=len(MESSAGE))]))
    assert b"BINARY[1] ~{1280}\r\n" in fetch(context, b"BINARY.PEEK[1]")
    assert b"BINARY[2] {%d}\r\n" % len(TEXT) in fetch(context, b"BINARY.PEEK[2]")


def test_only_binary_without_peek_sets_seen() -> None:
    mailbox = inbox([New(MESSAGE, size=len(MESSAGE))])
    context = StubContext(mailbox)
    fetch(context, b"(BINARY.PEEK[1] BINARY.SIZE[1])")
    assert not context.view.flags[0] & SEEN
    assert b"FLAGS (\\Seen)" in fetch(context, b"BINARY[1]")


def test_many_items_in_one_answer() -> None:
    found = one(b"(UID BINARY.SIZE[5] BINARY.PEEK[5] BODY.PEEK[3] BINARY.PEEK[1])")
    assert found == {b"UID": b"1", b"BINARY.SIZE[5]": str(len(LARGE)).encode(), b"BINARY[5]": LARGE, b"BODY[3]": TEXT,
                     b"BINARY[1]": PICTURE}


@pytest.mark.parametrize(("octets", "encoding", "lines"), [
    (b"hello world", b"7bit", 0), (b"two\r\nlines\r\n", b"7bit", 2), (TEXT, b"8bit", 3), (PICTURE, b"binary", 5),
    (b"x" * 998, b"7bit", 0), (b"x" * 1_000, b"binary", 0), (LARGE, b"binary", LARGE.count(b"\n")),
    ((b"x" * 78 + b"\r\n") * 10_000, b"7bit", 10_000),
], ids=lambda value: value[:12].decode("ascii", "replace") if isinstance(value, bytes) else "")
def test_a_decoded_part_says_which_identity_encoding_it_needs(octets: bytes, encoding: bytes, lines: int) -> None:
    message = multipart((b"base64", base64ed(octets)), (b"8bit", b"as it is"), (b"x-strange", b"?"))

    async def told() -> None:
        mailbox = inbox([New(message, size=len(message))])
        context = StubContext(mailbox)
        whole = Message(mailbox, 1, Breath(context.clock.seconds, context.breathe), size=len(message))
        parts = (await whole.index()).parts
        found = await decoded_part(whole, parts[1])
        assert (found.encoding, found.end - found.body, found.lines) == (encoding, len(octets), lines)
        assert await decoded_part(whole, parts[2]) is parts[2]
        with pytest.raises(UnknownEncoding):
            await decoded_part(whole, parts[3])

    run(told())
