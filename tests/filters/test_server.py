"""A whole server with its guards on, over real sockets; this machine is no exception here."""

from __future__ import annotations

import io
import smtplib
import socket
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

from support.dnsserver import DnsServer
from support.smtptalk import Talk
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from mailframe.app import guardctl
from mailframe.app.config import FIXED, Config
from mailframe.app.control import ControlError
from mailframe.app.service import MailService
from mailframe.app.toml import Document, read
from mailframe.model.mailbox import FRESH_ACCOUNT
from mailframe.testing.temporary import TemporaryPlaces

OFF = "".join(f"[guards.{name}]\nroles = []\n" for name in (
    "bans", "rates", "early", "reverse", "hello", "sender", "recipients", "tarpit"))


def without(*names: str) -> str:
    """The guards that a test is not about, turned off."""
    text = OFF
    for name in names:
        text = text.replace(f"[guards.{name}]\nroles = []\n", "")
    return text


class ServerTests(TemporaryPlaces, TestCase):
    timeout = 30

    async def server(self, guards: str, records: dict[str, dict[str, list[str]]] | None = None) -> tuple[str, int]:
        """Start one; (host, port) of its mx listener."""
        self.data = Path(self.mktemp()).absolute()
        dns = DnsServer(reactor, records or {})
        port = dns.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(dns.stop()))
        text = f'''
            hostname = "mail.example.org"
            domains = ["example.org"]
            directory = "everyone"
            storage = "memory"
            [listeners.smtp]
            role = "mx"
            endpoint = "127.0.0.1:0"
            [relay]
            nameservers = ["127.0.0.1:{port}"]
            {guards}'''
        config = read(Document.parse("\n".join(line.strip() for line in text.splitlines()), "test.toml"), Config, FIXED)
        service = MailService(replace(config, data=self.data), reactor)
        service.startService()
        self.addCleanup(service.stopService)
        await service.started
        self.service = service
        host, number = service.addresses()["smtp"]
        return str(host), int(number)

    async def test_by_default_nothing_is_held_against_this_machine(self) -> None:
        host, port = await self.server("")

        def talk() -> None:
            for _ in range(150):                        # more than any rate
                with Talk(host, port, "EHLO [127.0.0.1]") as client:
                    assert client.greeting.startswith("220") and client.hello.startswith("250")
            for _ in range(15):
                with smtplib.SMTP(host, port, timeout=20) as sending:
                    sending.sendmail("a@nowhere.example", ["bob@example.org"], b"Subject: x\r\n\r\nx\r\n")

        await deferToThread(talk)

    async def test_a_guard_that_is_off_or_whose_role_no_listener_has_is_not_there_at_all(self) -> None:
        await self.server(OFF)
        self.assertEqual(list(self.service.parts.guards), [])

    async def test_a_hasty_client_is_refused_and_a_patient_one_served(self) -> None:
        host, port = await self.server(without("early") + "[guards.early]\nloopback = true\ndelay_s = 0.2\n")

        def hasty() -> bytes:
            with socket.create_connection((host, port), 20) as client:
                client.sendall(b"EHLO hasty.example\r\n")
                return client.makefile("rb").read()

        self.assertEqual(await deferToThread(hasty), b"554 5.5.1 You must wait for the greeting\r\n")

        def patient() -> str:
            with Talk(host, port) as client:
                return client.greeting

        self.assertTrue((await deferToThread(patient)).startswith("220"))

    async def test_the_greylist_lets_a_retry_in_and_the_command_shows_and_forgets(self) -> None:
        host, port = await self.server(without() + '[guards.greylist]\nroles = ["mx"]\nloopback = true\ndelay_s = 0.3\n')

        def send() -> int:
            with Talk(host, port) as client:
                client.say("MAIL FROM:<a@far.example>")
                return int(client.say("RCPT TO:<bob@example.org>")[:3])

        self.assertEqual(await deferToThread(send), 451)
        tries = 0
        while await deferToThread(send) == 451:
            tries += 1
            assert tries < 2_000, "never let in"
        said = await self.command("list")
        self.assertRegex(said, r"^greylist    \d+ refused, 0 waiting, 1 passed, 0 networks that come at once\n$")
        self.assertEqual(await self.command("forget", "127.0.0.1"), "Forgot 127.0.0.1: greylist.\n")
        self.assertEqual(await deferToThread(send), 451)
        self.assertEqual(await self.command("forget", "192.0.2.1"), "No guard knew anything of 192.0.2.1.\n")
        with self.assertRaisesRegex(ControlError, "is no address"):
            await self.command("forget", "bob")

    async def test_an_operator_sees_why_an_address_is_refused_bans_it_and_lets_it_in_again(self) -> None:
        """The client's address comes by XCLIENT, as from a proxy."""
        host, port = await self.server(
            '[smtp]\nxclient_from = ["127.0.0.1"]\n' + without("bans", "reverse", "early") + "[guards.early]\ndelay_s = 0.2\n",
            {"7.2.0.192.in-addr.arpa": {"PTR": ["mx.far.example."]}, "mx.far.example": {"A": ["192.0.2.7"]}})

        def come(ip: str) -> str:
            with Talk(host, port) as client:
                return client.say(f"XCLIENT ADDR={ip}")

        self.assertEqual((await deferToThread(come, "192.0.2.7"))[:3], "220")
        self.assertEqual(await self.command("show", "192.0.2.7"), "reverse     its name in DNS is mx.far.example\n")
        said = await self.command("ban", "192.0.2.7", 10)
        self.assertEqual(said, "192.0.2.7 is refused for 10 minutes; `mailframe guards forget 192.0.2.7` lets it in again.\n")
        self.assertEqual((await deferToThread(come, "192.0.2.7"))[:9], "421 4.7.0")
        self.assertEqual((await deferToThread(come, "192.0.2.8"))[:3], "220")
        self.assertRegex(await self.command("show", "192.0.2.7"),
                         r"^bans        192.0.2.7 is refused for another \d+ s \(by the operator\)\nreverse ")
        self.assertRegex(await self.command("list"), r"^bans +1 refused, 1 bans, 0 addresses with errors\nreverse ")
        self.assertEqual(await self.command("forget", "192.0.2.7"), "Forgot 192.0.2.7: bans, reverse.\n")
        self.assertEqual((await deferToThread(come, "192.0.2.7"))[:3], "220")
        self.assertEqual(await self.command("show", "192.0.2.99"), "No guard knows anything of 192.0.2.99.\n")
        for wrong, minutes, words in (("mx.far.example", 10.0, "no address"), ("192.0.2.7", 0.0, "minutes are more than 0")):
            with self.assertRaisesRegex(ControlError, words):
                await self.command("ban", wrong, minutes)

    async def test_what_is_only_logged_lets_a_listed_client_in(self) -> None:
        host, port = await self.server(
            "[guards]\nonly_log = true\n" + without() + "[guards.dnsbl]\nloopback = true\n"
            "[[guards.dnsbl.lists]]\nzone = 'bad.example'\n", {"1.0.0.127.bad.example": {"A": ["127.0.0.2"]}})

        def talk() -> str:
            with Talk(host, port) as client:
                return client.say("MAIL FROM:<a@far.example>")

        self.assertEqual((await deferToThread(talk))[:3], "250")
        self.assertEqual(await self.command("list"), "dnsbl       1 only logged, 1 addresses looked up, 0 lists silent\n")

    async def test_names_and_lists_are_looked_up_and_shown_to_plugins_and_readers(self) -> None:
        host, port = await self.server(
            without("reverse") + "[guards.reverse]\nloopback = true\n"
            "[guards.dnsbl]\nloopback = true\nheader = true\nrefuse_at = 3\n"
            "[[guards.dnsbl.lists]]\nzone = 'bad.example'\nweight = 2\n"
            "[[filters]]\nplugin = 'support.guardworld:Tagger'\n", {
                "1.0.0.127.in-addr.arpa": {"PTR": ["here.example."]}, "here.example": {"A": ["127.0.0.1"]},
                "1.0.0.127.bad.example": {"A": ["127.0.0.3"]}})

        def send() -> None:
            with smtplib.SMTP(host, port, timeout=20) as client:
                client.sendmail("a@far.example", ["bob@example.org"], b"Subject: x\r\n\r\nx\r\n")

        await deferToThread(send)
        account = await self.service.parts.store.open_account("bob@example.org", FRESH_ACCOUNT)
        (inbox_id,) = [each.id for each in (await account.mailboxes()).mailboxes if each.name == "INBOX"]
        inbox = await account.open_mailbox(inbox_id)
        header = await inbox.read(1, 0, 65_536)
        self.assertIn(b"X-DNS-Lists: bad.example; weight 2\r\nX-Peer: here.example\r\n", header)

    async def test_a_listed_client_is_refused_at_mail_and_too_many_at_once_at_the_door(self) -> None:
        host, port = await self.server(
            without("rates") + "[guards.rates]\nloopback = true\nat_once = 2\n"
            "[guards.dnsbl]\nloopback = true\n[[guards.dnsbl.lists]]\nzone = 'bad.example'\n",
            {"1.0.0.127.bad.example": {"A": ["127.0.0.2"]}})

        def talk() -> None:
            with Talk(host, port) as one, Talk(host, port) as two:
                assert one.say("MAIL FROM:<a@far.example>") == "550 5.7.1 Your address [127.0.0.1] is listed by bad.example"
                assert two.say("NOOP").startswith("250")
                with Talk(host, port, None) as three:
                    assert three.greeting.startswith("421 4.7.0 Too many connections from your network")
                one.say("QUIT")
                assert one.reply() == ""
            with Talk(host, port) as four:
                assert four.greeting.startswith("220")

        await deferToThread(talk)

    async def command(self, action: str, address: str = "", minutes: float = 60.0) -> str:
        out = io.StringIO()

        def run() -> None:
            with redirect_stdout(out):
                guardctl.run(action, self.data, address, minutes)

        await deferToThread(run)
        return out.getvalue()
