"""Messages made fit for next hops that take no 8-bit or binary octets (RFC 6152 section 3, RFC 3030 section 3)."""

from __future__ import annotations

import email
import email.policy
import quopri
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.coroutines import result_of
from support.messages import corpus, crlf

from mailframe.mime.convert import CannotConvert
from mailframe.model.address import Address
from mailframe.model.envelope import Envelope
from mailframe.relay.fitting import Fitting

ALICE = Address.parse("alice@example.org")
HEAD = b"Received: by me\r\n"
SEVEN: dict[str, str] = {}
EIGHT = {"8BITMIME": ""}


class Source:
    """A message at rest; reads are cut short at odd places."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.size = len(content)
        self.largest = 0

    async def read(self, offset: int, size: int) -> bytes:
        self.largest = max(self.largest, size)
        return self.content[offset:offset + min(size, 70_001)]


async def pause() -> None:
    pass


def fit(
    content: bytes, offers: dict[str, str] = SEVEN, body: str = "8BITMIME", head: bytes = HEAD, sender: Address | None = ALICE,
) -> tuple[str, bytes | None]:
    fitting = Fitting(Envelope("id", sender, body=body), head, Source(content), 1_000_000, pause)
    body, made = result_of(fitting.fitted(offers))
    octets = None if made is None else result_of(_all(made))
    fitting.close()
    return body, octets


async def _all(made) -> bytes:
    return await made.read(0, made.size)


def leaves(octets: bytes) -> list[tuple[str, list[str], bytes | None]]:
    """(type, header names but those that a conversion may change, decoded content) of all parts, by Python's parser."""
    return [
        (part.get_content_type(), [name.lower() for name in part if name.lower() not in _OURS],
         None if part.is_multipart() else part.get_payload(decode=True)) for part in _walk(email.message_from_bytes(octets))]


_OURS = ("content-transfer-encoding", "mime-version")


def _walk(message: Message) -> Iterator[Message]:
    return message.walk()


def narrow(octets: bytes) -> bool:
    """7 bits, CRLF, and no long line."""
    lines = octets.split(b"\r\n")
    return octets.isascii() and b"\0" not in octets and not any(
        b"\r" in line or b"\n" in line or len(line) > 998 for line in lines)


def part(header: str, body: bytes) -> bytes:
    return header.encode() + b"\r\n\r\n" + body


def multi(*parts: bytes, kind: str = "mixed", boundary: str = "b", label: str = "8bit") -> bytes:
    head = (f'MIME-Version: 1.0\r\nContent-Type: multipart/{kind}; boundary="{boundary}"\r\n'
            f"Content-Transfer-Encoding: {label}\r\n\r\npreamble\r\n").encode()
    return head + b"".join(b"--%b\r\n%b\r\n" % (boundary.encode(), each) for each in parts) + b"--%b--\r\n" % boundary.encode()


WIDE = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit"
BINARY = "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary"


def test_a_text_becomes_quoted_printable_and_says_so() -> None:
    body, octets = fit(part(f"Subject: x\r\n{WIDE}", "Grüße aus München, wo alles gut ist \r\n".encode()))
    assert body == "7BIT" and octets is not None
    assert octets == (
        HEAD + b"Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\nMIME-Version: 1.0\r\n"
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        b"Gr=C3=BC=C3=9Fe aus M=C3=BCnchen, wo alles gut ist=20\r\n")


def test_what_is_not_readable_as_quoted_printable_becomes_base64() -> None:
    text = "Привет\r\n".encode() * 40
    _, octets = fit(part(WIDE, text))
    assert octets is not None and b"Content-Transfer-Encoding: base64\r\n" in octets and narrow(octets)
    assert email.message_from_bytes(octets).get_payload(decode=True) == text


