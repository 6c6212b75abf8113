"""What our users' messages say they are from: only what their accounts may, and complete when they go on."""

from __future__ import annotations

from email import message_from_bytes
from email.message import Message
from typing import Any

import pytest
from support.pipelineworld import MESSAGE, STRANGER, USER, PipelineWorld, to

from mailframe.model.address import Address
from mailframe.model.refusal import Refusal, SenderNotAllowed
from mailframe.pipeline.settings import PipelineSettings
from mailframe.pipeline.submission.settings import SubmissionSettings

BOB, EVE = to("bob@example.org"), to("eve@example.org")
ME = Address.parse("bob@example.org")


def world(**settings: Any) -> PipelineWorld:
    return PipelineWorld(settings=PipelineSettings(submission=SubmissionSettings(**settings)))


def sent(header: bytes, *, sender: Address | None = ME, place: PipelineWorld | None = None, **settings: Any) -> Message:
    """The message as bob's mailbox has it."""
    place = place or world(**settings)
    place.send(BOB, peer=USER, sender=sender, content=header + b"\r\nHello\r\n")
    return message_from_bytes(place.mail("bob")[-1])


def refusal(header: bytes, sender: Address | None = ME, **settings: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        sent(header, sender=sender, **settings)
    return caught.value


@pytest.mark.parametrize("header", [
    b"From: bob@example.org\r\n",
    b"From: Bob <bob@example.org>\r\nSender: bob+work@example.org\r\n",
    b"from: =?utf-8?q?eve=40example=2Eorg?= <bob@example.org>\r\n",
    b'From: "eve@example.org" (eve@example.org) <BOB@Example.ORG>\r\n',
    b"From: Bob\r\n <bob@example.org>\r\n",
    b"From: us: bob@example.org, bob.work@example.org;\r\n",
    b"From: bob@example.org <bob@example.org>\r\n",
    b'From: (to (be) sure) Dr. B. "B." Bob <bob@example.org> (he)\r\n',
    b"Resent-From: bob@example.org\r\nFrom: ann@example.com\r\n",
])
def test_ones_own_addresses_in_all_spellings(header: bytes) -> None:
    assert sent(header)["From"]


@pytest.mark.parametrize(("header", "words"), [
    (b"From: eve@example.org\r\n", "eve@example.org \\(From\\): choose"),
    (b"From: bob@example.org, eve@example.org\r\n", "eve@example.org"),
    (b"From: us: bob@example.org, eve@example.org;\r\n", "eve@example.org"),
    (b"From: =?utf-8?q?bob=40example=2Eorg?= <eve@example.org>\r\n", "eve@example.org"),
    (b"From: bob@example.org (Bob) <eve@example.org>\r\n", "eve@example.org"),
    (b"From: bob@example.org\r\nSender: eve@example.org\r\n", "Sender"),
    (b"Resent-From: eve@example.org\r\nFrom: bob@example.org\r\n", "Resent-From"),
    (b"Resent-From: bob@example.org\r\nResent-Sender: eve@example.org\r\nFrom: ann@example.com\r\n", "Resent-Sender"),
    (b"From: eve@example.org <bob@example.org>\r\n", "eve@example.org"),
    (b'From: "eve"@example.org\r\n', "eve@example.org"),
    (b"From: bob@[192.0.2.1\r\n", "no full address"),
    (b"From: bob\r\n", "no full address"),
    (b"From: <>\r\n", "no full address|names no address"),
])
def test_others_addresses_are_refused_with_words_that_help(header: bytes, words: str) -> None:
    """RFC 6409 section 6.1."""
    told = refusal(header)
    assert told.smtp in ((550, "5.7.1"), (554, "5.6.0"))
    with pytest.raises(Refusal, match=words):
        raise told


@pytest.mark.parametrize("header", [
    b"From: bob@example.org\r\nFROM : eve@example.org\r\n",
    b"From: bob@example.org\r\nSubject: x\r\nFrom: bob@example.org\r\n",
    b"From: bob@example.org\r\nSender: bob@example.org\r\nSender: bob@example.org\r\n",
    b"From: bob@example.org\r\nSender: bob@example.org, bob.work@example.org\r\n",
    b"From:\r\n",
    b"From: nobody:;\r\n",
    b"From: bob@example.org" + b"".join(b", bob+%d@example.org" % each for each in range(50)) + b"\r\n",
    b"From: eve@example.org:<bob@example.org>\r\n",
    b"From: bob@example.org eve@example.org\r\n",
    b"From: (eve@example.org bob@example.org\r\n",
    b'From: "eve <eve@example.org> bob@example.org\r\n',
    b"From: bob@example.org\\, eve <bob@example.org>\r\n",
    b"From: eve[1] <bob@example.org>\r\n",
    b"Sender: bob@example.org bob\r\nFrom: bob@example.org\r\n",
    b"From: bob@example.org " + b"(x)" * 5_000 + b", eve@example.org\r\n",
    b"X: y\r\n" * 5_000 + b"From: bob@example.org\r\nFrom: eve@example.org\r\n",
])
def test_a_header_that_shows_one_author_to_us_and_another_to_readers_is_refused(header: bytes) -> None:
    """RFC 5322 section 3.6: From and Sender once at most."""
    assert refusal(header).smtp in ((554, "5.6.0"), (550, "5.7.1"))


def test_how_much_is_checked_is_the_operators_choice() -> None:
    eve = Address.parse("eve@example.org")
    forged = b"From: eve@example.org\r\n"
    assert sent(forged, check_from="envelope")["From"] == "eve@example.org"
    assert sent(forged, sender=eve, check_from="off")["From"] == "eve@example.org"
    with pytest.raises(SenderNotAllowed, match=r"bob may not send as eve@example.org: choose"):
        sent(forged, sender=eve, check_from="envelope")
    assert refusal(forged, sender=None).smtp == (550, "5.7.1")
    assert refusal(b"Resent-From: bob@example.org\r\nFrom: eve@example.org\r\n", redirects=False).smtp == (550, "5.7.1")


def test_the_configuration_may_allow_more() -> None:
    """allow-from: an address, all of a domain, everything."""
    more = {"BOB": ("Sales@Example.org", "*@lists.example.org"), "eve": ("*",)}
    for address in ("sales@example.org", "any.body@lists.example.org"):
        header = f"From: {address}\r\n".encode()
        assert sent(header, sender=Address.parse(address), allow_from=more)["From"] == address
    assert refusal(b"From: ceo@example.org\r\n", allow_from=more).smtp == (550, "5.7.1")
    assert sent(b"From: ceo@example.com\r\n", allow_from={"bob": ("*",)})["From"] == "ceo@example.com"


@pytest.mark.parametrize("settings", [
    {"allow_from": {"bob": ("sales",)}}, {"allow_from": {"bob": ("a*@example.org",)}}, {"save_sent": ("everybody",)},
    {"max_authors": 0}, {"max_header_octets": 0}, {"sent_timeout_s": 0},
])
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings)) + "|expected an address|not an address"):
        SubmissionSettings(**settings)


