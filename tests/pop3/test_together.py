"""POP3 over the accounts file and the SQLite store: the parts that a real server is built of, together."""

from __future__ import annotations

import poplib
from pathlib import Path

from support.folders import CleanTestCase
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from mailframe.auth import accountedit
from mailframe.auth.accounts import AccountsFile
from mailframe.auth.hashing import hash_password
from mailframe.auth.realm import portal
from mailframe.model.mailbox import FRESH_ACCOUNT, New
from mailframe.pop3.server import Pop3ServerFactory
from mailframe.pop3.settings import Pop3Settings
from mailframe.sqlite.engine import Engine
from mailframe.stores.sqlite import SqliteStore

ALICE = "alice@one.example"
LARGE = b"Subject: large\r\n\r\n" + b".0123456789abcdef\r\n" * 60_000


class TogetherTests(CleanTestCase):
    async def start(self) -> int:
        folder = Path(self.mktemp())
        folder.mkdir()
        accountedit.add(folder / "accounts", ALICE, hash_password("wonderland"))
        self.accounts = AccountsFile(folder / "accounts", reactor=reactor, clock=reactor)  # type: ignore[arg-type]
        self.accounts.load()
        self.store = SqliteStore(Engine(folder / "mail.db", reactor, name="mail"), reactor)  # type: ignore[arg-type]
        await self.store.start()
        settings = Pop3Settings(plaintext_login="loopback", auth_failure_delay_s=0.0)
        factory = Pop3ServerFactory(portal(self.store, [self.accounts]), settings, clock=reactor)  # type: ignore[arg-type]
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")  # type: ignore[attr-defined]

        async def stop() -> None:
            await port.stopListening()
            await factory.stop()
            await self.store.close()
            await self.accounts.close()

        self.addCleanup(lambda: Deferred.fromCoroutine(stop()))
        return int(port.getHost().port)

    async def test_mail_is_fetched_and_removed_for_good_by_its_owner_alone(self) -> None:
        number = await self.start()
        account = await self.store.open_account(ALICE, FRESH_ACCOUNT)
        inbox_id = next(info.id for info in (await account.mailboxes()).mailboxes if info.name == "INBOX")
        inbox = await account.open_mailbox(inbox_id)
        await inbox.append([New(octets, size=len(octets)) for octets in (LARGE, b"Subject: b\r\n\r\nb\r\n")])

        def talk() -> None:
            client = poplib.POP3("127.0.0.1", number, timeout=20)
            client.user("Alice")
            with self.assertRaisesRegex(poplib.error_proto, r"\[AUTH\]"):
                client.pass_("Wonderland")
            client.user("alice")
            client.pass_("wonderland")
            self.assertEqual(b"\r\n".join(client.retr(1)[1]) + b"\r\n", LARGE)
            client.dele(1)
            client.quit()

        await deferToThread(talk)
        self.assertEqual((await inbox.status()).messages, 1)
