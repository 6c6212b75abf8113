"""Addresses without a domain, where the operator wants them made whole (RFC 6409 sections 4.2 and 8.8)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.pipelineworld import USER, PipelineWorld, to
from support.smtpworld import SmtpWorld

from mailframe.model.address import Address
from mailframe.model.refusal import SenderNotAllowed
from mailframe.pipeline.settings import PipelineSettings
from mailframe.pipeline.submission.completing import completed
from mailframe.pipeline.submission.settings import SubmissionSettings
from mailframe.smtp.syntax import with_domain


@pytest.mark.parametrize(("field", "whole"), [
    (b"To: alice\r\n", b"To: alice@d.example\r\n"),
    (b"TO : alice ,\r\n bob@b.example\r\n", b"TO : alice@d.example,\r\n\tbob@b.example\r\n"),
    (b"Cc: Alice Smith <alice>, \"Smith, Bob\" <bob>\r\n",
     b"Cc: Alice Smith <alice@d.example>,\r\n\t\"Smith, Bob\" <bob@d.example>\r\n"),
    (b"From: =?utf-8?q?A?= <alice>\n", b"From: =?utf-8?q?A?= <alice@d.example>\n"),
    (b"Resent-To: us: alice, \"b c\"@b.example;, eve",
     b"Resent-To: us: alice@d.example,\r\n\t\"b c\"@b.example;,\r\n\teve@d.example"),
    (b"To: alice@b.example (alice)\r\n", None),
    (b"To: undisclosed recipients\r\n", None),
    (b"To: undisclosed-recipients:;\r\n", None),
    (b"To: <>\r\n", None),
    (b"To:\r\n", None),
    (b"Subject: alice\r\n", None),
    (b"To: a;a(:\r\n", None),
    (b"To: " + b"alice," * 4_000 + b"\r\n", None),
])
def test_bare_addresses_are_completed_and_all_else_stays(field: bytes, whole: bytes | None) -> None:
    assert completed(b"X: 1\r\n" + field, b"d.example") == b"X: 1\r\n" + (whole or field)


@given(st.text(alphabet='ab <>@,;:"()\\\r\n\t.', max_size=60))
@settings(max_examples=60, deadline=None)
def test_any_header_stays_one_and_is_whole_after_once(text: str) -> None:
    once = completed(b"To:" + text.encode(), b"d.example")
    assert completed(once, b"d.example") == once


@pytest.mark.parametrize(("path", "domain", "whole"), [
    ("alice", "d.example", "alice@d.example"), ("alice", "", "alice"), ("", "d.example", ""), ("a@b", "d.example", "a@b"),
    ("Postmaster", "d.example", "Postmaster"), ('"a@b"', "d.example", '"a@b"@d.example'), ('"a"@b', "d.example", '"a"@b'),
])
def test_a_bare_path_is_completed(path: str, domain: str, whole: str) -> None:
    assert with_domain(path, domain) == whole


def test_in_mail_and_rcpt() -> None:
    world = SmtpWorld(complete_domain="d.example")
    player = world.connect()
    player.send(b"EHLO x\r\nMAIL FROM:<alice>\r\nRCPT TO:<bob>\r\nRCPT TO:<postmaster>\r\n")
    [delivery] = world.reception.deliveries
    assert str(delivery.envelope.sender) == "alice@d.example"
    assert [str(each) for each in delivery.recipients] == ["bob@d.example", "postmaster"]


def test_who_is_completed_is_checked_as_such() -> None:
    place = PipelineWorld(settings=PipelineSettings(submission=SubmissionSettings(complete_domain="Example.ORG")))
    me = Address.parse("bob@example.org")
    place.send(to("bob@example.org"), peer=USER, sender=me, content=b"From: Bob <bob>\r\nBcc: secret\r\nTo: eve\r\n\r\nTo: eve\r\n")
    assert place.mail("bob")[0].endswith(b"\r\nFrom: Bob <bob@example.org>\r\nTo: eve@example.org\r\n\r\nTo: eve\r\n")
    with pytest.raises(SenderNotAllowed):
        place.send(to("bob@example.org"), peer=USER, sender=me, content=b"From: eve\r\n\r\n")
    with pytest.raises(ValueError, match="not a domain"):
        SubmissionSettings(complete_domain="-x-")
