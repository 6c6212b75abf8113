"""Real sockets and Python's imaplib: what a mail program meets, with and without TLS."""

from __future__ import annotations

import imaplib
import socket
import ssl
from collections.abc import Callable
from typing import Any, TypeVar

from support.certs import server_context
from support.imap_world import portal
from twisted.internet import endpoints, reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from mailframe.imap.server import ImapServerFactory
from mailframe.imap.settings import ImapSettings
from mailframe.stores.memory import MemoryStore

T = TypeVar("T")
MESSAGE = b"From: a@example.org\r\nSubject: hello\r\n\r\n" + b"line\r\n" * 30_000


class Sockets(TestCase):
    """A server on a port of its own; clients block, in threads."""

    timeout = 20

    async def setUp(self) -> None:
        await self.listen("tcp:0:interface=127.0.0.1")

    async def listen(self, description: str) -> None:
        clock: Any = reactor
        store: Any = MemoryStore()
        self.factory = ImapServerFactory(
            portal(store), ImapSettings(login_failure_delay_s=0.05), clock=clock, tls=server_context(), content=store)
        self.port = await endpoints.serverFromString(clock, description).listen(self.factory)
        self.address = ("127.0.0.1", self.port.getHost().port)

    async def tearDown(self) -> None:
        await self.port.stopListening()
        await self.factory.stop(0.5)

    def blocking(self, work: Callable[[], T]) -> Deferred[T]:
        return deferToThread(work)

    def client(self) -> imaplib.IMAP4:
        return imaplib.IMAP4(*self.address, timeout=10)


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


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
