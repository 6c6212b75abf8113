"""SEARCH finds what a naive look at each message finds, and keeps the reactor free meanwhile."""

from __future__ import annotations

import base64
import datetime
import email
import email.policy
from itertools import accumulate
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.imap_stub import inbox, run, uids
from zope.interface import alsoProvides

from mailframe.imap.cursor import BadSyntax, Cursor
from mailframe.imap.paging import after, overlap
from mailframe.imap.search.matching import Columns
from mailframe.imap.search.returning import BUILT_IN, PARTIAL, response, window, window_of, worth_saving
from mailframe.imap.search.searching import MAX_ASKED, Searching, narrowed
from mailframe.imap.search.searchkeys import SEARCH_KEYS, KeyReader, program
from mailframe.interfaces.store import ISearchable
from mailframe.mime.casemap import fold
from mailframe.mime.searchtext import line_end
from mailframe.model.flags import ANSWERED, DELETED, FLAGGED, SEEN, keyword_bit
from mailframe.model.mailbox import MAX_UID, New, Rows, TextMatches
from mailframe.model.query import (
    And,
    Everything,
    HasFlags,
    HasKeyword,
    InBody,
    InHeader,
    InText,
    Not,
    Or,
    Query,
    Received,
    Sent,
    Size,
    Uids,
    resolve,
)
from mailframe.pacing.breath import Breath

KEYS = {key.name: key for key in SEARCH_KEYS}
WORDS = ("alpha", "beta", "gamma", "Größe", "ünï")
BREATH = Breath(lambda: 0.0, lambda: None)  # type: ignore[arg-type, return-value]


def make(number: int, subject: str, body: str, encoding: str) -> bytes:
    words = subject if subject.isascii() else f"=?utf-8?b?{base64.b64encode(subject.encode()).decode()}?="
    octets = body.encode()
    text = base64.encodebytes(octets).replace(b"\n", b"\r\n") if encoding == "base64" else octets + b"\r\n"
    day = datetime.date(2024, 1, 1 + number % 5).strftime("%a, %d %b %Y")
    return (
        f"From: p{number % 3}@example.org\r\nSubject: {words}\r\nDate: {day} 23:30:00 -0500\r\nMIME-Version: 1.0\r\n"
        f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    ).encode() + text


@st.composite
def mailboxes(draw: st.DrawFn) -> list[New]:
    messages = []
    for number in range(draw(st.integers(0, 8))):
        octets = make(number, draw(st.sampled_from(WORDS)), draw(st.sampled_from(WORDS)), draw(st.sampled_from(["8bit", "base64"])))
        flags = draw(st.sampled_from([0, SEEN, FLAGGED, SEEN | ANSWERED, keyword_bit(0), keyword_bit(1) | DELETED]))
        messages.append(New(octets, flags=flags, date=draw(st.integers(0, 9)) * 40_000, size=len(octets)))
    return messages


texts = st.sampled_from([fold(word[:4]) for word in WORDS] + ["EXAMPLE", "SUBJECT", "MISSING", ""])
leaf_queries: st.SearchStrategy[Query] = st.one_of(
    st.just(Everything()),
    st.builds(HasFlags, st.sampled_from([SEEN, FLAGGED, ANSWERED, DELETED])),
    st.builds(HasKeyword, st.sampled_from(["One", "TWO", "three"])),
    st.builds(lambda low, size: Uids(((low, low + size),)), st.integers(1, 8), st.integers(0, 3)),
    st.builds(Size, st.integers(0, 300), st.integers(150, 400)),
    st.builds(Received, st.integers(0, 200_000), st.integers(100_000, 400_000)),
    st.builds(lambda day: Sent(day, day + 2), st.integers(738_885, 738_892)),
    st.builds(InHeader, st.sampled_from([b"subject", b"from", b"x-none"]), texts),
    st.builds(InBody, texts),
    st.builds(InText, texts),
)
queries = st.recursive(leaf_queries, lambda inner: st.one_of(
    st.builds(Not, inner),
    st.builds(lambda parts: And(tuple(parts)), st.lists(inner, min_size=1, max_size=3)),
    st.builds(lambda parts: Or(tuple(parts)), st.lists(inner, min_size=1, max_size=3)),
), max_leaves=6)


