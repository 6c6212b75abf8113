"""The programs of docs/embedding.md run, and do what the page says."""

from __future__ import annotations

import imaplib
import re
import runpy
import smtplib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from smtplib import LMTP, SMTP
from tempfile import TemporaryDirectory
from typing import Any

import apsw
import pytest
from support.bare_store import BareStore
from support.documents import ROOT, any_port, run, write_files
from support.servers import PATIENCE_S, Child, twistd
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from mailframe.app.config import Config, Listener
from mailframe.app.service import MailService
from mailframe.filters.tarpit import Tarpit, TarpitSettings
from mailframe.interfaces.store import IModSequenced
from mailframe.model.mailbox import FRESH_ACCOUNT

EMBEDDING = ROOT / "docs" / "embedding.md"


@pytest.fixture
def embedded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_files(EMBEDDING, tmp_path)
    for name in ("application.py", "own_parts.py"):
        (tmp_path / name).write_text(any_port((tmp_path / name).read_text()))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


@contextmanager
def application(folder: Path, name: str) -> Iterator[dict[str, int]]:
    """`twistd --python NAME`; yields the port of each listener."""
    child = Child(twistd("--nodaemon", "--pidfile=", "--python", name), folder)
    try:
        ready = child.wait_for(r"is ready: (.*)")[1]
        yield {name: int(port) for name, port in re.findall(r"(\w+) [0-9.]+:(\d+)", ready)}
    finally:
        assert child.stop() == 0, child.output
    assert "Traceback" not in child.output


def test_an_application_with_mail_in_it_runs(embedded: Path) -> None:
    with application(embedded, "application.py") as ports, SMTP("127.0.0.1", ports["smtp"], timeout=PATIENCE_S) as client:
        assert client.sendmail("a@example.org", "dev@localhost", "Subject: one\r\n\r\nHello\r\n") == {}
        assert "imap" in ports


def test_an_application_with_its_own_users_runs(embedded: Path) -> None:
    with application(embedded, "own_parts.py") as ports:
        with SMTP("127.0.0.1", ports["smtp"], timeout=PATIENCE_S) as client:
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                client.sendmail("a@example.com", "eve@example.org", "Subject: one\r\n\r\nHello\r\n")
            client.sendmail("a@example.com", "ada@example.org", "Subject: one\r\n\r\nHello\r\n")
        reader = imaplib.IMAP4("127.0.0.1", ports["imap"], timeout=PATIENCE_S)
        reader.login("ada@example.org", "engine")
        assert reader.select()[1] == [b"1"]
        reader.logout()


def test_a_real_mail_server_serves_the_tests_of_others(embedded: Path) -> None:
    assert "1 passed" in run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_signup.py", cwd=embedded)


class EmbeddingTests(TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        write_files(EMBEDDING, self.folder)

    def shown(self, name: str) -> dict[str, Any]:
        return runpy.run_path(str(self.folder / f"{name}.py"))

    async def test_a_message_is_handed_in_without_smtp(self) -> None:
        config = Config(development=True, data=(self.folder / "data").absolute(), listeners={"smtp": Listener("smtp", "0")})
        mail = MailService(config, reactor)
        mail.startService()
        self.addCleanup(mail.stopService)
        await mail.started
        outcomes = await self.shown("handing_in")["hand_in"](
            mail, "dev@localhost", ["dev@localhost", "other@example.com"], b"Subject: one\r\n\r\nHello\r\n")
        assert [(str(one), problem) for one, problem in outcomes.items()] == [("dev@localhost", None), ("other@example.com", None)]

    async def test_a_store_alone_keeps_mail_and_a_plain_one_gets_its_index(self) -> None:
        shown = self.shown("storage_alone")
        for _ in range(2):
            await shown["deposit"](self.folder / "mail", reactor, "ada", b"Subject: one\r\n\r\n" + b"x" * 300_000)
        con = apsw.Connection(str(self.folder / "mail" / "mailframe.db"))
        assert con.execute("SELECT messages FROM mailbox WHERE name = 'INBOX'").fetchall() == [(2,)]
        con.close()
        store, engine = shown["indexed"](BareStore(), self.folder / "mail", reactor)
        await store.start()
        account = await store.open_account("ada", FRESH_ACCOUNT)
        mailbox = await account.open_mailbox((await account.mailboxes()).mailboxes[0].id)
        assert IModSequenced.providedBy(mailbox)
        await store.close()
        await engine.close()

    async def test_smtp_alone_prints_what_comes(self) -> None:
        shown = self.shown("smtp_alone")
        printed: list[str] = []
        shown["Printer"].commit.__globals__["print"] = printed.append
        port = await shown["listen"](0)
        self.addCleanup(port.stopListening)

        def send() -> None:
            with SMTP("127.0.0.1", port.getHost().port, timeout=PATIENCE_S) as client:
                client.sendmail("a@example.org", "printer@example.org", "Subject: ink\r\n\r\nHello\r\n")

        await deferToThread(send)
        assert "Subject: ink" in printed[0]

    async def test_the_pages_extension_is_announced_and_understood(self) -> None:
        printer = self.shown("smtp_alone")["Printer"]()
        port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(self.shown("smtp_extension")["factory"](printer))
        self.addCleanup(port.stopListening)

        def ask() -> list[tuple[int, bytes]]:
            with SMTP("127.0.0.1", port.getHost().port, timeout=PATIENCE_S) as client:
                client.ehlo("a.example")
                assert client.esmtp_features["xpaper"] == "A4 LETTER"
                mail = "MAIL FROM:<a@b.example> XPAPER="
                return [client.docmd(line) for line in ("XINK", f"{mail}A3", f"{mail}A4")]

        assert [code for code, _ in await deferToThread(ask)] == [250, 501, 250]

    async def test_a_guard_by_hand_and_a_unix_socket_serve_an_embedder(self) -> None:
        with TemporaryDirectory() as short:                 # the path of a Unix socket has at most 107 octets
            config = Config(
                development=True, data=(self.folder / "data").absolute(),
                parts={"filters": [Tarpit(TarpitSettings(roles=("lmtp",), loopback=True, free=1))]},
                listeners={"lmtp": Listener("lmtp", f"unix:{short}/lmtp:mode=600", tls="none")})
            mail = MailService(config, reactor)
            mail.startService()
            try:
                await mail.started
                assert mail.addresses()["lmtp"] == (f"{short}/lmtp", 0), mail.addresses()

                def send() -> None:
                    with LMTP(f"{short}/lmtp") as client:
                        client.sendmail("a@example.org", "dev@localhost", "Subject: one\r\n\r\nHello\r\n")

                await deferToThread(send)
            finally:
                await mail.stopService()
