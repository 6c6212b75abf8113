"""SEARCH gives the same answers by reading, from kept texts and by the full-text index, however far these are made."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.imap_stub import run
from support.messages import corpus
from support.textworld import World

from mailframe.mime.casemap import fold
from mailframe.model.mailbox import New
from mailframe.model.query import And, InBody, InHeader, InText, Not, Or, Query

MAIL = corpus()
WORDS = ("alpha", "Beta", "gamma delta", "Größe", "STRASSE straße", "ünï", "日本語のメール", "İstanbul", "ﬁne", "K", "=?",
         "a:b", "x\0y", "Received")
HEADS = (b"", b"Return-Path: <ada@example.org>\r\n", b"Received: from alpha\r\n\tby beta; x\r\nX-Odd: gr\xc3\xb6\xc3\x9fe\r\n",
         b"Subject: =?utf-8?q?beta=0Agamma?=\r\n", b"X-Latin: \xe9t\xe9\r\nReturn-Path: <>\r\n", b"Delivered-To:  Beta\r\n")
NEEDLES = ("alpha", "bet", "a d", "größe", "strasse", "ss", "日本語", "本", "i̇s", "fi", "k", "", "=?", "a:b", ": ", "x\0y", "y",
           "\n", "beta\n", "subject: ", "subject: alpha", "received", "absent", "from alpha\tby", "\nsubject",
           "été", "ét", "example.org", '"', "return-path: <>")

ODD_LINES = (b" folded", b"no field", b"Content-Type: text/html; charset=utf-8", b"Content-Transfer-Encoding: base64",
             b"Content-Type: application/pdf", b"Content-Type: multipart/mixed; boundary=b", b"Content-Type: message/rfc822")
NO_BODY = (b"", b"\r\n", b"\n", b"\r\n\r\n")
NAMES = (b"subject", b"from", b"received", b"x-note", b"return-path", b"x-none", b"content-type", b"", b"a b", b"subject: alpha")


@st.composite
def messages(draw: st.DrawFn) -> New:
    word = st.sampled_from(WORDS)
    lines: list[bytes] = []
    for name in draw(st.lists(st.sampled_from(["Subject", "From", "Received", "SUBJECT ", "X-Note"]), max_size=4)):
        value = draw(word).encode(draw(st.sampled_from(["utf-8", "utf-8", "utf-16"])))
        how = draw(st.sampled_from(["raw", "b", "q", "folded"]))
        if how == "b":
            value = b"=?utf-8?b?" + base64.b64encode(value) + b"?="
        elif how == "q":
            value = b"=?utf-8?q?" + b"".join(b"=%02X" % octet for octet in value) + b"=0A" * draw(st.integers(0, 1)) + b"?="
        elif how == "folded":
            value = value.replace(b" ", b"\r\n ") + b"\r\n\tand more"
        lines.append(name.encode() + b": " + value.replace(b"\n", b" "))
    lines += draw(st.lists(st.sampled_from(ODD_LINES), max_size=2))
    if draw(st.booleans()):
        lines.insert(0, lines.pop() if lines else b"")
    body = " ".join(draw(st.lists(word, max_size=3))).encode()
    shape = draw(st.sampled_from(["plain", "base64", "parts", "inner", "none"]))
    if shape == "base64":
        body = base64.b64encode(body)
    elif shape == "parts":
        body = b"--b\r\nContent-Type: text/html\r\n\r\n<b>al</b>pha &amp; " + body + b"\r\n--b\r\n\r\n" + body + b"\r\n--b--\r\n"
    elif shape == "inner":
        body = b"Subject: =?utf-8?b?" + base64.b64encode(body) + b"?=\r\n\r\n" + body
    octets = b"\r\n".join(lines) + (b"\r\n\r\n" + body if shape != "none" else draw(st.sampled_from(NO_BODY)))
    if draw(st.integers(0, 9)) == 0:
        octets = draw(st.binary(max_size=40)) + octets
    return New(octets, draw(st.sampled_from(HEADS)))


needles = st.sampled_from([fold(needle) for needle in NEEDLES]) | st.text(max_size=3).map(fold)
names = st.sampled_from(NAMES)
leaf_queries: st.SearchStrategy[Query] = st.one_of(
    st.builds(InHeader, names, needles), st.builds(InBody, needles), st.builds(InText, needles))
queries = st.recursive(leaf_queries, lambda inner: st.one_of(
    st.builds(Not, inner), st.builds(lambda one, two: And((one, two)), inner, inner),
    st.builds(lambda one, two: Or((one, two)), inner, inner)), max_leaves=3)


@settings(max_examples=60, deadline=None)
@given(st.lists(messages(), min_size=1, max_size=6), st.lists(queries, min_size=1, max_size=6), st.booleans())
def test_the_same_answers_at_every_stage_of_the_work(new: list[New], asked: list[Query], words: bool) -> None:
    world = World(words)
    world.maker = world.fresh_maker(together=2, page=3)
    box = world.mailbox()
    run(box.append(new))
    expected = [world.read(query) for query in asked]
    for _ in range(8):
        assert [world.search(query) for query in asked] == expected
        world.make(1)
    world.make()
    assert [world.search(query) for query in asked] == expected
    run(box.copy([1], run(world.account.find_mailbox("Archive")).id))
    run(box.expunge([1], False))
    world.sweep()
    for name in ("INBOX", "Archive"):
        assert [world.search(query, name) for query in asked] == [world.read(query, name) for query in asked]


@pytest.mark.parametrize("words", [False, True])
@pytest.mark.parametrize(("head", "content", "leaf", "there"), [
    (b"X-Tag: =?utf-8?b?YWxwaGE=?=\r\n", b"Subject: x\r\n\r\n", InText(fold("alpha")), True),
    (b"Delivered-To: Beta\r\n", b" folded\r\n\r\n", InText(fold("beta folded")), True),
    (b"Delivered-To: Beta\r\n", b" folded\r\n\r\n", InHeader(b"delivered-to", fold("folded")), True),
    (b"Delivered-To: Beta\r\n", b"Subject: x\r\n\r\n", InText(fold("beta\nsubject")), True),
    (b"", b"X-Note: =?utf-8?q?a=0Asubject:_alpha?=\r\n\r\n", InHeader(b"subject", fold("alpha")), False),
    (b"", b"X-Note: =?utf-8?q?a=0Asubject:_alpha?=\r\n\r\n", InHeader(b"x-note", fold("alpha")), True),
    (b"", b"Received: one\r\nSubject: two\r\nReceived: three\r\n\r\n", InHeader(b"received", fold("two")), False),
    (b"", b"Received: one\r\nSubject: two\r\nReceived: three\r\n\r\n", InHeader(b"received", fold("three")), True),
    (b"", b"Received: one\r\nSubject: two\r\n\r\n", InHeader(b"received", ""), True),
    (b"", b"X-Received: one\r\n\r\n", InHeader(b"received", ""), False),
    (b"Received: by a\r\n\tfor b\r\n", b"\r\nbody", InHeader(b"received", fold("a\tfor b")), True),
    (b"a: b\r\n" * 1_100, b"Subject: x\r\n\r\n", InHeader(b"subject", fold("x")), True),
    (b"X: " + b"y" * 3_000 + b" gamma\r\n", b"Subject: x\r\n\r\n", InText(fold("gamma")), True),
    (b"", b"a: b\r\n" * 2_100 + b"Subject: x\r\n\r\n", InHeader(b"subject", fold("x")), False),
    (b"", b"\r\nsubject: x", InText(fold("subject: x")), True),
    (b"", b"a: b\r\n\r\nan other", InBody(fold("an o")), True),
    (b"", b"a: b\r\n\r\n\xe2\x84\xaa", InBody(fold("k")), True),            # KELVIN SIGN
    (b"", b"a: b\r\nContent-Type: text/plain; charset=utf-7\r\n\r\n+2D0-", InBody(fold("\ufffd")), False),
    (b"", b'a: b\r\n\r\nsays "quoted" words', InBody(fold('"quoted"')), True),
    (b"", b"Subject: al\r\n\r\npha", InText(fold("alpha")), False),
])
def test_awkward_cases(words: bool, head: bytes, content: bytes, leaf: Query, there: bool) -> None:
    world = World(words)
    run(world.mailbox().append([New(content, head)]))
    assert world.read(leaf) == [1] * there
    world.make()
    assert world.search(leaf) == [1] * there


@pytest.mark.parametrize("words", [False, True])
@pytest.mark.skipif(not MAIL, reason="the corpus of messages is not beside the repository")
def test_the_same_answers_over_real_mail(words: bool) -> None:
    world = World(words)
    run(world.mailbox().append([New(path.read_bytes(), HEADS[number % len(HEADS)]) for number, path in enumerate(MAIL)]))
    asked: list[Query] = [
        InBody(fold("the")), InText(fold("example")), InHeader(b"subject", fold("re")), InHeader(b"from", fold("com")),
        InBody(fold("ü")), InText(fold("from: ")), InHeader(b"received", fold("by")), InHeader(b"content-type", ""),
        InText(fold("utf-8")), InBody(fold("absent word")), InText(fold("é"))]
    expected = [world.read(query) for query in asked]
    assert any(expected)
    world.make(1)
    assert [world.search(query) for query in asked] == expected
    world.make()
    assert [world.search(query) for query in asked] == expected
    assert len(world.left_open(InBody(fold("the")))) < len(MAIL) // 10
