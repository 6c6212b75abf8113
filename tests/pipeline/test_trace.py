"""Header lines that we put in front: right for honest peers, harmless whatever a peer says."""

from __future__ import annotations

from email import message_from_bytes
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailframe.mime.header import fields
from mailframe.model.address import Address
from mailframe.model.envelope import Envelope, Peer
from mailframe.pipeline import trace
from mailframe.pipeline.ciphers import suite
from mailframe.pipeline.submission.authors import read
from mailframe.pipeline.submission.mending import author_field, missing_fields

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
        b"\tfor <bob@example.org>\r\n"
        b"\ttls TLS_AES_256_GCM_SHA384;\r\n"
        b"\tMon, 12 Jan 1970 13:46:40 +0000\r\n")
    assert parsedate_to_datetime(message_from_bytes(line)["Received"].rpartition(";")[2].strip()).timestamp() == 1_000_000


def test_a_greeting_that_is_no_name_is_replaced_by_the_address() -> None:
    line = trace.received(envelope(ip="192.0.2.1", helo="evil) by paypal.com (x"), "mx.example.org")
    assert line.startswith(b"Received: from [192.0.2.1] ([192.0.2.1])\r\n")


def test_the_clients_name_in_dns_stands_with_its_address() -> None:
    """RFC 5321 section 4.4: TCP-info; a name that is none is left out."""
    known = trace.received(envelope(ip="192.0.2.1", helo="mx", name="mail.example.com"), "mx.example.org")
    assert known.startswith(b"Received: from mx (mail.example.com [192.0.2.1])\r\n")
    assert b"(x" not in trace.received(envelope(ip="192.0.2.1", helo="mx", name="x) by y ("), "mx.example.org")


@pytest.mark.parametrize("protocol", [
    "SMTP", "ESMTP", "ESMTPA", "ESMTPS", "ESMTPSA", "LMTP", "LMTPA", "LMTPS", "LMTPSA", "UTF8SMTP", "UTF8LMTPSA"])
def test_how_it_came_is_said_in_the_registered_words(protocol: str) -> None:
    """RFC 3848 section 1, RFC 6531 section 4.3."""
    assert f" with {protocol}\r\n".encode() in trace.received(envelope(ip="192.0.2.1", protocol=protocol), "mx.example.org")


@pytest.mark.parametrize(("tls", "name"), [
    ("TLSv1.3 TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256"),
    ("TLSv1.2 ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    ("TLSv1.2 ECDHE-ECDSA-AES256-SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"),
    ("TLSv1.2 DHE-RSA-CHACHA20-POLY1305", "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    ("TLSv1.2 AES256-SHA", "TLS_RSA_WITH_AES_256_CBC_SHA"),
    ("", ""), ("TLSv1.2 unheard-of", ""), ("TLSv1.3 TLS_x\r\nBcc", ""),
])
def test_a_cipher_suite_goes_by_its_registered_name(tls: str, name: str) -> None:
    """RFC 8314 section 4.3."""
    assert suite(tls) == name
    assert (b"\r\n\ttls %s;" % name.encode() in trace.received(envelope(ip="192.0.2.1", tls=tls), "mx")) == bool(name)


def test_who_submits_can_be_left_out() -> None:
    assert b"192.0.2.1" not in trace.received(envelope(ip="192.0.2.1", helo="home"), "mx.example.org", hide_client=True)


@given(ANYTHING, ANYTHING, ANYTHING, ANYTHING, ANYTHING, ANYTHING, ANYTHING)
@settings(max_examples=60, deadline=None)
def test_nothing_from_the_wire_adds_a_header_line(
    ip: str, helo: str, protocol: str, tls: str, local: str, ident: str, name: str,
) -> None:
    """I5."""
    address = Address(local, "example.org")
    one = Envelope(ident, address, Peer(ip, helo=helo, protocol=protocol, tls=tls, name=name), 5.0)
    mended = author_field("From", address) + missing_fields(read(b"Resent-From: x@y.example\r\n", 5), one, "mx.example.org")
    head = (
        trace.return_path(address) + trace.delivered_to(address) + trace.received(one, "mx.example.org", address)
        + mended.encode())
    assert [name for name, _ in fields(head)] == [
        b"return-path", b"delivered-to", b"received", b"from", b"date", b"message-id", b"resent-date", b"resent-message-id"]
    assert head.endswith(b"\r\n") and b"\r\n\r\n" not in head
    assert b"\n" not in head.replace(b"\r\n", b"") and b"\r" not in head.replace(b"\r\n", b"") and b"\0" not in head


def test_hops_are_counted_whatever_their_spelling() -> None:
    assert trace.hops(b"Received: a\r\nRECEIVED : b\r\nX-Received: c\r\nreceived:d\r\n\r\n") == 3


def test_the_null_sender_has_an_empty_return_path() -> None:
    assert trace.return_path(None) == b"Return-Path: <>\r\n"
    assert trace.return_path(Address("jörg", "example.org")) == "Return-Path: <jörg@example.org>\r\n".encode()