def test_other_servers_mail_is_nobodys_submission() -> None:
    """Neither checked nor mended: RFC 6409 is for our users."""
    place = PipelineWorld()
    content = b"Bcc: x@y.example\r\nFrom: a@b.example\r\nFrom: c@d.example\r\n\r\n"
    place.send(BOB, peer=STRANGER, content=content)
    assert place.mail("bob")[0].endswith(content) and b"Date:" not in place.mail("bob")[0]


def test_what_the_client_left_out_is_added() -> None:
    """RFC 6409 section 8; MIME-Version is not ours to claim."""
    got = sent(b"Subject: x\r\n")
    assert got["From"] == "bob@example.org" and got["Message-ID"] == "<e1.1000000@mx.example.org>"
    assert got["Date"] == "Mon, 12 Jan 1970 13:46:40 +0000" and got["Subject"] == "x"
    assert got["MIME-Version"] is None and got["Resent-Date"] is None and got["Sender"] is None
    assert sent(b"", sender=None)["From"] == "bob@mx.example.org"
    assert refusal(b"Subject: x\r\n", missing_from="refuse").smtp == (554, "5.6.0")


def test_a_message_that_is_all_text_gets_a_header() -> None:
    place = world()
    place.send(BOB, peer=USER, sender=ME, content=b"Hello there\r\nFrom: eve@example.org\r\n")
    got = message_from_bytes(place.mail("bob")[0])
    assert got["From"] == "bob@example.org" and got.get_payload() == "Hello there\r\nFrom: eve@example.org\r\n"