def naive(query: Query, uid: int, message: New) -> bool:
    assert isinstance(message.content, bytes)
    parsed = email.message_from_bytes(message.content, policy=email.policy.default)
    match query:
        case Not(part):
            return not naive(part, uid, message)
        case And(parts):
            return all(naive(part, uid, message) for part in parts)
        case Or(parts):
            return any(naive(part, uid, message) for part in parts)
        case Everything():
            return True
        case HasFlags(mask):
            return message.flags & mask == mask
        case HasKeyword(name):
            return name.lower() in ("one", "two") and bool(message.flags & keyword_bit(("one", "two").index(name.lower())))
        case Uids(ranges):
            return any(low <= uid <= high for low, high in ranges)
        case Size(low, high):
            return low <= len(message.content) <= high
        case Received(first, until):
            return first <= message.date < until
        case Sent(first, until):
            return first <= parsed["date"].datetime.date().toordinal() < until
        case InHeader(name, text):
            value = parsed[name.decode()]
            return value is not None and text in fold(str(value))
        case InBody(text):
            return text in fold(parsed.get_content())
        case InText(text):
            header = "\n".join(f"{name}: {value}" for name, value in parsed.items())
            return text in fold(header) or text in fold(parsed.get_content())
    raise AssertionError(query)


@settings(max_examples=60, deadline=None)
@given(mailboxes(), queries)
def test_a_search_finds_what_a_naive_look_finds(messages: list[New], query: Query) -> None:
    mailbox = inbox()
    run(mailbox.keywords(("One", "Two")))
    run(mailbox.append(messages))
    found = run(Searching(mailbox, ("One", "Two"), query, BREATH).among([(1, MAX_UID)]))
    assert list(found) == [uid for uid, message in enumerate(messages, 1) if naive(query, uid, message)]


def parsed(keys: bytes) -> Query:
    cursor = Cursor(keys)
    query = program(KeyReader(cursor, KEYS))
    cursor.end()
    return resolve(query, lambda given: ((1, 1),))


def test_chained_ors_are_one_node_however_they_are_nested() -> None:
    """Programs chain OR for every address of a thread: depth must not grow with it."""
    chain = b" ".join(b"OR FROM a%d" % number for number in range(500)) + b" SEEN"
    query = parsed(chain)
    assert isinstance(query, Or) and len(query.parts) == 501
    assert isinstance(parsed(b"OR " * 500 + b"SEEN " * 500 + b"SEEN"), Or)


@pytest.mark.parametrize("keys", [
    b"(" * 1_000 + b"SEEN" + b")" * 1_000, b"NOT " * 1_000 + b"SEEN", b"OR " * 3_000 + b"SEEN", b"SEEN " * 3_000 + b"SEEN",
    b"", b"SEEN ", b"()", b"(SEEN", b"OR SEEN", b"NOT", b"LARGER x", b"SINCE 32-Jan-2024", b"SINCE 1-Foo-2024", b"KEYWORD", b"UID",
    b"HEADER X", b"SUBJECT", b"KEYWORD \\Seen", b"SEEN)",
])
def test_bombs_and_nonsense_are_bad_syntax(keys: bytes) -> None:
    with pytest.raises(BadSyntax):
        parsed(keys)


def test_octets_are_read_only_of_what_the_columns_leave_open() -> None:
    mailbox = inbox([New(make(number, "alpha", "beta", "8bit"), flags=number % 2) for number in range(10)])
    reads: list[int] = []

    async def read(uid: int, offset: int, size: int) -> bytes:
        reads.append(uid)
        return bytes(await type(mailbox).read(mailbox, uid, offset, size))

    mailbox.read = read  # type: ignore[method-assign]
    run(Searching(mailbox, (), And((InBody(fold("beta")), HasFlags(SEEN), Uids(((1, 5),)))), BREATH).among([(1, MAX_UID)]))
    assert reads == [2, 4]
    reads.clear()
    run(Searching(mailbox, (), Or((Everything(), InBody(fold("beta")))), BREATH).among([(1, MAX_UID)]))
    assert reads == []


