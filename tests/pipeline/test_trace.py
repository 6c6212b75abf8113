"""Header lines that we put in front: right for honest peers, harmless whatever a peer says."""

from __future__ import annotations

from email import message_from_bytes
from email.utils import parsedate_to_datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from mailframe.mime.header import fields
from mailframe.model.address import Address
from mailframe.model.envelope import Envelope, Peer
from mailframe.pipeline import trace

ANYTHING = st.text(max_size=400)


def envelope(**peer: str) -> Envelope:
    return Envelope("abc.1", Address.parse("alice@example.com"), Peer(**peer), 1_000_000.0)


def test_received_says_who_how_when_and_for_whom() -> None:
    """RFC 5321 section 4.4."""
    line = trace.received(
        envelope(ip="2001:db8::1", helo="mail.example.com", protocol="ESMTPS", tls="TLSv1.3 TLS_AES_256_GCM_SHA384"),
        "mx.example.org", Address.parse("bob@example.org"))
    assert line == (
        b"Received: from mail.example.com ([IPv6:2001:db8::1])\r\n"
        b"\tby mx.example.org with ESMTPS (TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n"
        b"\tid abc.1\r\n"
        b"\tfor <bob@example.org>;\r\n"
        b"\tMon, 12 Jan 1970 13:46:40 +0000\r\n")
    assert parsedate_to_datetime(message_from_bytes(line)["Received"].rpartition(";")[2].strip()).timestamp() == 1_000_000


def test_a_greeting_that_is_no_name_is_replaced_by_the_address() -> None:
    line = trace.received(envelope(ip="192.0.2.1", helo="evil) by paypal.com (x"), "mx.example.org")
    assert line.startswith(b"Received: from [192.0.2.1] ([192.0.2.1])\r\n")


def test_who_submits_can_be_left_out() -> None:
    assert b"192.0.2.1" not in trace.received(envelope(ip="192.0.2.1", helo="home"), "mx.example.org", hide_client=True)


@given(ANYTHING, ANYTHING, ANYTHING, ANYTHING, ANYTHING, ANYTHING)
@settings(max_examples=60, deadline=None)
def test_nothing_from_the_wire_adds_a_header_line(ip: str, helo: str, protocol: str, tls: str, local: str, ident: str) -> None:
    """I5."""
    address = Address(local, "example.org")
    one = Envelope(ident, address, Peer(ip, helo=helo, protocol=protocol, tls=tls), 5.0)
    head = (
        trace.return_path(address) + trace.delivered_to(address) + trace.received(one, "mx.example.org", address)
        + trace.missing_fields(b"", one, "mx.example.org"))
    assert [name for name, _ in fields(head)] == [b"return-path", b"delivered-to", b"received", b"date", b"message-id"]
    assert head.endswith(b"\r\n") and b"\r\n\r\n" not in head
    assert b"\n" not in head.replace(b"\r\n", b"") and b"\r" not in head.replace(b"\r\n", b"") and b"\0" not in head


def test_hops_are_counted_whatever_their_spelling() -> None:
    assert trace.hops(b"Received: a\r\nRECEIVED : b\r\nX-Received: c\r\nreceived:d\r\n\r\n") == 3


def test_fields_that_are_there_are_left_alone() -> None:
    header = b"date: today\r\nMESSAGE-ID: <x@y>\r\n\r\n"
    assert trace.missing_fields(header, envelope(ip=""), "mx.example.org") == b""


def test_the_null_sender_has_an_empty_return_path() -> None:
    assert trace.return_path(None) == b"Return-Path: <>\r\n"
    assert trace.return_path(Address("jörg", "example.org")) == "Return-Path: <jörg@example.org>\r\n".encode()
