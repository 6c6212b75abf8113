"""Mail from other IMAP servers: Debian's Dovecot, and one that does what servers do on bad days."""

from __future__ import annotations

import imaplib
import shutil
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import dovecot
from support.transfers import FRESH, Kept, TransferCase, contents
from twisted.internet import reactor
from twisted.internet.protocol import Factory
from twisted.internet.threads import deferToThread
from twisted.protocols.basic import LineOnlyReceiver

from mailframe.transfer import imap_answers
from mailframe.transfer.imap_answers import Answer, Answers, BadAnswer, Large, pairs
from mailframe.transfer.imap_source import ImapSource, Server, folder_name
from mailframe.transfer.source import TransferError

DATE = 1_700_000_000
SMALL = b"Subject: small\r\n\r\nhello\r\n"
LARGE = b"Subject: large\r\n\r\n" + b"0123456789abcd\r\n" * 200_000


def fill(port: int) -> None:
    """Some mail on a Dovecot, as a mail program puts it there."""
    client = imaplib.IMAP4("127.0.0.1", port, timeout=dovecot.PATIENCE_S)
    client.login(dovecot.USER, dovecot.PASSWORD)
    when = imaplib.Time2Internaldate(DATE)
    for name in ("INBOX.Sent", "INBOX.Entw&APw-rfe", "INBOX.a.b", 'INBOX."q"'):
        client.create('"' + name.replace('"', '\\"') + '"')
        client.subscribe('"' + name.replace('"', '\\"') + '"')
    client.create("INBOX.unread")
    client.append("INBOX", r"(\Seen $Label1)", when, SMALL)
    client.append("INBOX", r"(\Flagged)", when, LARGE)
    client.append("INBOX.Sent", r"(\Answered)", when, SMALL)
    client.append("INBOX.Entw&APw-rfe", r"(\Draft)", when, SMALL)
    client.append("INBOX.a.b", r"(\Deleted)", when, SMALL)
    client.append('"INBOX.\\"q\\""', "", when, SMALL)
    client.logout()