def test_a_redirected_message_keeps_its_author_and_gets_its_resent_fields() -> None:
    """RFC 5322 section 3.6.6: Resent-Date and Resent-From must be there, next to one another."""
    place = world(add_sender="differs")
    got = sent(b"Resent-From: bob@example.org\r\nResent-To: x@y.example\r\nDate: then\r\nMessage-ID: <a@b>\r\n"
               b"From: ann@example.com\r\n", place=place)
    assert got.keys()[2:6] == ["Resent-Date", "Resent-Message-ID", "Resent-From", "Resent-To"]
    assert got["Date"] == "then" and got["Message-ID"] == "<a@b>" and got["Sender"] is None
    assert got["Resent-Message-ID"] != sent(b"From: bob@example.org\r\n", place=place)["Message-ID"]


@pytest.mark.parametrize(("wanted", "header", "sender"), [
    ("several", b"From: bob@example.org, bob.work@example.org\r\n", "bob@mx.example.org"),
    ("several", b"From: bob.work@example.org\r\n", None),
    ("never", b"From: bob@example.org, bob.work@example.org\r\n", None),
    ("differs", b"From: bob.work@example.org\r\n", "bob@mx.example.org"),
    ("differs", b"From: bob.work@example.org\r\nSender: bob@example.org\r\n", "bob@example.org"),
    ("differs", b"From: bob@mx.example.org\r\n", None),
])
def test_sender_names_the_account_where_from_does_not(wanted: str, header: bytes, sender: str | None) -> None:
    """RFC 6409 section 8.1, RFC 5322 section 3.6.2."""
    assert sent(header, add_sender=wanted)["Sender"] == sender
    assert sent(b"From:\r\n", check_from="off")["Sender"] is None


def test_nothing_is_added_twice() -> None:
    whole = b"From: bob@example.org\r\nDATE: today\r\nmessage-id:\r\n <x@y>\r\nSubject: x\r\n"
    assert sent(whole).keys() == ["Return-Path", "Received", "From", "DATE", "message-id", "Subject"]


def test_nobody_but_the_sender_sees_bcc() -> None:
    place = world()
    far = to("joe@example.net")
    place.send(BOB, EVE, far, peer=USER, sender=ME, content=b"Bcc: secret@example.net\r\n" + MESSAGE)
    place.runner.start()
    for octets in (*place.mail("bob"), *place.mail("eve"), place.relay.tries[0][1]):
        assert b"secret" not in octets and octets.endswith(MESSAGE)
    assert b"secret" in sent(b"Bcc: secret@example.net\r\n", strip_bcc=False).as_bytes()


def test_an_empty_message_is_one() -> None:
    place = world()
    place.send(BOB, peer=USER, sender=ME, content=b"")
    got = message_from_bytes(place.mail("bob")[0])
    assert got["From"] == "bob@example.org" and got["Date"] and got.get_payload() == ""


def test_addresses_in_other_scripts_are_compared_as_they_are_meant() -> None:
    """RFC 6532: UTF-8 in the header, U-labels beside A-labels, composed and not."""
    own = {"bob": ("jürgen@bücher.example",)}
    for text in ("jürgen@bücher.example", "ju\u0308rgen@xn--bcher-kva.example", "JÜRGEN@BÜCHER.example"):
        assert sent(f"From: {text}\r\n".encode(), allow_from=own)["From"]
    assert refusal("From: jurgen@bücher.example\r\n".encode(), allow_from=own).smtp == (550, "5.7.1")
    assert refusal(b"From: b\xff@example.org\r\n").smtp == (554, "5.6.0")
