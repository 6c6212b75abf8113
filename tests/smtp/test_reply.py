"""Replies: nothing in their text can break out of them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailframe.model.refusal import Refusal
from mailframe.smtp.reply import Reply
from mailframe.smtp.settings import SmtpSettings


def test_one_line_and_many() -> None:
    assert Reply.of(250, "2.1.0", "Ok").encode() == b"250 2.1.0 Ok\r\n"
    assert Reply.of(250, "", "host", "SIZE 1", "DSN").encode() == b"250-host\r\n250-SIZE 1\r\n250 DSN\r\n"


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=700), st.integers(0, 999), st.text(max_size=8))
def test_any_refusal_is_whole_short_printable_lines(public: str, code: int, enhanced: str) -> None:
    wire = Reply.from_refusal(Refusal(public, smtp=(code, enhanced))).encode()
    *lines, last = wire.decode("ascii").split("\r\n")
    assert last == "" and lines
    for line in lines:
        assert line.isprintable() and len(line) <= 510 and line[:3] == lines[0][:3] and line[4] == lines[0][0] in "45"
    assert [line[3] for line in lines] == ["-"] * (len(lines) - 1) + [" "]


@pytest.mark.parametrize(("code", "positive", "temporary"), [
    (250, True, False), (354, True, False), (451, False, True), (550, False, False),
])
def test_what_a_code_means(code: int, positive: bool, temporary: bool) -> None:
    reply = Reply.of(code, "", "x")
    assert (reply.positive, reply.temporary) == (positive, temporary)


def test_a_submission_server_wants_a_login_unless_told_otherwise() -> None:
    assert SmtpSettings(role="submission").wants_login and not SmtpSettings().wants_login
    assert not SmtpSettings(role="submission", require_login=False).wants_login
