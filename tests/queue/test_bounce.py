"""Reports as mail programs and other servers read them (RFC 3464, RFC 6533)."""

from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage, Message

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailframe.model.address import Address
from mailframe.model.envelope import Envelope, Recipient
from mailframe.model.refusal import Refusal
from mailframe.queue.bounce import Report, render
from mailframe.queue.item import RELAYED, Entry, Problem

REFUSED = Problem("The next mail server refused the message", 550, "5.1.1", "mx.example.net", "550 5.1.1 <bob> no such user")
ORIGINAL = b"From: alice@example.org\r\nMessage-ID: <one@example.org>\r\nSubject: Hello\r\n\r\n"


def report(*entries: Entry, original: bytes = ORIGINAL, whole: bool = False, sender: str = "alice@example.org",
           smtputf8: bool = False, envid: str | None = None) -> EmailMessage:
    envelope = Envelope("e1", Address.parse(sender), smtputf8=smtputf8, envid=envid)
    octets = render(Report("r1", "mx.example.org", envelope, 0.0, 60.0, entries, original, whole))
    assert octets.replace(b"\r\n", b"").find(b"\n") < 0
    parsed = message_from_bytes(octets, policy=policy.SMTP)
    assert isinstance(parsed, EmailMessage)
    assert not parsed.defects
    return parsed


def failed(address: str, problem: Problem = REFUSED, orcpt: str | None = None) -> Entry:
    return Entry(Recipient(Address.parse(address), orcpt=orcpt), "failed", problem, 30.0)


def parts(message: Message) -> list[Message]:
    payload = message.get_payload()
    assert isinstance(payload, list)
    return payload


def test_a_failure_names_recipient_reason_and_next_hop() -> None:
    message = report(failed("bob@example.net", orcpt="rfc822;bobby@example.org"), envid="QQ314159")
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert message["From"] == "Mail Delivery System <MAILER-DAEMON@mx.example.org>"
    assert message["To"] == "alice@example.org"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["In-Reply-To"] == "<one@example.org>"
    text, status, returned = parts(message)
    assert "bob@example.net" in text.get_payload() and "no such user" in text.get_payload()
    about, one = parts(status)
    assert about["Reporting-MTA"] == "dns; mx.example.org"
    assert about["Original-Envelope-Id"] == "QQ314159"
    assert about["Arrival-Date"] == "Thu, 01 Jan 1970 00:00:00 +0000"
    assert one["Original-Recipient"] == "rfc822;bobby@example.org"
    assert one["Final-Recipient"] == "rfc822; bob@example.net"
    assert (one["Action"], one["Status"]) == ("failed", "5.1.1")
    assert one["Remote-MTA"] == "dns; mx.example.net"
    assert one["Diagnostic-Code"] == "smtp; 550 5.1.1 <bob> no such user"
    assert returned.get_content_type() == "text/rfc822-headers"
    assert "Subject: Hello" in returned.get_payload()


def test_one_report_tells_of_several_recipients_and_kinds_of_news() -> None:
    message = report(
        failed("bob@example.net"),
        Entry(Recipient(Address.parse("eve@example.com")), "delayed", Problem("busy", 451, "4.3.0"), 30.0, 432_000.0),
        Entry(Recipient(Address.parse("joe@example.com")), "relayed", RELAYED, 30.0))
    assert "could not be delivered" in message["Subject"]
    _, bob, eve, joe = parts(parts(message)[1])
    assert (bob["Action"], eve["Action"], joe["Action"]) == ("failed", "delayed", "relayed")
    assert eve["Will-Retry-Until"] == "Tue, 06 Jan 1970 00:00:00 +0000"
    assert joe["Status"] == "2.1.9" and joe["Diagnostic-Code"] is None


def test_a_reply_to_a_hand_over_is_shown_as_it_was() -> None:
    """RFC 3461 section 6.3 (h) and (i)."""
    taken = replace(RELAYED, mta="mx.example.net", diagnostic="250 2.0.0 Ok: queued as 4711")
    message = report(Entry(Recipient(Address.parse("joe@example.net"), frozenset({"SUCCESS"})), "relayed", taken))
    [_, joe] = parts(parts(message)[1])
    assert (joe["Remote-MTA"], joe["Diagnostic-Code"]) == ("dns; mx.example.net", "smtp; 250 2.0.0 Ok: queued as 4711")
    assert "will not report what becomes of it (mx.example.net)." in " ".join(parts(message)[0].get_payload().split())


@pytest.mark.parametrize(("codes", "kept"), [
    ((550, "4.1.1"), (550, "5.0.0")), ((451, "5.1.1"), (451, "4.0.0")), ((550, "5.01.010"), (550, "5.1.10")),
    ((550, "bad"), (550, "5.0.0")), ((250, "2.0.0"), (451, "4.3.0")), ((999, "9.9.9"), (451, "4.3.0")),
    ((452, "4.2.2"), (452, "4.2.2")),
])
def test_a_status_agrees_with_its_reply(codes: tuple[int, str], kept: tuple[int, str]) -> None:
    """RFC 3464 section 2.3.4, RFC 3463 section 2; I7: a plugin's refusal is never taken for a delivery."""
    problem = Problem.of(Refusal(smtp=codes))
    assert (problem.code, problem.status) == kept and not problem.served


