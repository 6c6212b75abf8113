"""Real sockets and Python's imaplib: what a mail program meets, with and without TLS."""

from __future__ import annotations

import imaplib
import socket
from typing import Any

from support.certs import server_context
from support.imap_sockets import MESSAGE, Sockets, trusting
from twisted.internet import reactor


class ImaplibTests(Sockets):
    async def test_a_whole_visit(self) -> None:
        def visit() -> None:
            with self.client() as mail:
                self.assertIn("STARTTLS", mail.capabilities)
                mail.starttls(trusting())
                self.assertNotIn("STARTTLS", mail.capabilities)
                self.assertEqual(mail.login("alice", "secret")[0], "OK")
                self.assertEqual(mail.create("Entw&APw-rfe/2026")[0], "OK")
                self.assertEqual(mail.append("INBOX", "(\\Seen)", "", MESSAGE)[0], "OK")
                self.assertEqual(mail.select("INBOX"), ("OK", [b"1"]))
                _, [answer, _] = mail.fetch("1", "(RFC822.SIZE BODY.PEEK[])")
                self.assertEqual(answer[1], MESSAGE)
                self.assertEqual(mail.search(None, "SUBJECT", "hello"), ("OK", [b"1"]))
                self.assertEqual(mail.copy("1", '"Entw&APw-rfe/2026"')[0], "OK")
                self.assertEqual(mail.store("1", "+FLAGS", "\\Deleted")[0], "OK")
                self.assertEqual(mail.expunge(), ("OK", [b"1"]))
                self.assertEqual(mail.status("Entw&APw-rfe/2026", "(MESSAGES)")[1], [b"Entw&APw-rfe/2026 (MESSAGES 1)"])
                self.assertEqual(len(mail.list()[1]), 8)
                self.assertEqual(mail.close()[0], "OK")

        await self.blocking(visit)

    async def test_wrong_password_then_right(self) -> None:
        def visit() -> None:
            with self.client() as mail:
                with self.assertRaisesRegex(imaplib.IMAP4.error, "AUTHENTICATIONFAILED"):
                    mail.login("alice", "wrong")
                self.assertEqual(mail.authenticate("PLAIN", lambda _: b"\0alice\0secret")[0], "OK")

        await self.blocking(visit)


class ImplicitTlsTests(Sockets):
    async def setUp(self) -> None:
        await self.listen("tcp:0:interface=127.0.0.1")
        await self.port.stopListening()
        clock: Any = reactor
        self.port = clock.listenSSL(0, self.factory, server_context(), interface="127.0.0.1")
        self.address = ("127.0.0.1", self.port.getHost().port)

    async def test_login_over_tls_from_the_start(self) -> None:
        def visit() -> None:
            with imaplib.IMAP4_SSL(*self.address, ssl_context=trusting(), timeout=10) as mail:
                self.assertNotIn("STARTTLS", mail.capabilities)
                self.assertEqual(mail.login("alice", "secret")[0], "OK")
                self.assertEqual(mail.append("INBOX", "", "", MESSAGE)[0], "OK")
                mail.select("INBOX")
                self.assertEqual(mail.fetch("1", "(BODY[])")[1][0][1], MESSAGE)

        await self.blocking(visit)


class StartTlsTests(Sockets):
    def talk(self, octets: bytes) -> bytes:
        """Everything the server says to `octets`, until it closes or is silent."""
        with socket.create_connection(self.address, timeout=10) as line:
            heard = line.recv(4_096)
            line.sendall(octets)
            line.settimeout(1)
            try:
                while more := line.recv(4_096):
                    heard += more
            except TimeoutError:
                heard += b"(silence)"
            except ConnectionError:
                pass
            return heard

    async def test_what_follows_starttls_in_the_clear_closes_the_connection(self) -> None:
        """I5."""
        heard = await self.blocking(lambda: self.talk(b"a STARTTLS\r\nb NOOP\r\n"))
        self.assertIn(b"a OK", heard)
        self.assertNotIn(b"b OK", heard)
        self.assertNotIn(b"(silence)", heard)

    async def test_nothing_said_before_tls_counts_afterwards(self) -> None:
        def visit() -> list[bytes]:
            with socket.create_connection(self.address, timeout=10) as line:
                line.recv(4_096)
                line.sendall(b"a STARTTLS\r\n")
                self.assertIn(b"a OK", line.recv(4_096))
                with trusting().wrap_socket(line) as safe:
                    safe.sendall(b"b STARTTLS\r\nc CAPABILITY\r\n")
                    heard = b""
                    while b"c OK" not in heard:
                        heard += safe.recv(4_096)
                    return heard.split(b"\r\n")

        heard = await self.blocking(visit)
        self.assertTrue(heard[0].startswith(b"b BAD"), heard)
        self.assertNotIn(b"STARTTLS", heard[1])
