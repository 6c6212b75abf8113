"""FETCH of every section form, compared with what Python's email package reads in the same message."""

from __future__ import annotations

import email
import email.message
from pathlib import Path
from typing import Any

import pytest
from support.imap_response import fetches
from support.imap_stub import StubContext, fetch, inbox, run

import mailframe
from mailframe.imap.cursor import BadSyntax
from mailframe.mime.attributes import attributes
from mailframe.model.flags import DELETED, SEEN
from mailframe.model.mailbox import Field, New

NESTED = b"""\
From: Outer <outer@example.org>
Subject: outside
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b1

preamble
--b1
Content-Type: text/plain; charset=utf-8
X-Part: one

first text
--b1
Content-Type: message/rfc822

From: Inner <inner@example.org>
Subject: inside
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=b2

--b2
Content-Type: text/plain

inner plain
--b2
Content-Type: text/html

<b>inner html</b>
--b2--
--b1
Content-Type: application/octet-stream
Content-Transfer-Encoding: base64

AAECAwQ=
--b1--
epilogue
""".replace(b"\n", b"\r\n")
PLAIN = b"From: a@example.org\r\nTo: b@example.org\r\nSubject: one\r\n two\r\nX-Odd: [1]\r\n\r\nhello\r\nworld\r\n"


def corpus() -> list[Path]:
    """Messages from the wild, in a folder `shared` beside the repository, when they are there."""
    folders = (parent / "shared/corpus/messages" for parent in Path(mailframe.__file__).parents)
    return sorted(next((folder for folder in folders if folder.is_dir()), Path("/nowhere")).rglob("*.eml"))


EVERYTHING = (
    b"(ENVELOPE BODYSTRUCTURE BODY BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT] BODY.PEEK[HEADER.FIELDS (SUBJECT)])"
)


def one(octets: bytes, items: bytes, **new: Any) -> dict[bytes, Any]:
    context = StubContext(inbox([New(octets, size=len(octets), **new)]), read_only=True)
    return fetches(fetch(context, items))[1]


SECTIONS = {
    b"BODY[]": NESTED,
    b"BODY[HEADER]": NESTED[:NESTED.index(b"preamble")],
    b"BODY[TEXT]": NESTED[NESTED.index(b"preamble"):],
    b"BODY[1]": b"first text",
    b"BODY[1.MIME]": b"Content-Type: text/plain; charset=utf-8\r\nX-Part: one\r\n\r\n",
    b"BODY[2]": NESTED[NESTED.index(b"From: Inner"):NESTED.index(b"--b2--") + 6],
    b"BODY[2.MIME]": b"Content-Type: message/rfc822\r\n\r\n",
    b"BODY[2.HEADER]": NESTED[NESTED.index(b"From: Inner"):NESTED.index(b"--b2\r\n")],
    b"BODY[2.TEXT]": NESTED[NESTED.index(b"--b2\r\n"):NESTED.index(b"--b2--") + 6],
    b"BODY[2.1]": b"inner plain",
    b"BODY[2.1.MIME]": b"Content-Type: text/plain\r\n\r\n",
    b"BODY[2.2]": b"<b>inner html</b>",
    b"BODY[2.HEADER.FIELDS (Subject)]": b"Subject: inside\r\n\r\n",
    b"BODY[3]": b"AAECAwQ=",
    b"BODY[4]": None,
    b"BODY[1.HEADER]": None,
    b"BODY[2.3]": None,
    b"BODY[2.1.1.1.1]": None,
}


@pytest.mark.parametrize("section", SECTIONS, ids=bytes.decode)
@pytest.mark.parametrize("stored", [True, False], ids=["index kept by the store", "index made now"])
def test_each_section_form_gives_its_octets(section: bytes, stored: bool) -> None:
    item = section.replace(b"BODY[", b"BODY.PEEK[")
    found = one(NESTED, item, attributes=attributes(NESTED) if stored else None)
    assert found == {section: SECTIONS[section]}


