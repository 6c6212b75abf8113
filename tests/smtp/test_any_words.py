"""Whatever is said with the smaller words gets an answer that is one of theirs, and never an internal error."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.smtpworld import SmtpWorld

from mailframe.model.solicitation import classes, unwanted
from mailframe.smtp.extensions.etrn import node
from mailframe.smtp.syntax import SyntaxFault

ARGS = st.one_of(
    st.binary(max_size=60), st.text(max_size=40).map(str.encode),
    st.text("<>@\"\\ .:;#,=+-SMTPUTF80129TZé", max_size=30).map(str.encode),
).map(lambda octets: re.sub(rb"[\r\n\0]", b"", octets))


def world() -> SmtpWorld:
    made = SmtpWorld(max_errors=1_000, max_refused_recipients=1_000, no_soliciting=("net.example:ADV",), max_recipient_domains=3)
    made.reception.honours |= {"VRFY", "EXPN", "ETRN", "RRVS"}
    return made


@pytest.mark.parametrize("before", [
    b"VRFY ", b"EXPN ", b"ETRN ", b"HELP ", b"NOOP ", b"MAIL FROM:<> SOLICIT=", b"RCPT TO:<bob@mx.example> RRVS=",
])
@settings(max_examples=50, deadline=None)
@given(args=ARGS)
def test_there_is_always_an_answer(before: bytes, args: bytes) -> None:
    player = world().connect()
    player.send(b"EHLO c\r\n" + (b"MAIL FROM:<>\r\n" if before.startswith(b"RCPT") else b""))
    player.transport.clear()
    player.send(before + args + b"\r\n")
    replies = player.transport.value()
    assert re.fullmatch(rb"(?:\d{3}-[^\r\n]*\r\n)*\d{3} [^\r\n]*\r\n", replies) and not replies.startswith((b"451", b"421"))
    player.transport.drop(player.protocol)


@settings(max_examples=60, deadline=None)
@given(ARGS)
def test_a_node_is_a_domain_or_a_refusal(args: bytes) -> None:
    try:
        domain, _ = node(args)
    except SyntaxFault:
        return
    except Exception as error:
        assert getattr(error, "smtp", None) == (458, "4.5.0")
        return
    assert domain == domain.lower() and " " not in domain


@given(st.lists(st.from_regex(r"[a-z][a-z.]{0,5}(:[A-Z]{1,4}){0,2}", fullmatch=True), min_size=1, max_size=5))
def test_classes_are_what_was_said(words: list[str]) -> None:
    assert classes(",".join(words)) == tuple(words) and classes(", ".join(words)) == tuple(words)
    assert unwanted(words, ("*",)) is not None and unwanted(words, ()) is None
    assert unwanted(words, [words[-1].upper()]) is not None
    assert unwanted([f"{words[0]}x"], [words[0]]) is None and unwanted([f"{words[0]}:x"], [words[0]]) is not None
