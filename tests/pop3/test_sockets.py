"""poplib, Python's own client, against the server over real sockets: plain, STLS, implicit TLS, large and slow."""

from __future__ import annotations

import poplib
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.folders import CleanTestCase
from support.pop3world import checker
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.protocols.tls import TLSMemoryBIOFactory

from mailframe.auth.realm import portal
from mailframe.model.mailbox import FRESH_ACCOUNT, New
from mailframe.pop3.server import Pop3ServerFactory
from mailframe.pop3.settings import Pop3Settings
from mailframe.stores.memory import MemoryStore
from mailframe.tls.contexts import ServerContexts
from mailframe.tls.selfsigned import self_signed

BIG = b"Subject: big\r\n\r\n" + b".a line that wants a second dot, and so on and on\r\n" * 60_000   # 3 MB


class Sockets(CleanTestCase):
    async def start(self, *, implicit: bool = False, **settings: Any) -> None:
        files = self_signed(Path(self.mktemp()), now=time.time())
        self.trust = ssl.create_default_context(cafile=str(files.chain))
        contexts = ServerContexts([files], clock=reactor)  # type: ignore[arg-type]
        self.store = MemoryStore()
        self.factory = Pop3ServerFactory(
            portal(self.store, [checker()]), Pop3Settings(**settings), clock=reactor, tls=contexts)  # type: ignore[arg-type]
        served = TLSMemoryBIOFactory(contexts, False, self.factory) if implicit else self.factory
        port = reactor.listenTCP(0, served, backlog=400, interface="127.0.0.1")  # type: ignore[attr-defined]
        self.port = port.getHost().port

        async def stop() -> None:
            await port.stopListening()
            await self.factory.stop()

        self.addCleanup(lambda: Deferred.fromCoroutine(stop()))

    async def deliver(self, *messages: bytes) -> None:
        account = await self.store.open_account("bob", FRESH_ACCOUNT)
        inbox = await account.open_mailbox((await account.mailboxes()).mailboxes[0].id)
        await inbox.append([New(octets, size=len(octets)) for octets in messages])

    async def client(self, talk: Callable[[], Any]) -> Any:
        return await deferToThread(talk)

    async def test_poplib_in_the_clear_on_loopback(self) -> None:
        await self.start(plaintext_login="loopback")
        await self.deliver(b"Subject: one\r\n\r\n.hello\r\n", b"Subject: two\r\n\r\nbye\r\n")

        def talk() -> None:
            client = poplib.POP3("127.0.0.1", self.port, timeout=10)
            self.assertIn("SASL", client.capa())
            client.user("bob")
            client.pass_("secret")
            self.assertEqual(client.stat(), (2, 45))
            self.assertEqual(client.retr(1)[1:], ([b"Subject: one", b"", b".hello"], 24))
            self.assertEqual(client.top(2, 0)[1], [b"Subject: two", b""])
            client.dele(1)
            client.quit()
            client = poplib.POP3("127.0.0.1", self.port, timeout=10)
            client.user("bob")
            client.pass_("secret")
            self.assertEqual(client.stat(), (1, 21))
            self.assertTrue(client.uidl(1).endswith(b".2"))
            client.quit()

        await self.client(talk)

    async def test_poplib_with_stls_and_a_large_message(self) -> None:
        await self.start()
        await self.deliver(BIG, b"small\r\n")

        def talk() -> None:
            client = poplib.POP3("localhost", self.port, timeout=10)
            with self.assertRaises(poplib.error_proto):
                client.user("bob")
            client.stls(self.trust)
            self.assertNotIn("STLS", client.capa())
            client.user("bob")
            client.pass_("secret")
            _, lines, _ = client.retr(1)
            self.assertEqual(b"\r\n".join(lines) + b"\r\n", BIG)
            self.assertEqual(client.retr(2)[1], [b"small"])
            client.quit()

        await self.client(talk)

    async def test_poplib_over_implicit_tls(self) -> None:
        await self.start(implicit=True)
        await self.deliver(BIG)

        def talk() -> None:
            client = poplib.POP3_SSL("localhost", self.port, timeout=10, context=self.trust)
            client.user("bob")
            client.pass_("secret")
            self.assertEqual(b"\r\n".join(client.retr(1)[1]) + b"\r\n", BIG)
            client.dele(1)
            client.quit()

        await self.client(talk)

    async def test_what_is_injected_before_the_handshake_is_never_obeyed(self) -> None:
        await self.start()

        def talk() -> bytes:
            with socket.create_connection(("127.0.0.1", self.port), timeout=10) as raw:
                raw.recv(100)
                raw.sendall(b"STLS\r\nUSER mallory\r\n")
                return raw.recv(100)

        self.assertEqual(await self.client(talk), b"")  # I5

    async def test_a_client_that_reads_slowly_delays_nobody_and_gets_everything(self) -> None:
        await self.start(plaintext_login="loopback")
        await self.deliver(BIG, b"small\r\n")

        def talk() -> None:
            slow = socket.create_connection(("127.0.0.1", self.port), timeout=10)
            slow.sendall(b"USER bob\r\nPASS secret\r\n" + b"RETR 1\r\n" * 3 + b"QUIT\r\n")
            other = poplib.POP3("127.0.0.1", self.port, timeout=10)
            other.user("alice")
            other.pass_("pass word")
            other.quit()
            got = bytearray()
            while (octets := slow.recv(1 << 20)):
                got += octets
            slow.close()
            self.assertEqual(got.count(b"\r\n..a line"), 3 * 60_000)
            self.assertTrue(got.endswith(b"+OK Bye, 2 messages left\r\n"))

        await self.client(talk)

    async def test_three_hundred_silent_connections_keep_nobody_out(self) -> None:
        await self.start(plaintext_login="loopback", max_connections_per_ip=400)

        def talk() -> None:
            silent = [socket.create_connection(("127.0.0.1", self.port), timeout=10) for _ in range(300)]
            client = poplib.POP3("127.0.0.1", self.port, timeout=10)
            client.user("bob")
            client.pass_("secret")
            client.quit()
            for each in silent:
                each.close()

        await self.client(talk)
