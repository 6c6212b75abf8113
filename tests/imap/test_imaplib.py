"""Python's own IMAP client reads, flags, searches, copies and expunges mail here."""

from __future__ import annotations

import imaplib
from typing import Any

from support.imap_talk import Talk, message
from twisted.internet import reactor as the_reactor
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from mailframe.model.mailbox import New
from mailframe.stores.memory import MemoryStore

reactor: Any = the_reactor


class WithImaplib(TestCase):
    async def test_a_session_from_login_to_logout(self) -> None:
        talk = Talk(reactor, MemoryStore())
        await talk.start()
        try:
            await talk.give([New(message(number), size=len(message(number))) for number in range(1, 6)])
            await deferToThread(self.session, talk.port)
        finally:
            await talk.stop()

    def session(self, port: int) -> None:
        with imaplib.IMAP4("127.0.0.1", port) as client:
            client.login("alice", "secret")
            for word in ("MOVE", "UIDPLUS", "ESEARCH", "SEARCHRES", "WITHIN"):
                self.assertIn(word, client.capability()[1][0].decode())
            self.assertEqual(client.select("INBOX"), ("OK", [b"5"]))
            self.assertEqual(client.search(None, "SUBJECT", '"message 3"'), ("OK", [b"3"]))
            client.literal = b"message 4"           # type: ignore[attr-defined]
            self.assertEqual(client.search("UTF-8", "SUBJECT"), ("OK", [b"4"]))
            status, data = client.fetch("2", "(UID FLAGS RFC822)")
            self.assertEqual(status, "OK")
            self.assertEqual(data[0][1], message(2))        # type: ignore[index]
            status, data = client.uid("FETCH", "1:3", "(FLAGS)")
            self.assertEqual([b"\\Seen" in line for line in data], [False, True, False])
            self.assertEqual(client.store("1,5", "+FLAGS", "(\\Deleted)")[0], "OK")
            self.assertEqual(client.copy("3", "Archive")[0], "OK")
            self.assertEqual(client.uid("MOVE", "4", "Archive")[0], "OK")
            self.assertEqual(client.expunge()[1], [b"4", b"4", b"1"])     # imaplib keeps the MOVE's EXPUNGE for later
            self.assertEqual(client.search(None, "ALL"), ("OK", [b"1 2"]))
            self.assertEqual(client.select("Archive", readonly=True), ("OK", [b"2"]))
            self.assertEqual(client.fetch("1:2", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1][0][1], b"Subject: message 3\r\n\r\n")  # type: ignore[index]
            self.assertEqual(client.copy("1", "Nowhere")[0], "NO")