@pytest.mark.parametrize(("item", "label", "octets"), [
    (b"BODY.PEEK[]<0.5>", b"BODY[]<0>", PLAIN[:5]),
    (b"BODY.PEEK[]<7.4>", b"BODY[]<7>", PLAIN[7:11]),
    (b"BODY.PEEK[TEXT]<5.4294967295>", b"BODY[TEXT]<5>", b"\r\nworld\r\n"),
    (b"BODY.PEEK[]<100000.5>", b"BODY[]<100000>", b""),
    (b"BODY.PEEK[HEADER.FIELDS (subject)]<3.6>", b"BODY[HEADER.FIELDS (subject)]<3>", b"ject: "),
    (b"BODY.PEEK[HEADER.FIELDS (SUBJECT to)]", b"BODY[HEADER.FIELDS (SUBJECT to)]",
     b"To: b@example.org\r\nSubject: one\r\n two\r\n\r\n"),
    (b"BODY.PEEK[HEADER.FIELDS.NOT (From To Subject)]", b"BODY[HEADER.FIELDS.NOT (From To Subject)]", b"X-Odd: [1]\r\n\r\n"),
    (b"BODY.PEEK[HEADER.FIELDS (Missing)]", b"BODY[HEADER.FIELDS (Missing)]", b"\r\n"),
    (b"BODY.PEEK[1]", b"BODY[1]", b"hello\r\nworld\r\n"),
    (b"RFC822.HEADER", b"RFC822.HEADER", PLAIN[:PLAIN.index(b"hello")]),
    (b"RFC822.TEXT", b"RFC822.TEXT", b"hello\r\nworld\r\n"),
    (b"RFC822", b"RFC822", PLAIN),
    (b"RFC822.SIZE", b"RFC822.SIZE", str(len(PLAIN)).encode()),
])
def test_partials_fields_and_the_old_names(item: bytes, label: bytes, octets: bytes) -> None:
    assert one(PLAIN, item) == {label: octets}