def test_only_what_another_server_said_is_shown_as_its_words() -> None:
    """RFC 3464 sections 2.3.5 and 2.3.6: Remote-MTA is who reported, and "smtp" a reply that was given."""
    unreached = Problem("mx.example.net: nobody listens there", 550, "5.4.7", "mx.example.net")
    worn_out = Problem("x", 550, "5.4.7", "mx.example.net", "451 4.7.1 come again")
    handed_on = replace(RELAYED, mta="mx.example.net")
    message = report(
        failed("bob@example.net", unreached), failed("eve@example.net", worn_out),
        Entry(Recipient(Address.parse("joe@example.net")), "relayed", handed_on))
    text, status, _ = parts(message)
    words = " ".join(text.get_payload().split())
    assert "mx.example.net: nobody listens there" in words and "said: mx" not in words and "550" not in words
    assert "mx.example.net said: 451 4.7.1 come again - again and again, until the time for it was over." in words
    assert "will not report what becomes of it (mx.example.net)." in words
    _, bob, eve, joe = parts(status)
    assert [each["Remote-MTA"] for each in (bob, eve, joe)] == [None, "dns; mx.example.net", "dns; mx.example.net"]
    assert [each["Diagnostic-Code"] for each in (bob, eve, joe)] == [
        "X-mailframe; mx.example.net: nobody listens there", "smtp; 451 4.7.1 come again", None]


def test_the_whole_message_comes_back_as_it_was() -> None:
    original = ORIGINAL + b"caf\xc3\xa9\r\n--=_looks like a boundary\r\n"
    message = report(failed("bob@example.net"), original=original, whole=True)
    assert parts(message)[2].get_content_type() == "message/rfc822"
    assert parts(message)[2]["Content-Transfer-Encoding"] == "8bit"


def test_a_sender_without_smtputf8_can_read_of_a_recipient_with_it() -> None:
    """RFC 6533 section 3: utf-8-addr-xtext; section 6: raw UTF-8 headers travel encoded."""
    original = "Subject: Grüße\r\n\r\n".encode()
    message = report(failed("jörg@example.net"), original=original, smtputf8=True)
    one = parts(parts(message)[1])[1]
    assert one["Final-Recipient"] == "utf-8; j\\x{F6}rg@example.net"
    returned = parts(message)[2]
    assert returned.get_content_type() == "message/global-headers"
    assert returned["Content-Transfer-Encoding"] == "base64"


def test_in_seven_bits_an_address_of_type_utf8_is_in_its_encoding_though_it_is_ascii() -> None:
    """RFC 6533 section 3: never as utf-8-address in message/delivery-status."""
    one = Recipient(Address.parse("bob@example.net"), orcpt="utf-8;bob+tag@example.net")
    fields = parts(parts(report(Entry(one, "failed", Problem("no", 550, "5.1.1"))))[1])[1]
    assert fields["Original-Recipient"] == "utf-8;bob\\x{2B}tag@example.net"


def test_a_sender_with_smtputf8_gets_the_global_forms() -> None:
    envelope = Envelope("e1", Address.parse("änne@example.org"), smtputf8=True)
    entry = failed("jörg@example.net")
    octets = render(Report("r1", "mx.example.org", envelope, 0.0, 60.0, (entry,), "Subject: Grüße\r\n\r\n".encode(), False))
    assert "To: <änne@example.org>\r\n".encode() in octets
    assert b"Content-Type: message/global-delivery-status\r\n" in octets
    assert "Final-Recipient: utf-8; jörg@example.net\r\n".encode() in octets
    assert b"Content-Type: message/global-headers\r\n" in octets


@given(st.text(max_size=300), st.text(max_size=60), st.text(max_size=60))
@settings(max_examples=60, deadline=None)
def test_nothing_that_another_server_says_adds_a_line(diagnostic: str, mta: str, orcpt: str) -> None:
    entry = failed("bob@example.net", Problem("x", 550, "5.0.0", mta, diagnostic), f"rfc822;{orcpt}")
    envelope = Envelope("e", Address.parse("a@example.org"), envid=orcpt)
    octets = render(Report("r1", "mx.example.org", envelope, 0, 1, (entry,), b"", False))
    status = octets.split(b"message/delivery-status\r\n\r\n")[1].split(b"\r\n--")[0]
    names = [line.split(b":")[0] for line in status.split(b"\r\n") if line]
    assert set(names) <= {
        b"Reporting-MTA", b"Original-Envelope-Id", b"Arrival-Date", b"Original-Recipient", b"Final-Recipient", b"Action", b"Status",
        b"Remote-MTA", b"Diagnostic-Code", b"Last-Attempt-Date"}
    assert max(len(line) for line in octets.split(b"\r\n")) < 998
