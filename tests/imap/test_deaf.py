"""Who asks for a gigabyte and does not read it costs the server next to nothing, and nobody else any time (I3)."""

from __future__ import annotations

import imaplib
import random
import tracemalloc
from collections.abc import Callable
from typing import Any

from support.imap_sockets import Sockets, trusting

from mailframe.model.mailbox import FRESH_ACCOUNT, New

from .test_compress import compressed

MOST = 2 << 20                  # octets of memory beyond what was there before
MESSAGES, OCTETS = 5_000, 200_000
LARGE = b"Subject: large\r\n\r\n" + random.Random(1).randbytes(OCTETS)     # it does not let itself be compressed
EVERY = b"a FETCH 1:* BODY[]\r\n"
MANY = b"".join(b"a%d UID FETCH %d BODY.PEEK[]\r\n" % (number, number) for number in range(1, MESSAGES + 1))
SECTIONS = b"a FETCH 1:* (%b)\r\n" % b" ".join(b"BODY.PEEK[TEXT]<%d.190000>" % number for number in range(20))

Wrap = Callable[[imaplib.IMAP4], Any]


def plain(client: imaplib.IMAP4) -> Any:
    return client.sock


def packed(client: imaplib.IMAP4) -> Any:
    return compressed(client)


class DeafTests(Sockets):
    """1 GB each, told by tracemalloc: the clients here share the process, and take next to nothing themselves."""

    timeout = 60

    async def given(self) -> None:
        store: Any = self.factory.content
        account = await store.open_account("alice", FRESH_ACCOUNT)
        inbox = next(info for info in (await account.mailboxes()).mailboxes if info.name == "INBOX")
        await (await account.open_mailbox(inbox.id)).append([New(LARGE, size=len(LARGE))] * MESSAGES)

    def work(self, asked: bytes, tls: bool, wrap: Wrap) -> int:
        """The deaf one asks, another one asks and reads: the memory that was taken at most."""
        deaf, other = self.client(), self.client()
        if tls:
            deaf.starttls(trusting())
        for client in (deaf, other):
            client.login("alice", "secret")
            client.select("INBOX")
        wire = wrap(deaf)
        self.ask(other)                     # what a first time costs is not counted
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            wire.sendall(asked)
            for _ in range(100):
                self.ask(other)
            return tracemalloc.get_traced_memory()[1] - before
        finally:
            tracemalloc.stop()
            deaf.sock.close()
            other.logout()

    def ask(self, client: imaplib.IMAP4) -> None:
        self.assertEqual(client.fetch("1", "(BODY.PEEK[HEADER])")[0], "OK")
        self.assertEqual(client.noop()[0], "OK")

    async def judged(self, asked: bytes, *, tls: bool = False, wrap: Wrap = plain) -> None:
        await self.given()
        self.assertLess(await self.blocking(lambda: self.work(asked, tls, wrap)), MOST)

    async def test_every_message_of_a_large_mailbox(self) -> None:
        await self.judged(EVERY)

    async def test_one_command_after_another(self) -> None:
        await self.judged(MANY)

    async def test_many_sections_of_each_message(self) -> None:
        await self.judged(SECTIONS)

    async def test_over_tls(self) -> None:
        await self.judged(EVERY, tls=True)
        await self.judged(MANY, tls=True)

    async def test_compressed(self) -> None:
        await self.judged(EVERY, wrap=packed)
        await self.judged(MANY, wrap=packed)

    async def test_compressed_over_tls(self) -> None:
        await self.judged(MANY, tls=True, wrap=packed)