def test_a_message_that_needs_no_change_has_none() -> None:
    for content, offers, body in (
        (b"Subject: x\r\n\r\nplain\r\n", SEVEN, "8BITMIME"), (part(WIDE, b"\xe9\r\n"), EIGHT, "8BITMIME"),
        (part(BINARY, b"\0\n"), {"BINARYMIME": "", "CHUNKING": ""}, "BINARYMIME"),
        (part(WIDE, b"\xe9\r\n"), {"SMTPUTF8": ""}, "7BIT"),
    ):
        assert fit(content, offers, body) == (body, None)


def test_binary_parts_go_to_an_8bit_host_and_their_8bit_neighbours_stay_as_they_are() -> None:
    """RFC 3030 section 3; BINARYMIME is of no use without CHUNKING, and the containers say what they hold now."""
    text = part(WIDE, b"\xc3\xa9\xc3\xa9")
    content = multi(text, part(BINARY, b"\0\r\n.\r\nQUIT\r\n\x80\n"), label="binary")
    for offers in (EIGHT, {"8BITMIME": "", "BINARYMIME": ""}, {"8BITMIME": "", "CHUNKING": ""}):
        body, octets = fit(content, offers, "BINARYMIME")
        assert body == "8BITMIME" and octets is not None and b"binary" not in octets
        assert b'boundary="b"\r\nContent-Transfer-Encoding: 8bit\r\n\r\npreamble\r\n--b\r\n' + text + b"\r\n--b\r\n" in octets
        assert leaves(octets) == leaves(HEAD + content)


def test_a_binary_message_without_binary_octets_loses_only_the_label() -> None:
    content = part(BINARY, b"plain\r\n")
    assert fit(content, EIGHT, "BINARYMIME") == (
        "8BITMIME", HEAD + b"Content-Type: application/octet-stream\r\nMIME-Version: 1.0\r\n"
        b"Content-Transfer-Encoding: 7bit\r\n\r\nplain\r\n")


def test_messages_in_messages_are_converted_within() -> None:
    """RFC 2046 section 5.2.1: a message/rfc822 itself may not be encoded."""
    inner = multi(part(WIDE, b"caf\xc3\xa9 is a place for everybody\r\n"), boundary="inner")
    content = multi(part("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit", inner))
    _, octets = fit(content)
    assert octets is not None and narrow(octets) and b"8bit" not in octets
    assert b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n" in octets
    assert leaves(octets) == leaves(HEAD + content)


def test_text_that_names_no_charset_says_that_it_is_unknown() -> None:
    """RFC 1428 section 3: a message of days before MIME."""
    _, octets = fit(b"Subject: old\r\n\r\ncaf\xe9 is a place\r\n")
    assert octets == (HEAD + b"Subject: old\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
                      b"Content-Transfer-Encoding: quoted-printable\r\n\r\ncaf=E9 is a place\r\n")


def test_parts_that_lie_about_their_encoding_are_encoded_once_only() -> None:
    """RFC 3030 section 3, rule 2: no nested encodings."""
    for label in ("quoted-printable", "base64"):
        _, octets = fit(part(f"Content-Type: text/plain\r\nContent-Transfer-Encoding: {label}", b"YWJj\xe9\r\n"))
        assert octets is not None and octets.count(label.encode()) == 1 and narrow(octets)
        assert b"YWJj" in octets


@pytest.mark.parametrize("content, words", [
    (multi(part(WIDE, b"\xe9"), part("Content-Type: application/pgp-signature", b"sig"), kind="signed"), "signed"),
    (b"DKIM-Signature: v=1\r\n" + part(WIDE, b"\xe9"), "DKIM"),
    (b"Subject: caf\xe9\r\n" + part(WIDE, b"\xe9"), "outside"),
    (b"Subject: \0\r\n" + part(WIDE, b"\xe9"), "NUL"),
    (part('Content-Type: multipart/mixed; boundary="none"', b"\xe9"), "may not be encoded"),
    (part("Content-Type: message/partial; id=a; number=1", b"\xe9"), "may not be encoded"),
    (part("Content-Type: text/plain\r\nContent-Transfer-Encoding: x-uuencode", b"\xe9"), "unknown encoding"),
    (multi(*[part(WIDE, b"\xe9")] * 1_001), "too many"),
    (b"X: " + b"x" * 300_000 + b"\r\n" + part(WIDE, b"\xe9"), "too long"),
])
def test_what_cannot_be_converted_without_harm_is_not(content: bytes, words: str) -> None:
    with pytest.raises(CannotConvert, match=words):
        fit(content)