def test_a_store_that_knows_texts_is_asked_once_for_each_and_only_what_is_open_is_read() -> None:
    mailbox: Any = inbox([New(make(number, "alpha", "beta", "8bit"), flags=number % 2) for number in range(10)])
    asked: list[tuple[Query, list[tuple[int, int]]]] = []
    reads: list[int] = []

    async def search(leaf: Query, ranges: list[tuple[int, int]]) -> TextMatches:
        asked.append((leaf, ranges))
        return TextMatches(uids([2]), uids([4, 6])) if isinstance(leaf, InBody) else TextMatches(uids([]), uids([]))

    async def read(uid: int, offset: int, size: int) -> bytes:
        reads.append(uid)
        return bytes(await type(mailbox).read(mailbox, uid, offset, size))

    mailbox.search, mailbox.read = search, read
    alsoProvides(mailbox, ISearchable)
    query = And((Or((InBody(fold("beta")), InHeader(b"to", fold("eve")), InBody(fold("beta")))), HasFlags(SEEN)))
    assert run(Searching(mailbox, (), query, BREATH).among([(1, MAX_UID)])) == [2, 4, 6]
    assert asked == [(InHeader(b"to", fold("eve")), [(uid, uid) for uid in (2, 4, 6, 8, 10)]),
                     (InBody(fold("beta")), [(uid, uid) for uid in (2, 4, 6, 8, 10)])]
    assert reads == [4, 6]
    asked.clear()
    many = Or((*(InBody(fold(f"word {number}")) for number in range(MAX_ASKED + 5)), InBody(fold("beta"))))
    assert run(Searching(mailbox, (), many, BREATH).among([(2, 2)])) == [2]
    assert len(asked) <= MAX_ASKED


def test_others_get_their_turn_every_few_milliseconds() -> None:
    """I2: with a clock that moves 1 ms at each look, a search of 100 texts pauses about every fifth."""
    mailbox = inbox([New(make(number, "alpha", "beta", "8bit")) for number in range(100)])
    clock = SimpleNamespace(now=0.0, turns=0)

    def seconds() -> float:
        clock.now += 0.001
        return float(clock.now)

    async def turn() -> None:
        clock.turns += 1

    found = run(Searching(mailbox, (), InBody(fold("beta")), Breath(seconds, turn)).among([(1, MAX_UID)]))
    assert len(found) == 100
    assert clock.turns >= 20


def test_three_valued_columns_know_what_they_do_not_know() -> None:
    rows = Rows(uids([1, 2, 3]))
    rows.flags.extend([SEEN, 0, SEEN | FLAGGED])
    certain, doubtful = Columns(rows, ()).judge(Or((HasFlags(FLAGGED), And((HasFlags(SEEN), InBody(fold("x")))))))
    assert (certain, doubtful) == (b"\0\0\1", b"\1\0\0")


def test_ranges_are_cut_and_narrowed() -> None:
    assert after([(1, 5), (8, 9)], 3) == [(4, 5), (8, 9)]
    assert after([(1, 5), (8, 9)], 5) == [(8, 9)]
    assert after([(1, 5), (8, 9)], 9) == []
    assert overlap([(1, 5), (8, 20)], [(4, 9), (12, 13), (20, 30)]) == [(4, 5), (8, 9), (12, 13), (20, 20)]
    assert narrowed([(1, 100)], And((HasFlags(1), Uids(((3, 4),)), Uids(((4, 9),))))) == [(4, 4)]
    assert narrowed([(1, 100)], Or((HasFlags(1), Uids(((3, 4),))))) == [(1, 100)]