def test_macros_stand_for_their_items() -> None:
    fast = {b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE"}
    assert one(PLAIN, b"FAST").keys() == fast
    assert one(PLAIN, b"all").keys() == fast | {b"ENVELOPE"}
    assert one(PLAIN, b"Full").keys() == fast | {b"ENVELOPE", b"BODY"}


def test_an_item_asked_for_twice_is_told_once() -> None:
    context = StubContext(inbox([New(PLAIN)]), read_only=True)
    answer = fetch(context, b"(FLAGS UID FLAGS BODY.PEEK[1] BODY.PEEK[1])", by_uid=True)
    assert answer == b"* 1 FETCH (UID 1 FLAGS () BODY[1] {14}\r\nhello\r\nworld\r\n)\r\n"


@pytest.mark.parametrize("items", [
    b"", b"()", b"(ALL)", b"NONSENSE", b"BODY[", b"BODY[]x", b"BODY[MIME]", b"BODY[1.]", b"BODY[0]", b"BODY[HEADER.FIELDS ()]",
    b"BODY[HEADER.FIELDS]", b"BODY[]<0>", b"BODY[]<0.0>", b"BODY[]<1.2", b"BODY.PEEK", b"(FLAGS", b"(FLAGS  UID)", b"FLAGS UID",
    b"RFC822[]", b"BODY[TEXT.1]",
])
def test_what_is_no_item_is_bad_syntax(items: bytes) -> None:
    with pytest.raises(BadSyntax):
        one(PLAIN, items)


@pytest.mark.parametrize("path", corpus(), ids=lambda path: path.name)
def test_messages_from_the_wild_read_as_the_email_package_reads_them(path: Path) -> None:
    octets = path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    found = one(octets, EVERYTHING)
    assert found[b"BODY[]"] == octets == found[b"BODY[HEADER]"] + found[b"BODY[TEXT]"]
    message = email.message_from_bytes(octets)
    subject = email.message_from_bytes(found[b"BODY[HEADER.FIELDS (SUBJECT)]"])
    assert message.defects or subject.get_all("subject") == message.get_all("subject")
    assert isinstance(found[b"ENVELOPE"], list) and len(found[b"ENVELOPE"]) == 10
    if not message.defects and message.is_multipart() and message.get_content_maintype() == "multipart":
        _compare_parts(octets, message, found[b"BODYSTRUCTURE"])


def _compare_parts(octets: bytes, message: email.message.Message, structure: list[Any]) -> None:
    parts: list[Any] = vars(message)["_payload"]
    assert len([item for item in structure if isinstance(item, list) and item and isinstance(item[0], (bytes, list))]) >= len(parts)
    for number, part in enumerate(parts, 1):
        if part.is_multipart() or part.defects:
            continue
        label = b"BODY[%d]" % number
        found = one(octets, b"BODY.PEEK[%d]" % number)[label]
        assert found is not None
        expected = vars(part)["_payload"].encode("ascii", "surrogateescape").replace(b"\r\n", b"\n").strip()
        assert found.replace(b"\r\n", b"\n").strip() == expected


def test_reading_sets_seen_once_and_tells_it_in_the_same_answer() -> None:
    mailbox = inbox([New(PLAIN), New(PLAIN, flags=SEEN | DELETED)])
    context = StubContext(mailbox)
    assert [found.get(b"FLAGS") for found in fetches(fetch(context, b"BODY[1]")).values()] == [[b"\\Seen"], None]
    assert b"FLAGS" not in fetches(fetch(context, b"BODY[1]"))[1]
    assert not context.view.has_news


def test_peek_and_examine_leave_seen_alone() -> None:
    mailbox = inbox([New(PLAIN)])
    assert b"FLAGS" not in fetches(fetch(StubContext(mailbox), b"BODY.PEEK[]"))[1]
    assert b"FLAGS" not in fetches(fetch(StubContext(mailbox, read_only=True), b"RFC822"))[1]
    assert fetches(fetch(StubContext(mailbox), b"FLAGS"))[1] == {b"FLAGS": []}


def test_flags_asked_for_beside_the_text_are_the_new_ones() -> None:
    assert fetches(fetch(StubContext(inbox([New(PLAIN)])), b"(FLAGS RFC822.TEXT)"))[1][b"FLAGS"] == [b"\\Seen"]


def test_recent_is_shown_where_it_is_so() -> None:
    context = StubContext(inbox([New(PLAIN), New(PLAIN, flags=SEEN), New(PLAIN)]), read_only=True)
    context.view.claim(2)
    answers = fetches(fetch(context, b"FLAGS"))
    assert [answers[number][b"FLAGS"] for number in (1, 2, 3)] == [[], [b"\\Seen", b"\\Recent"], [b"\\Recent"]]
    assert fetches(fetch(StubContext(inbox([New(PLAIN)])), b"(FLAGS BODY[1])"))[1][b"FLAGS"] == [b"\\Seen"]


@pytest.mark.parametrize("octets", [
    b"", b"\r\n", b"\r\nbody only", b"no header at all", b"Subject: header only\r\n", b"Subject: x\r\n\r\n",
    b"Subject: lf\n\nonly\n", b"X: " + b"y" * 20_000 + b"\r\n\r\nbody", b"Subject: big\r\n\r\n" + b"z" * 400_000,
    b"X: " + b"y" * 3_000_000,
], ids=lambda octets: repr(octets[:12]))
def test_any_octets_are_a_message(octets: bytes) -> None:
    found = one(octets, b"(ENVELOPE BODYSTRUCTURE BODY RFC822.SIZE BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT] BODY.PEEK[1])")
    assert found[b"BODY[]"] == octets
    assert found[b"BODY[HEADER]"] + found[b"BODY[TEXT]"] == octets
    assert found[b"RFC822.SIZE"] == str(len(octets)).encode()


def test_what_a_store_lacks_is_made_once_and_remembered() -> None:
    mailbox = inbox([New(PLAIN), New(NESTED)])
    assert run(mailbox.rows([(1, 2)], 2, Field.ENVELOPE | Field.INDEX)).envelopes == [b"", b""]
    answer = fetch(StubContext(mailbox, read_only=True), b"(ENVELOPE BODYSTRUCTURE)")
    kept = run(mailbox.rows([(1, 2)], 2, Field.ENVELOPE | Field.INDEX))
    assert kept.envelopes == [attributes(PLAIN).envelope, attributes(NESTED).envelope]
    assert all(kept.indexes)
    assert fetch(StubContext(mailbox, read_only=True), b"(ENVELOPE BODYSTRUCTURE)") == answer