def report(original: bytes, kind: str = "message/rfc822") -> bytes:
    """A report that returns `original` whole (RFC 6522 section 3)."""
    parts = (
        part("Content-Type: text/plain; charset=us-ascii", b"It failed.\r\n"),
        part("Content-Type: message/delivery-status", b"Reporting-MTA: dns; mx.example\r\n\r\n"
             b"Final-Recipient: rfc822; bob@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\n"),
        part(f"Content-Type: {kind}\r\nContent-Transfer-Encoding: 8bit", original))
    return multi(*parts, kind="report; report-type=delivery-status")


SIGNED = b"Subject: signed\r\nMessage-ID: <m1@example.org>\r\n" + multi(
    part(WIDE, b"\xc3\xa9"), part("Content-Type: application/pgp-signature", b"sig"), kind="signed", boundary="s")
SEALED = b"DKIM-Signature: v=1; d=example.org\r\nSubject: sealed\r\n" + part(WIDE, b"\xc3\xa9\r\n")
RAW_HEADER = b"Subject: caf\xc3\xa9\r\n\r\nbody\r\n"


@pytest.mark.parametrize(("kind", "original", "header"), [
    ("message/rfc822", SIGNED, b"Subject: signed\r\nMessage-ID: <m1@example.org>\r\n"),
    ("message/rfc822", RAW_HEADER, b"Subject: caf\xc3\xa9\r\n"),
    ("message/global", RAW_HEADER, b"Subject: caf\xc3\xa9\r\n"),
    ("message/rfc822", b"", b""),
])
def test_a_report_loses_what_it_returns_rather_than_itself(kind: str, original: bytes, header: bytes) -> None:
    """RFC 6522 section 3: how much comes back is the reporter's choice; nobody would be told that a report was lost."""
    if not original:
        original = b"\xc3\xa9"           # a message of a text alone
    _, octets = fit(report(original, kind), sender=None)
    assert octets is not None and narrow(octets)
    text, status, returned = email.message_from_bytes(octets).get_payload()
    assert text.get_payload() == "It failed.\r\n" and status.get_payload()[1]["Status"] == "5.1.1"
    assert returned.get_content_type() == ("text/rfc822-headers" if kind == "message/rfc822" else "message/global-headers")
    if header:
        shown = octets.partition(b"-headers\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")[2].partition(b"\r\n--b")[0]
        assert quopri.decodestring(shown).startswith(header) and quopri.decodestring(shown).endswith(b"\r\n\r\n")


def test_a_report_that_can_be_converted_returns_all() -> None:
    _, octets = fit(report(b"Subject: hi\r\n" + part(WIDE, b"\xc3\xa9\r\n")), sender=None)
    assert octets is not None and narrow(octets)
    assert email.message_from_bytes(octets).get_payload()[2].get_content_type() == "message/rfc822"


def test_a_seal_does_not_lose_a_report() -> None:
    """DKIM protects what somebody could be told of; a report that does not arrive, nobody is."""
    sealed = b"DKIM-Signature: v=1; d=example.org\r\n" + report(SEALED)
    _, octets = fit(sealed, sender=None, head=b"")
    assert octets is not None and narrow(octets)
    with pytest.raises(CannotConvert):
        fit(sealed, head=b"")


def test_other_mail_with_what_looks_like_a_report_is_not_shortened() -> None:
    with pytest.raises(CannotConvert, match="signed"):
        fit(report(SIGNED))
    with pytest.raises(CannotConvert, match="signed"):
        fit(SIGNED, sender=None)


