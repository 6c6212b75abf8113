"""The SMTP client's pure parts: replies, dot-stuffing, what to say."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailframe.model.address import Address
from mailframe.model.envelope import Envelope, Recipient
from mailframe.smtp.client_data import DotStuffer
from mailframe.smtp.client_limits import Limits
from mailframe.smtp.client_plan import Stage, _rcpt, extensions, plan, xtext
from mailframe.smtp.client_replies import PeerFault, ReplyReader
from mailframe.smtp.extensions import dsn
from mailframe.smtp.reply import Reply
from mailframe.smtp.situation import RcptDraft, Situation


def read(*pieces: bytes) -> list[Reply]:
    reader = ReplyReader(200, 5)
    return [reply for piece in pieces for reply in reader.feed(piece)]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    borders = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(borders)]


CUTS = st.lists(st.integers(0, 10_000), max_size=8)
PIECES = st.lists(st.sampled_from([b".", b"\r\n", b"a", b"..", b"\r", b"\n", b"text ", b"\r\n.\r\n"]), max_size=14).map(b"".join)


def test_a_reply_of_several_lines_is_one_value() -> None:
    assert read(b"250-mx.example\r\n250-SIZE 10\r\n250 HELP\r\n") == [Reply(250, "", ("mx.example", "SIZE 10", "HELP"))]


def test_the_enhanced_code_is_taken_from_every_line() -> None:
    assert read(b"550-5.1.1 No such\r\n550 5.1.1 user\r\n") == [Reply(550, "5.1.1", ("No such", "user"))]
    assert read(b"550 4.1.1 contradiction\r\n") == [Reply(550, "", ("4.1.1 contradiction",))]
    assert read(b"250\r\n") == [Reply(250, "", ("",))]


def test_nothing_of_a_reply_can_break_out_of_a_log_line_or_header() -> None:
    (reply,) = read(b"550 a\x00b\x1b[31m\rX: y \xff\xc2\x85\xe2\x82\xac\r\n")
    assert reply.text.isprintable()
    assert "€" in reply.text


@pytest.mark.parametrize("octets", [
    b"hello\r\n", b"25 \r\n", b"2500 x\r\n", b"150 x\r\n", b"650 x\r\n", b"250_x\r\n", b"\r\n", b"x" * 300,
    b"250 " + b"x" * 300 + b"\r\n", b"250-a\r\n550 b\r\n", b"250-a\r\n" * 6, b"\x16\x03\x01\x02\x00\n",
])
def test_what_is_no_reply_is_a_fault_and_never_an_answer(octets: bytes) -> None:
    with pytest.raises(PeerFault):
        read(octets)


@settings(max_examples=60, deadline=None)
@given(CUTS)
def test_any_split_same_replies(places: list[int]) -> None:
    """I4."""
    wire = b"220 hi\r\n250-a b\r\n250-C\r\n250 d\r\n550 5.1.1 no\r\n354\r\n"
    assert read(*cut(wire, places)) == read(wire)


def stuffed(*pieces: bytes) -> bytes:
    stuffer = DotStuffer()
    return b"".join(stuffer.feed(piece) for piece in pieces) + stuffer.end()


@settings(max_examples=60, deadline=None)
@given(PIECES, CUTS)
def test_any_split_same_octets_on_the_wire_and_only_the_last_line_is_a_dot(data: bytes, places: list[int]) -> None:
    """I4, I5."""
    wire = stuffed(data)
    assert stuffed(*cut(data, places)) == wire
    assert wire.count(b"\n") == wire.count(b"\r") == wire.count(b"\r\n")
    lines = wire.split(b"\r\n")
    assert lines[-2:] == [b".", b""]
    assert b"." not in lines[:-2]
    received = b"".join(line.removeprefix(b".") + b"\r\n" for line in lines[:-2])
    assert received == data or (b"\r" in data or b"\n" in data or not data.endswith(b"\r\n"))


def test_a_well_formed_message_arrives_octet_for_octet() -> None:
    data = b".\r\n..\r\nA: b\r\n\r\n.x\r\n.\r\n\r\n"
    wire = stuffed(data)
    assert b"".join(line.removeprefix(b".") + b"\r\n" for line in wire.split(b"\r\n")[:-2]) == data
    assert stuffed(b"") == b".\r\n"
    assert stuffed(b"x") == b"x\r\n.\r\n"


BOB = Recipient(Address.parse("bob@example.org"))
JOSE = Recipient(Address.parse("josé@example.org"))
ENVELOPE = Envelope("id", Address.parse("alice@example.com"))
ALL = {"SIZE": "1000", "8BITMIME": "", "SMTPUTF8": "", "DSN": ""}


def test_nothing_is_asked_that_was_not_offered() -> None:
    full = Envelope("id", ENVELOPE.sender, body="8BITMIME", smtputf8=True, ret="HDRS", envid="q+1")
    recipient = Recipient(BOB.address, frozenset({"FAILURE", "DELAY"}), "rfc822;b=b@example.org")
    bare, rich = plan(full, [recipient], 10, {}), plan(full, [recipient], 10, ALL)
    assert (bare.mail, bare.rcpts[0][1]) == (b"MAIL FROM:<alice@example.com>\r\n", b"RCPT TO:<bob@example.org>\r\n")
    assert rich.mail == b"MAIL FROM:<alice@example.com> SIZE=10 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=q+2B1\r\n"
    assert rich.rcpts[0][1] == b"RCPT TO:<bob@example.org> NOTIFY=DELAY,FAILURE ORCPT=rfc822;b+3Db@example.org\r\n"


def test_the_null_sender_and_odd_local_parts_are_quoted_right() -> None:
    odd = Recipient(Address.parse('"a b>c"@example.org'))
    todo = plan(Envelope("id", None), [odd], 1, {})
    assert (todo.mail, todo.rcpts[0][1]) == (b"MAIL FROM:<>\r\n", b'RCPT TO:<"a b>c"@example.org>\r\n')


def test_a_message_larger_than_the_server_takes_is_refused_without_asking() -> None:
    todo = plan(ENVELOPE, [BOB], 1001, ALL)
    assert not todo.rcpts
    assert (todo.refused[BOB].reply.code, todo.refused[BOB].reply.enhanced) == (552, "5.3.4")
    for unlimited in ("", "0", "x", "9" * 500):
        assert plan(ENVELOPE, [BOB], 10**12, {"SIZE": unlimited}).rcpts


def test_without_smtputf8_only_those_who_need_it_are_refused() -> None:
    todo = plan(ENVELOPE, [BOB, JOSE], 1, {})
    assert [recipient for recipient, _ in todo.rcpts] == [BOB]
    assert todo.refused[JOSE].reply.enhanced == "5.6.7"
    assert todo.refused[JOSE].stage is Stage.LOCAL
    assert set(plan(Envelope("id", JOSE.address), [BOB], 1, {}).refused) == {BOB}
    assert set(plan(ENVELOPE, [BOB], 1, {}, utf8_header=True).refused) == {BOB}


def test_with_smtputf8_it_is_asked_for_where_needed_only() -> None:
    assert b"SMTPUTF8" not in plan(ENVELOPE, [BOB], 1, ALL).mail
    todo = plan(ENVELOPE, [JOSE], 1, ALL)
    assert b" BODY=8BITMIME SMTPUTF8" in todo.mail
    assert todo.rcpts[0][1] == "RCPT TO:<josé@example.org>\r\n".encode()


def test_an_international_domain_needs_nothing_of_the_server() -> None:
    recipient = Recipient(Address.parse("bob@münchen.example"))
    assert plan(ENVELOPE, [recipient], 1, {}).rcpts[0][1] == b"RCPT TO:<bob@xn--mnchen-3ya.example>\r\n"


def test_xtext() -> None:
    assert xtext("a b+c=d\\") == "a+20b+2Bc+3Dd+5C"
    assert xtext("é=") == r"\x{E9}\x{3D}"
    assert xtext("é=", utf8=True) == r"é\x{3D}"
    assert xtext("bob+tag@x", unicode=True) == r"bob\x{2B}tag@x"          # of an address of the type utf-8 (RFC 6533 section 3)


@pytest.mark.parametrize("orcpt", ["utf-8;bob+tag=a@x.example", "UTF-8;j\xf6rg+t@x.example", "rfc822;bob+tag=a@x.example"])
@pytest.mark.parametrize("utf8", ["SMTPUTF8", "DSN"])
def test_an_original_recipient_is_the_same_at_the_next_hop(orcpt: str, utf8: str) -> None:
    """RFC 3461 section 5.2.1 (d), RFC 6533 section 3: each type has its own encoding."""
    bob = Recipient(Address.parse("bob@example.org"), orcpt=orcpt)
    words = _rcpt(bob, frozenset(), {"DSN": "", utf8: ""}, utf8 == "SMTPUTF8").decode().split()
    draft = RcptDraft(cast(Situation, None))
    dsn.orcpt(draft, words[-1].partition("=")[2])
    assert draft.orcpt == orcpt.replace("UTF", "utf" if not orcpt.isascii() else "UTF")


def test_ehlo_keywords_are_known_in_any_case_and_old_auth_too() -> None:
    reply = Reply(250, "", ("mx", "size 10", "AUTH PLAIN", "AUTH=LOGIN PLAIN", "", "8bitmime"))
    assert extensions(reply) == {"SIZE": "10", "AUTH": "PLAIN LOGIN PLAIN", "8BITMIME": ""}


BINARY_HOST = {"8BITMIME": "", "CHUNKING": "", "BINARYMIME": ""}


@pytest.mark.parametrize("lack, codes", [("CHUNKING", "5.6.3"), ("BINARYMIME", "5.6.3")])
def test_binary_octets_go_nowhere_but_where_they_are_taken(lack: str, codes: str) -> None:
    """RFC 3030 section 3: under no circumstances."""
    envelope, bob = Envelope("id", None, body="BINARYMIME"), Recipient(Address.parse("bob@example.org"))
    assert plan(envelope, [bob], 1, BINARY_HOST).binary
    todo = plan(envelope, [bob], 1, {word: "" for word in BINARY_HOST if word != lack})
    assert not todo.rcpts and todo.refused[bob].reply.enhanced == codes and todo.refused[bob].stage is Stage.HOST


@pytest.mark.parametrize("trusted, offers, codes", [
    (True, {"REQUIRETLS": ""}, None), (True, {}, "5.7.30"), (False, {"REQUIRETLS": ""}, "5.7.10"),
])
def test_what_requires_tls_is_said_in_a_trusted_session_alone(trusted: bool, offers: dict[str, str], codes: str | None) -> None:
    """RFC 8689 sections 2 and 4.2.1; section 5 for a report, which goes even so."""
    bob = Recipient(Address.parse("bob@example.org"))
    envelope = Envelope("id", Address.parse("alice@example.com"), require_tls=True)
    todo = plan(envelope, [bob], 1, offers, trusted=trusted)
    assert (todo.refused[bob].reply.enhanced if todo.refused else None) == codes
    report = plan(Envelope("id", None, require_tls=True), [bob], 1, offers, trusted=trusted)
    assert not report.refused and (b"REQUIRETLS" in report.mail) == (codes is None)


def test_limits_that_make_no_sense_are_passed_over() -> None:
    """RFC 9422 section 3: and those that nobody knows yet."""
    assert Limits.of("rcptmax=20 MAILMAX=0 RCPTDOMAINMAX=1x FOO=1 RCPTDOMAINMAX MAILMAX=1000000") == Limits(0, 20, 0)
    assert Limits.of("MAILMAX=3 RCPTDOMAINMAX=1 BAR") == Limits(3, 0, 1)
    for wrong in ("RCPTMAX=3;MAILMAX=2", "RCPTMAX=3 =5", "RCPTMAX=3 MAIL%MAX=1", "RCPTMAX=3 FOO="):
        assert Limits.of(wrong) == Limits(), "RFC 9422 section 3.7: as if there were no LIMITS"
    assert not Limits().reached(10**6, {"a", "b"}) and Limits(mails=3).reached(3, ()) and Limits(domains=1).reached(0, {"a"})