@pytest.mark.skipif(dovecot.PROGRAM is None, reason="dovecot-imapd is not installed")
class DovecotTests(TransferCase):
    def setUp(self) -> None:
        super().setUp()
        folder = Path(tempfile.mkdtemp(prefix="dovecot-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        running = dovecot.dovecot(folder)
        self.port = running.__enter__()
        self.addCleanup(running.__exit__, None, None, None)

    def source(self, password: str = dovecot.PASSWORD) -> ImapSource:
        return ImapSource(Server("127.0.0.1", dovecot.USER, password, self.port, "none"), reactor)

    async def test_everything_comes_and_the_second_time_only_what_is_new(self) -> None:
        await deferToThread(fill, self.port)
        store = await self.store()
        report = await self.imported(store, self.source())
        self.assertEqual(([], 6, 6), (report.problems, report.copied, report.verified))
        account = await store.open_account("alice", FRESH)
        self.assertEqual({
            "INBOX": [Kept(SMALL, frozenset({b"\\Seen", b"$Label1"}), DATE), Kept(LARGE, frozenset({b"\\Flagged"}), DATE)],
            "Sent": [Kept(SMALL, frozenset({b"\\Answered"}), DATE)], "Entw\u00fcrfe": [Kept(SMALL, frozenset({b"\\Draft"}), DATE)],
            "a/b": [Kept(SMALL, frozenset({b"\\Deleted"}), DATE)], '"q"': [Kept(SMALL, frozenset(), DATE)],
        }, await contents(account))
        self.assertEqual({"INBOX", "Sent", "Entw\u00fcrfe", "a/b", '"q"'}, (await account.mailboxes()).subscribed)
        self.assertEqual({"INBOX", "Sent", "Entw\u00fcrfe", "a/b", '"q"', "unread"},
                         {info.name for info in (await account.mailboxes()).mailboxes})

        def again() -> None:
            client = imaplib.IMAP4("127.0.0.1", self.port, timeout=dovecot.PATIENCE_S)
            client.login(dovecot.USER, dovecot.PASSWORD)
            client.append("INBOX.Sent", "", imaplib.Time2Internaldate(DATE), b"Subject: new\r\n\r\n")
            client.logout()

        await deferToThread(again)
        report = await self.imported(store, self.source())
        self.assertEqual(([], 1, 6, 1), (report.problems, report.copied, report.already, report.verified))

    async def test_a_wrong_password_is_a_sentence_without_it(self) -> None:
        """I9."""
        store = await self.store()
        with self.assertRaises(TransferError) as caught:
            await self.imported(store, self.source("wrong-horse"))
        self.assertIn("AUTHENTICATE with NO", str(caught.exception))
        self.assertNotIn("horse", str(caught.exception))


class Odd(LineOnlyReceiver):
    """A server with one folder and three messages, that closes the connection in the middle of the second's body, once."""

    bodies = (b"Subject: 1\n\nbare\n", b"Subject: 2\r\n\r\n" + b"x" * 2_000_000, b"Subject: 3\r\n\r\n")
    tempers: tuple[str, ...] = ()

    def connectionMade(self) -> None:
        self.write(b"* OK hello\r\n")

    def write(self, octets: bytes) -> None:
        assert self.transport is not None
        self.transport.write(octets)

    def lineReceived(self, line: bytes) -> None:
        tag, _, command = line.partition(b" ")
        verb = command.split(b" ")[0]
        if verb == b"LOGIN":
            self.write(b"+ go on\r\n")
            self.later = tag
            return
        if command.endswith(b"{6}"):
            self.write(b"+ and the password\r\n")
            return
        if command in (b"", b"e") or not verb.isupper():
            self.write(self.later + b" OK in\r\n")
            return
        answers = {
            b"CAPABILITY": b"* CAPABILITY IMAP4rev1 XLIST\r\n",
            b"XLIST": b'* XLIST (\\HasNoChildren \\AllMail) "/" {3}\r\nAll\r\n* XLIST (\\Noselect) "/" "[x]"\r\n',
            b"LSUB": b'* LSUB () "/" All\r\n',
            b"EXAMINE": b"* 3 EXISTS\r\n* OK [UIDVALIDITY 9] fine\r\n",
        }
        self.write(answers.get(verb, b""))
        if command.startswith(b"UID SEARCH"):
            self.write(b"* SEARCH 7 8 9 \r\n")
        elif command.startswith(b"UID FETCH"):
            self.fetch(command)
        self.write(tag + b" OK done\r\n")

    def fetch(self, command: bytes) -> None:
        assert self.transport is not None
        ranges = [[int(part) for part in one.split(b":")] for one in command.split(b" ")[2].split(b",")]
        wanted = [uid for uid in (7, 8, 9) if any(one[0] <= uid <= one[-1] for one in ranges)]
        for uid in wanted:
            body = self.bodies[uid - 7]
            if b"BODY" not in command:
                self.write(b'* %d FETCH (INTERNALDATE "14-Nov-2023 22:13:20 +0000" RFC822.SIZE 9 UID %d FLAGS (\\Seen))\r\n'
                           % (uid - 6, uid))
                continue
            self.write(b"* %d FETCH (FLAGS (\\Seen))\r\n* %d FETCH (UID %d BODY[] {%d}\r\n" % (uid, uid - 6, uid, len(body)))
            if uid == 8 and Odd.tempers:
                Odd.tempers = Odd.tempers[1:]
                self.write(body[:1_500_000])
                self.transport.loseConnection()
                return
            self.write(body + b")\r\n")


class OddServerTests(TransferCase):
    async def test_xlist_wrong_sizes_bare_lf_and_a_connection_that_breaks(self) -> None:
        Odd.tempers = ("breaks", "breaks again")
        port = reactor.listenTCP(0, Factory.forProtocol(Odd), interface="127.0.0.1")  # type: ignore[attr-defined]
        self.addCleanup(port.stopListening)
        store = await self.store()
        source = ImapSource(Server("127.0.0.1", "ann", "secret", port.getHost().port, "none"), reactor)
        report = await self.imported(store, source)
        self.assertEqual(([], 3, 3), (report.problems, report.copied, report.verified))
        account = await store.open_account("alice", FRESH)
        seen = frozenset({b"\\Seen"})
        self.assertEqual({"All": [Kept(b"Subject: 1\r\n\r\nbare\r\n", seen, DATE), Kept(Odd.bodies[1], seen, DATE),
                                  Kept(Odd.bodies[2], seen, DATE)]}, await contents(account))
        self.assertEqual(["\\All"], [info.special_use for info in (await account.mailboxes()).mailboxes if info.name == "All"])

    async def test_nobody_listens(self) -> None:
        port = reactor.listenTCP(0, Factory.forProtocol(Odd), interface="127.0.0.1")  # type: ignore[attr-defined]
        number = port.getHost().port
        await port.stopListening()
        with self.assertRaisesRegex(TransferError, "Cannot connect to 127.0.0.1"):
            await self.imported(await self.store(), ImapSource(Server("127.0.0.1", "a", "b", number, "none"), reactor))


TALK = (
    b"* OK [UIDVALIDITY 3] hi\r\n"
    b'* LIST (\\A \\B) "/" "a \\"b\\\\"' b"\r\n"
    b"* 3 FETCH (UID 7 BODY[] {3}\r\na\r\n FLAGS () X NIL)\r\n"
    b"* SEARCH 1 2\r\n"
    b"* 1 FETCH (BODY[] {20}\r\n01234567890123456789 UID 1)\r\n"
    b"+ go\r\n"
    b"T1 NO [X y] no\r\n"
    b"* LIST () NIL {0}\r\n\r\n")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, len(TALK)), max_size=6))