def test_a_signed_part_that_fits_is_left_alone_octet_for_octet() -> None:
    signed = multi(part("Content-Type: text/plain\r\nContent-Transfer-Encoding: 8bit", b"plain"), part("X: y", b"sig"),
                   kind="signed", boundary="s")
    _, octets = fit(multi(signed, part(WIDE, b"\xe9\r\n")))
    assert octets is not None and signed.partition(b"\r\n\r\n")[2] in octets and narrow(octets)


def test_a_large_message_is_never_held_whole() -> None:
    content = multi(part(BINARY, bytes(range(256)) * 8_000), part(WIDE, b"\xe9" * 300_000), part(WIDE, b"a\xe9bc defgh" * 30_000))
    source = Source(content)
    fitting = Fitting(Envelope("id", None, body="BINARYMIME"), HEAD, source, 65_536, pause)
    _, made = result_of(fitting.fitted(SEVEN))
    assert made is not None and source.largest <= 65_536 and made.size > source.size
    octets = result_of(_all(made))
    assert narrow(octets) and leaves(octets) == leaves(HEAD + content)
    fitting.close()


LINES = st.lists(st.sampled_from([
    b"plain text", b"\xc3\xa9t\xc3\xa9", b"=", b"trailing \t", b".", b"\0", b"\r", b"\n", b"\r\n", b"x" * 1_100, b"From x",
    b"\x80" * 90,
]), max_size=12).map(b"".join)
LEAVES = st.one_of(
    st.tuples(st.sampled_from([WIDE, BINARY, "Content-Type: text/html\r\nContent-Transfer-Encoding: binary", "X: y"]), LINES),
    st.just(("Content-Transfer-Encoding: base64", b"YWJj\r\n")),
).map(lambda each: part(*each))
MESSAGES = st.recursive(LEAVES, lambda some: st.one_of(
    st.lists(some, min_size=1, max_size=3).flatmap(
        lambda parts: st.integers(0, 10**6).map(lambda n: multi(*parts, boundary=f"b{n}", label="binary"))),
    some.map(lambda each: part("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: binary", each)),
), max_leaves=6)


@settings(max_examples=150, deadline=None)
@given(MESSAGES, st.booleans())
def test_any_message_comes_out_narrow_with_the_same_structure_and_content(content: bytes, eight: bool) -> None:
    """Python's parser is the second opinion."""
    body, octets = fit(content, EIGHT if eight else SEVEN, "BINARYMIME")
    assert octets is not None and body == ("8BITMIME" if eight else "7BIT")
    assert narrow(octets.translate(bytes([*range(128), *b"w" * 128])) if eight else octets)
    assert [leaf[0] for leaf in leaves(octets)] == [leaf[0] for leaf in leaves(HEAD + content)]
    for mine, theirs in zip(leaves(octets), leaves(HEAD + content)):
        assert mine[2] == theirs[2]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([
    b"\r\n", b"\n", b"\r", b"--b", b"--b--", b"Content-Type: multipart/mixed; boundary=b\r\n", b"x",
    b"Content-Type: message/rfc822\r\n",
    b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: 8bit\r\n", b"\xe9", b"\0", b": ", b"A: b\r\n",
]), max_size=30).map(b"".join), st.booleans())
def test_any_octets_become_seven_bits_or_stay_with_us(content: bytes, binary: bool) -> None:
    try:
        _, octets = fit(content, SEVEN, "BINARYMIME" if binary else "8BITMIME")
    except CannotConvert:
        return
    assert (content if octets is None else octets).isascii() and (octets is None or b"\0" not in octets)


@pytest.mark.parametrize("path", corpus(), ids=lambda path: path.name)
def test_messages_from_the_wild_come_out_narrow_and_the_same_or_not_at_all(path: Path) -> None:
    content = crlf(path.read_bytes()).replace(b"DKIM-Signature:", b"X-Signature:")
    try:
        _, octets = fit(content, SEVEN, "BINARYMIME")
    except CannotConvert:
        assert not content.isascii(), "what is ASCII needs no encoding"
        return
    assert octets is not None and octets.isascii()
    assert [leaf[2] for leaf in leaves(octets)] == [leaf[2] for leaf in leaves(HEAD + content)]