@pytest.mark.parametrize(("options", "line", "saved"), [
    ({b"ALL"}, b"ESEARCH (TAG \"t\") UID ALL 2:3,7", [2, 3, 7]),
    ({b"MIN", b"SAVE"}, b"ESEARCH (TAG \"t\") UID MIN 2", [2]),
    ({b"MAX", b"SAVE"}, b"ESEARCH (TAG \"t\") UID MAX 7", [7]),
    ({b"MIN", b"MAX", b"SAVE"}, b"ESEARCH (TAG \"t\") UID MIN 2 MAX 7", [2, 7]),
    ({b"MIN", b"COUNT", b"SAVE"}, b"ESEARCH (TAG \"t\") UID MIN 2 COUNT 3", [2, 3, 7]),
    ({b"PARTIAL": (1, 2), b"SAVE": None}, b"ESEARCH (TAG \"t\") UID PARTIAL (1:2 2:3)", [2, 3]),
    ({b"PARTIAL": (-1, -2), b"SAVE": None}, b"ESEARCH (TAG \"t\") UID PARTIAL (-1:-2 3,7)", [3, 7]),
    ({b"PARTIAL": (-3, -9), b"MAX": None}, b"ESEARCH (TAG \"t\") UID MAX 7 PARTIAL (-3:-9 2)", [2, 7]),
    ({b"PARTIAL": (4, 9)}, b"ESEARCH (TAG \"t\") UID PARTIAL (4:9 NIL)", []),
    ({b"PARTIAL": (-4, -9), b"COUNT": None}, b"ESEARCH (TAG \"t\") UID COUNT 3 PARTIAL (-4:-9 NIL)", [2, 3, 7]),
])
def test_extended_answers_and_what_dollar_stands_for_afterwards(
    options: set[bytes] | dict[bytes, object], line: bytes, saved: list[int],
) -> None:
    found = uids([2, 3, 7])
    known = {option.name: option for option in (*BUILT_IN, PARTIAL)}
    asked = dict(options) if isinstance(options, dict) else dict.fromkeys(options)
    assert response(found, asked, known, b"t", True) == line
    assert list(worth_saving(found, asked, known)) == saved
    assert list(worth_saving(uids([]), asked, known)) == []


@given(st.lists(st.integers(1, 5), max_size=6), st.integers(1, 12), st.integers(1, 12), st.booleans())
def test_a_window_into_spans_is_one_into_what_lies_in_them(gaps: list[int], first: int, last: int, backwards: bool) -> None:
    ends = list(accumulate(gaps))
    spans = list(zip(ends[::2], ends[1::2]))
    inside = [number for start, stop in spans for number in range(start, stop)]
    first, last = min(first, last), max(first, last)
    wanted = (-first, -last) if backwards else (first, last)
    assert [number for start, stop in window_of(spans, wanted) for number in range(start, stop)] == list(window(inside, wanted))


def test_text_is_found_deep_in_a_large_message() -> None:
    filler = base64.encodebytes(b"x" * 2_000_000).replace(b"\n", b"\r\n")
    long = base64.encodebytes(b"word after word " * 50_000 + b"and the last one").replace(b"\n", b"\r\n")
    large = (
        b"Subject: big\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n" + filler +
        b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: Forwarded\r\n\r\nwithin the Forwarded one\r\n"
        b"--b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        b"<p>Gr=C3=B6<b>=C3=9Fe</b></p>\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + long + b"--b--\r\n"
    )
    mailbox = inbox([New(large, size=len(large))])
    for text, there in (
        ("größe", True), ("word and the last one", True), ("after after", False),
        ("within the forwarded", True), ("subject: forwarded", False),
        ("xxxx", False),
    ):
        found = run(Searching(mailbox, (), InBody(fold(text)), BREATH).among([(1, MAX_UID)]))
        assert bool(found) is there, text
    for text in ("subject: forwarded", "content-type: application/octet-stream"):
        assert list(run(Searching(mailbox, (), InText(fold(text)), BREATH).among([(1, MAX_UID)]))) == [1]


def test_pieces_of_text_are_cut_where_no_word_is() -> None:
    assert line_end(b"one\r\ntwo\r\nthr") == 10
    assert line_end(b"one\r\ntwo=\r\nthr=\r\nee") == 5
    assert line_end(b"no line end") == 11
