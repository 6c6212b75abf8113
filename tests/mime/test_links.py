"""What messages say of their conversations is found in the pass that makes ENVELOPE, whole or in pieces."""

from __future__ import annotations

from mailframe.mime.attributes import attributes, from_scan, links_in
from mailframe.mime.header import split_header
from mailframe.mime.scan import scanned
from mailframe.model.mailbox import Links

FIRST = b"Message-ID: <1@x>\r\n\r\n"
REPLY = b"message-id:\r\n <2@x>\r\nIn-Reply-To: Your message of today <1@x>\r\n\r\n"
LATER = b"Message-ID: <4@x>\r\nReferences: <1@x>\r\n\t<2@x> <3@x>\r\nIn-Reply-To: <9@x>\r\n\r\nReferences: <7@x>\r\n"


def test_a_reply_is_linked_to_what_it_answers() -> None:
    first, reply, later = (attributes(octets).links for octets in (FIRST, REPLY, LATER))
    assert first.own and not first.parent and not first.root
    assert reply == Links(reply.own, first.own, first.own) and reply.own not in (0, first.own)
    assert (later.root, later.parent) == (first.own, links_in(b"Message-ID: <3@x>\r\n").own)


def test_nothing_said_is_no_link() -> None:
    for octets in (b"", b"\r\nMessage-ID: <1@x>\r\n", b"Message-ID: none\r\nReferences: <a b>\r\n\r\n"):
        assert attributes(octets).links == Links()


def test_they_are_the_same_however_they_are_found() -> None:
    head = b"Received: from a by b; now\r\n"
    for content in (FIRST, REPLY, LATER, b" folded\r\n" + REPLY):
        scanner = scanned(content)
        index = scanner.finish()
        known = from_scan(index, content[:split_header(content)], head, scanner.root_fields).links
        assert known == links_in(head + content) == attributes(head + content).links


def test_the_sign_fits_a_database() -> None:
    owns = [links_in(b"Message-ID: <%d@x>\r\n" % number).own for number in range(200)]
    assert len(set(owns)) == 200
    assert min(owns) < 0 < max(owns) and all(-(1 << 63) <= own < 1 << 63 for own in owns)
