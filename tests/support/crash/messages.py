"""The messages of the load: each has a key, is made from it alone, and is known by it in a mailbox."""

from __future__ import annotations

import random
import re

from support.wires import Imap, Smtp

PASSWORD = "correct horse"
DOMAIN = "one.example"


def content(key: str, sender: str = "sender@elsewhere.example") -> bytes:
    """The message of this key, always the same; one in twelve is larger than a piece of the store, up to 3 MiB."""
    lot = random.Random(key)
    lines = int(3_500 * 10 ** lot.random()) if lot.random() < 0.08 else lot.randint(1, 80)
    body = b"".join(b"%d %d .\r\n.%b\r\n" % (number, lot.getrandbits(64), b"x" * 60) for number in range(lines))
    return (f"From: <{sender}>\r\nTo: <somebody@{DOMAIN}>\r\nSubject: {key}\r\nMessage-ID: <{key}@elsewhere.example>\r\n"
            f"Date: Mon, 01 Jan 2024 10:00:00 +0000\r\nX-Key: {key}\r\n\r\n").encode() + body


def bring(lot: random.Random, wire: Smtp, sender: str, recipients: list[str], octets: bytes) -> tuple[int, bytes]:
    """The first reply to the end of a message that goes by DATA, or in chunks."""
    if lot.random() < 0.5:
        return wire.mail(sender, recipients, octets)
    return wire.chunks(sender, recipients, octets, lot.randint(2_000, 400_000))


def as_imap(wire: object) -> Imap:
    assert isinstance(wire, Imap)
    return wire


def contents(imap: Imap, mailbox: str) -> tuple[int, int, dict[int, str]]:
    """(UIDVALIDITY, UIDNEXT, key by UID) when it was opened; a report's key is that of the message it is about, with "report "
    before. What the queue delivers meanwhile is told, and may have a UID from UIDNEXT on: it is left for the next time."""
    _, untagged = imap.ok(f'EXAMINE "{mailbox}"')
    said = b"".join(untagged)
    found = [re.search(each, said) for each in (rb"UIDVALIDITY (\d+)", rb"UIDNEXT (\d+)", rb"\* (\d+) EXISTS")]
    uidvalidity, uidnext, count = (int(each[1]) for each in found if each is not None)
    if not count:
        return uidvalidity, uidnext, {}
    _, untagged = imap.ok(f"FETCH 1:{count} (UID BODY.PEEK[HEADER.FIELDS (X-Key In-Reply-To)])")
    keys = {}
    for response in untagged:
        if b" FETCH (" not in response:
            continue
        uid = re.search(rb"UID (\d+)", response)
        key = re.search(rb"X-Key: (\S+)", response) or re.search(rb"In-Reply-To: <([^@]+)@", response)
        assert uid is not None and key is not None, response
        keys[int(uid[1])] = ("report " if b"In-Reply-To: <" in response else "") + key[1].decode()
    return uidvalidity, uidnext, keys
