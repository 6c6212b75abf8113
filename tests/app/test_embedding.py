"""`MailService` inside somebody else's process: on a reactor it shares, started, stopped, failing, and started again."""

from __future__ import annotations

import dataclasses
import poplib
import smtplib
import socket
from pathlib import Path
from typing import Any

import pytest
from twisted.application.service import MultiService, Service
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from mailframe.app.config import Config, Listener
from mailframe.app.service import MailService, StartError
from mailframe.app.toml import ConfigError
from mailframe.interfaces.directory import IDirectory
from mailframe.interfaces.filter import IRecipientFilter
from mailframe.interfaces.plugin import ILifecycle
from mailframe.model.refusal import Refusal
from mailframe.model.route import Account, Unknown
from mailframe.model.verdict import Refuse
from mailframe.stores.memory import MemoryStore
from mailframe.testing.temporary import TemporaryPlaces

LISTENERS = {
    "smtp": Listener("smtp", "127.0.0.1:0"), "imap": Listener("imap", "127.0.0.1:0", plaintext_login="loopback"),
    "pop3": Listener("pop3", "127.0.0.1:0", plaintext_login="loopback"),
}


@implementer(IDirectory, ILifecycle)
class People:
    """Ada alone; counts what is asked of its life."""

    def __init__(self) -> None:
        self.life: list[str] = []

    def start(self) -> None:
        self.life.append("start")

    def close(self) -> None:
        self.life.append("close")

    def resolve(self, addresses: Any) -> list[Any]:
        return [Account("ada") if address.local == "ada" else Unknown() for address in addresses]

    def may_send_as(self, account: str, address: Any) -> bool:
        return True


def send(port: int, recipient: str) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        client.sendmail("a@example.org", [recipient], "Subject: hello\r\n\r\nIt works.\r\n")


def collect(port: int, user: str, password: str) -> list[bytes]:
    client = poplib.POP3("127.0.0.1", port, timeout=20)
    client.user(user)
    client.pass_(password)
    messages = [b"\n".join(client.retr(number)[1]) for number in range(1, client.stat()[0] + 1)]
    client.quit()
    return messages