def test_any_split_same_answers(cuts: list[int]) -> None:
    """I4."""
    got: list[Answer] = []
    pieces: list[bytes] = []
    before = imap_answers.KEPT_OCTETS
    imap_answers.KEPT_OCTETS = 10
    try:
        answers = Answers(got.append, pieces.append)
        for first, last in pairwise([0, *sorted(cuts), len(TALK)]):
            answers.feed(TALK[first:last])
    finally:
        imap_answers.KEPT_OCTETS = before
    assert answers.empty
    assert got[0].code(b"UIDVALIDITY") == b"3"
    assert got[1].values == [[b"\\A", b"\\B"], b"/", b'a "b\\']
    assert got[2].number == 3 and pairs(got[2].values[0]) == {b"UID": b"7", b"BODY[]": b"a\r\n", b"FLAGS": [], b"X": None}
    assert got[3].values == [b"1", b"2"]
    assert pairs(got[4].values[0]) == {b"BODY[]": Large(20), b"UID": b"1"} and b"".join(pieces) == b"01234567890123456789"
    assert (got[5].tag, got[6].word, got[7].values) == (b"+", b"NO", [[], None, b""])


@pytest.mark.parametrize("octets", [b"* LIST (\r\n", b"* LIST )\r\n", b"* LIST " + b"(" * 100 + b"\r\n", b'* LIST "a\r\n'])
def test_what_is_not_imap_is_refused(octets: bytes) -> None:
    with pytest.raises(BadAnswer):
        Answers(lambda answer: None, lambda piece: None).feed(octets)


def test_names_of_other_servers() -> None:
    assert folder_name(b"inbox", b".", "INBOX.") == "INBOX"
    assert folder_name(b"INBOX.Sent.2026", b".", "INBOX.") == "Sent/2026"
    assert folder_name(b"a/b", b".", "") == "a_b"
    assert folder_name(b"[Gmail]/Entw&APw-rfe", b"/", "") == "[Gmail]/Entw\u00fcrfe"
    assert folder_name("caf\u00e9".encode(), b"/", "") == "caf\u00e9"
    assert folder_name(b"x", b"", "") == "x"

