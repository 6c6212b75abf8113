"""The same mail and the same questions to us and to Debian's Dovecot: where the two differ, it says here why we mean ours."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import dovecot
from support.imap_blocking import Blocking
from support.imap_talk import Talk
from support.imapread import read_data
from support.messages import corpus, crlf
from support.searchmail import ODD, conversations
from twisted.internet import reactor as the_reactor
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from mailframe.stores.memory import MemoryStore

reactor: Any = the_reactor

SEARCHES = (
    b'ALL|SUBJECT ""|SUBJECT hello|SUBJECT "hello beautiful world"|SUBJECT "eautiful worl"|SUBJECT HELLO|HEADER SUBJECT ""|'
    b'NOT HEADER SUBJECT ""|HEADER x-extra ""|HEADER Nosuch ""|HEADER X-Long "aaabbb"|HEADER X-Long "aaa bbb"|'
    b'FROM user-from@domain.org|'
    b'FROM ser-fro|FROM realfrom|TO groupname|TO groupname2|TO groupuser3|TO groupuser4|FROM "domain.org"|'
    b'FROM user-from2|FROM second|'
    b'FROM {12+}\r\nQuoted "Nick|SUBJECT two|CC user-cc|BCC user-bcc|SENTON 1-Jan-2024|SENTON "2-Jan-2024"|SENTSINCE 02-jan-2024|'
    b"SENTON 29-Feb-2024|SENTON 1-Mar-2024|ON 1-Jan-2024|BEFORE 2-Jan-2024|SINCE 2-Jan-2024|BODY needle1|BODY needle2|BODY needle3|"
    b'BODY needle5|BODY needle7|BODY needle8|BODY needle9|BODY needle0|TEXT needle3|TEXT needle8|BODY softbreak|TEXT ""|BODY ""|'
    b'TEXT "x-only: no"|BODY "Subject"|LARGER 300|SMALLER 300|LARGER 0|SMALLER 1|NOT NOT ALL|OR SUBJECT hello SUBJECT multi|'
    b"OR (SUBJECT hello NOT 1) (SUBJECT multi)|NOT 1:5|1:3,5|5:1|*|*:20|1000|4:1000|1000:*|UID 100:*|"
    b"NOT UID 100:200|UNKEYWORD nosuch|SEEN|"
    b"UNSEEN|DELETED|1 2|((1:3) (2:4))|OLDER 1|YOUNGER 999999999|0|()|NOT|OR ALL|FOO|SENTON 1-Jan-24|LARGER -1|HEADER From|BODY|"
    b"YOUNGER 0|CHARSET UTF-8 SUBJECT hello|CHARSET X-NOSUCH ALL|ALL CHARSET UTF-8|CHARSET UTF-8 SUBJECT {7+}\r\nJ\xc3\x9cRGEN|"
    b"CHARSET UTF-8 SUBJECT {15+}\r\nJ\xc3\xbcrgen gr\xc3\xbc\xc3\x9ft|CHARSET ISO-8859-1 BODY {4+}\r\ncaf\xe9|"
    b"CHARSET UTF-8 TEXT {13+}\r\nR\xc3\x84KSM\xc3\x96RG\xc3\x85S|RETURN () ALL|RETURN (MIN MAX COUNT) 1:5|RETURN (ALL) 99|"
    b"RETURN (COUNT) SUBJECT hello|RETURN (FOO) ALL|RETURN (SAVE) 1:3|$|NOT $|RETURN (SAVE COUNT) 2:4|$|RETURN (SAVE MIN) 2:4|$|"
    b"RETURN (MIN MAX SAVE) 2:6|$|RETURN (PARTIAL 2:1) ALL|RETURN (PARTIAL 1:*) ALL|ALL RETURN ()"
).split(b"|")
SORTS = tuple(
    f"SORT ({before}{key}{after}) UTF-8 ALL".encode()
    for key in ["ARRIVAL", "CC", "DATE", "FROM", "SIZE", "SUBJECT", "TO", "DISPLAYFROM", "DISPLAYTO"]
    for before in ("", "REVERSE ") for after in ("", " REVERSE SIZE")
)
MORE = (
    b"SORT RETURN (MIN MAX COUNT ALL) (REVERSE ARRIVAL) UTF-8 ALL", b"SORT RETURN (PARTIAL 2:4) (REVERSE ARRIVAL) UTF-8 ALL",
    b"SORT () UTF-8 ALL", b"SORT (FOO) UTF-8 ALL", b"SORT (REVERSE) UTF-8 ALL", b"SORT (DATE) X-NO ALL", b"SORT (DATE) UTF-8",
    b"THREAD REFERENCES UTF-8 1000", b"THREAD FOO UTF-8 ALL", b"UID THREAD REFERENCES UTF-8 SUBJECT hello",
)
THREADS = (b"THREAD REFERENCES UTF-8 ALL", b"THREAD ORDEREDSUBJECT UTF-8 ALL")

#: What we answer otherwise.
OURS = {
    # RFC 9051 section 6.4.4: an enclosed message's header is in TEXT, "including MIME header fields"
    b"TEXT needle3": b"* SEARCH 13",
    # section 9, seq-range: "*" is the last message, and the order of the two does not matter
    b"1000:*": b"* SEARCH 23",
    # section 6.4.4: FROM looks in "the envelope structure's FROM field", where quoted pairs are what they stand for
    b'FROM {12+}\r\nQuoted "Nick': b"* SEARCH 7",
}
MISSING = {b"MISSING_MAILBOX": b"", b"MISSING_DOMAIN": b""}       # Dovecot's words for what an address lacks
ENVELOPES = {
    "missing_body.eml": "a group that never ends keeps its domain",
    "weird_to_header.eml": "an empty address is none", "example11.eml": "an empty address is none",
    "raw_email_with_binary_encoded.eml": "of two Subjects the first counts",
    "raw_email_with_multipart_mixed_quoted_boundary.eml": "of two Subjects the first counts",
    "mix_caps_content_type.eml": "an @ beside brackets is part of the name",
    "raw_email_multiple_from.eml": "an @ beside brackets is part of the name",
    "raw_email_with_at_display_name.eml": "an @ beside brackets is part of the name",
    "example13.eml": "words alone are a mailbox without a domain",
    "encoding_madness.eml": "words alone are a mailbox without a domain",
}
STRUCTURES = {
    "attachment_with_unquoted_name.eml": "a value without quotes may hold spaces",
    "bad_date_header2.eml": "a multipart without parts has one, which is its body", "missing_body.eml": "the same",
    "content_transfer_encoding_qp_with_space.eml": "an unknown encoding is told as it stands",
    "content_transfer_encoding_text-html.eml": "an unknown encoding is told as it stands",
    "content_transfer_encoding_with_semi_colon.eml": "what follows the encoding is passed over",
    "missing_content_disposition.eml": "an empty disposition is none", "multiple_invalid_content_dispositions.eml": "the same",
    "raw_email4.eml": "after the last delimiter comes no part", "raw_email_with_binary_encoded.eml": "the same",
    "raw_email_with_illegal_boundary.eml": "the same", "raw_email_bad_time.eml": "the same",
}


def told(answer: list[bytes]) -> tuple[list[bytes], bytes]:
    """The results of a search, and OK, NO or BAD."""
    lines = [
        re.sub(rb'TAG "[^"]*"', b"TAG", line).strip() for line in answer[:-1]
        if re.match(rb"\* (SEARCH|ESEARCH|SORT|THREAD)\b", line)]
    return lines, answer[-1].split()[0]


def fetched(answer: list[bytes], label: bytes) -> list[Any]:
    """The values of one item, as they compare: case, white space, and the charset that is meant where none is named."""
    start = re.compile(rb"\* \d+ FETCH \(" + label + rb" ")
    return [plain(read_data(line[found.end():-1])) for line in answer if (found := start.match(line))]


def plain(value: Any) -> Any:
    if isinstance(value, list):
        values = [plain(each) for each in value]
        if values[-2:] == [b"charset", b"us-ascii"] and len(values) % 2 == 0:
            values = values[:-2]
        return values or None
    if isinstance(value, bytes):
        return b" ".join(MISSING.get(value, value).lower().split())
    return value


@pytest.mark.skipif(dovecot.PROGRAM is None, reason="dovecot-imapd is not installed")
class SecondOpinion(TestCase):
    timeout = 60

    async def setUp(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="dovecot-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        running = dovecot.dovecot(folder)
        port = running.__enter__()
        self.addCleanup(running.__exit__, None, None, None)
        talk = Talk(reactor, MemoryStore())
        await talk.start()
        self.addCleanup(talk.stop)
        self.ours, self.theirs = await deferToThread(
            lambda: (Blocking(talk.port, "alice", "secret"), Blocking(port, dovecot.USER, dovecot.PASSWORD)))
        self.addCleanup(self.ours.close)
        self.addCleanup(self.theirs.close)

    def both(self, work: Callable[[Blocking], Any]) -> tuple[Any, Any]:
        return work(self.ours), work(self.theirs)

    def give(self, mailbox: bytes, messages: list[bytes]) -> None:
        for client in (self.ours, self.theirs):
            client.say(b"CREATE " + mailbox)
            for number, octets in enumerate(messages):
                client.append(mailbox, octets, b"%02d-Jan-2024 %02d:00:00 +0000" % (1 + number % 3, number % 24))
            self.assertTrue(client.say(b"SELECT " + mailbox)[-1].startswith(b"OK"))

    def same(self, command: bytes) -> None:
        ours, theirs = self.both(lambda client: told(client.say(command)))
        self.assertEqual(ours, theirs, command)

    async def test_search_sort_and_thread_find_the_same(self) -> None:
        await deferToThread(self.ask)

    def ask(self) -> None:
        self.give(b"INBOX", list(ODD))
        for key in SEARCHES:
            if key in OURS:
                self.assertEqual(told(self.ours.say(b"SEARCH " + key)), ([OURS[key]], b"OK"), key)
            else:
                self.same(b"SEARCH " + key)
        for command in (*SORTS, *MORE, *THREADS):
            self.same(command)
        for seed in range(6):
            self.give(b"INBOX.t%d" % seed, conversations(seed))
            for command in (*THREADS, *SORTS[::4]):
                self.same(command)

    async def test_envelopes_and_structures_are_the_same(self) -> None:
        if not corpus():
            self.skipTest("the corpus is not there")
        await deferToThread(self.fetch)

    def fetch(self) -> None:
        named = {path.name: crlf(octets) for path in corpus() if (octets := path.read_bytes()) and b"\0" not in octets}
        self.give(b"INBOX", list(named.values()))
        for label, known in ((b"ENVELOPE", ENVELOPES), (b"BODYSTRUCTURE", STRUCTURES)):
            ours, theirs = self.both(lambda client, label=label: fetched(client.say(b"FETCH 1:* " + label), label))  # type: ignore[misc]
            self.assertEqual(len(ours), len(named))
            differ = {name for name, one, other in zip(named, ours, theirs) if one != other}
            self.assertEqual(set(), differ - known.keys(), label)
        for item in (b"BODY.PEEK[HEADER]", b"BODY.PEEK[TEXT]", b"BODY.PEEK[HEADER.FIELDS (From Subject)]",
                     b"BODY.PEEK[HEADER.FIELDS.NOT (Received)]", b"BODY.PEEK[1.MIME]", b"RFC822.SIZE"):
            one, other = self.both(lambda client, item=item: client.say(b"FETCH 1:* " + item)[:-1])  # type: ignore[misc]
            for mine, theirs in zip(one, other, strict=True):
                self.assertEqual(mine.split(b"\r\n", 1)[1:], theirs.split(b"\r\n", 1)[1:], item)