class EmbeddingTests(TemporaryPlaces, TestCase):
    timeout = 60

    def config(self, **changes: Any) -> Config:
        checker = InMemoryUsernamePasswordDatabaseDontUse(ada=b"secret")  # type: ignore[no-untyped-call]
        self.people, self.store = People(), MemoryStore()
        parts = {"storage": self.store, "auth": [checker], "directory": self.people, **changes.pop("parts", {})}
        return Config(**{"data": Path(self.mktemp()), "domains": ("example.org",), "hostname": "mail.example.org",
                         "listeners": LISTENERS, "parts": parts, **changes})

    async def started(self, config: Config) -> MailService:
        service = MailService(config, reactor)
        service.startService()
        self.addCleanup(lambda: service.stopService() if service.running else None)
        await service.started
        return service

    async def test_ready_made_parts_are_the_server(self) -> None:
        service = await self.started(self.config())
        ports = {name: port for name, (_, port) in service.addresses().items()}
        await deferToThread(send, ports["smtp"], "ada@example.org")
        message, = await deferToThread(collect, ports["pop3"], "ada", "secret")
        self.assertIn(b"It works.", message)
        self.assertIs(self.store, service.parts.store)
        await service.stopService()
        self.assertEqual(["start", "close"], self.people.life)

    async def test_it_can_be_stopped_and_started_again(self) -> None:
        config = dataclasses.replace(self.config(), parts={
            each: part for each, part in self.config().parts.items() if each != "storage"})
        for count in (1, 2):
            service = MailService(config, reactor)
            for turn in (1, 2):
                service.startService()
                await service.started
                port = service.addresses()["smtp"][1]
                await deferToThread(send, port, "ada@example.org")
                messages = await deferToThread(collect, service.addresses()["pop3"][1], "ada", "secret")
                self.assertEqual(2 * (count - 1) + turn, len(messages))
                await service.stopService()
                self.assertEqual({}, service.addresses())
                with socket.socket() as client:
                    self.assertNotEqual(0, client.connect_ex(("127.0.0.1", port)), "a port was left open")

    async def test_two_servers_live_in_one_process(self) -> None:
        first, second = await self.started(self.config()), await self.started(self.config())
        await deferToThread(send, second.addresses()["smtp"][1], "ada@example.org")
        self.assertEqual([], await deferToThread(collect, first.addresses()["pop3"][1], "ada", "secret"))
        self.assertEqual(1, len(await deferToThread(collect, second.addresses()["pop3"][1], "ada", "secret")))

    async def fails(self, config: Config, error: type[Exception]) -> str:
        """Start beside another service, which must not suffer; returns the sentence."""
        together, other = MultiService(), Service()
        service = MailService(config, reactor)
        ports: list[int] = []
        service.setServiceParent(together)
        other.setServiceParent(together)
        together.privilegedStartService()
        ports += [port for _, port in service.addresses().values()]
        together.startService()
        self.assertTrue(other.running)
        with self.assertRaises(error) as caught:
            await service.started
        self.assertEqual({}, service.addresses())
        for port in ports:
            with socket.socket() as client:
                self.assertNotEqual(0, client.connect_ex(("127.0.0.1", port)), "a port was left open")
        await together.stopService()
        return str(caught.exception)

    async def test_a_taken_port_is_told_by_started_and_leaves_none_open(self) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            listeners = {**LISTENERS, "imaps": Listener("imap", f"127.0.0.1:{other.getsockname()[1]}", "implicit")}
            self.assertIn("another program has this port", await self.fails(self.config(listeners=listeners), StartError))

    async def test_a_store_that_does_not_open_is_told_by_started(self) -> None:
        class Broken(MemoryStore):
            async def start(self) -> None:
                raise RuntimeError("no such cluster")
        sentence = await self.fails(self.config(parts={"storage": Broken()}), ConfigError)
        self.assertEqual("Broken cannot start: no such cluster.", sentence)
        self.assertEqual(["close"], self.people.life, "the others are closed")
        self.flushLoggedErrors(RuntimeError)

    async def test_a_part_that_is_none_is_told_by_started(self) -> None:
        sentence = await self.fails(self.config(parts={"storage": object()}), ConfigError)
        self.assertIn("parts['storage'] made a object, which does not say that it provides IMailStore", sentence)

    def test_a_misspelt_part_is_named(self) -> None:
        with pytest.raises(ConfigError, match="parts has 'store'; did you mean 'storage'"):
            Config(development=True, parts={"store": MemoryStore()})

    async def test_stopping_in_the_middle_of_the_start_waits_for_it(self) -> None:
        gate: Deferred[None] = Deferred()

        class Slow(MemoryStore):
            async def start(self) -> None:
                await gate
        service = MailService(self.config(parts={"storage": Slow()}), reactor)
        service.startService()
        stopping = service.stopService()
        reactor.callLater(0, gate.callback, None)  # type: ignore[attr-defined]
        await stopping
        self.assertEqual({}, service.addresses())
        self.assertEqual({}, service.addresses())

    async def test_a_ready_made_filter_is_asked(self) -> None:
        @implementer(IRecipientFilter)
        class Never:
            def recipient(self, envelope: Any, recipient: Any) -> Any:
                return Refuse(Refusal("Never", smtp=(550, "5.7.1")))
        service = await self.started(self.config(parts={"filters": [Never()]}))
        with self.assertRaises(smtplib.SMTPRecipientsRefused) as caught:
            await deferToThread(send, service.addresses()["smtp"][1], "ada@example.org")
        self.assertEqual((550, b"5.7.1 Never"), caught.exception.recipients["ada@example.org"])
