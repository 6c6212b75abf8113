"""I7: a plugin that raises, hangs or lies costs the one request a temporary failure, and the log names it."""

from __future__ import annotations

import imaplib
import poplib
import smtplib
from collections.abc import Callable, Sequence
from typing import Any

from support.faults import ServesFaults, hanging, lying, raising
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from zope.interface import implementer

from mailframe.interfaces.delivery import IDelivery, IDeliveryAgent
from mailframe.interfaces.directory import IDirectory
from mailframe.interfaces.filter import IMessageFilter, IRecipientFilter
from mailframe.interfaces.store import IMailStore
from mailframe.model.mailbox import NewMailbox
from mailframe.model.route import Account
from mailframe.stores.memory import MemoryStore

WAIT_S = 20


FAULTS: tuple[Callable[..., Any], ...] = (raising, hanging, lying)


@implementer(ICredentialsChecker)
class WildChecker:
    credentialInterfaces = (IUsernamePassword,)

    def __init__(self, fault: Callable[..., Any] | None = None) -> None:
        self.fault = fault

    def requestAvatarId(self, credentials: Any) -> Any:
        return self.fault() if self.fault and credentials.username == b"wild" else b"ada"


@implementer(IDirectory)
class WildDirectory:
    def __init__(self, fault: Callable[..., Any] | None = None) -> None:
        self.fault = fault

    def resolve(self, addresses: Sequence[Any]) -> Any:
        if self.fault and addresses[0].local == "wild":
            return self.fault()
        return [Account("ada") for _ in addresses]

    def may_send_as(self, account: str, address: Any) -> bool:
        return True


@implementer(IMessageFilter, IRecipientFilter)
class WildFilter:
    def __init__(self, fault: Callable[..., Any]) -> None:
        self.message = self.recipient = fault


@implementer(IDeliveryAgent)
class WildAgent:
    def __init__(self, fault: Callable[..., Any], where: str) -> None:
        self.begin: Callable[..., Any] = fault if where == "begin" else lambda envelope: WildDelivery(fault, where)


@implementer(IDelivery)
class WildDelivery:
    def __init__(self, fault: Callable[..., Any], where: str) -> None:
        self.add_recipient: Callable[..., Any] = lambda recipient: None
        self.write: Callable[..., Any] = lambda octets: None
        self.commit: Callable[..., Any] = lambda head=b"", heads={}: {}
        setattr(self, where, fault)

    def abort(self) -> None:
        raise ZeroDivisionError("even here")


@implementer(IMailStore)
class WildStore(MemoryStore):
    """At fault for account "wild", or in one method of everybody's mailboxes."""

    def __init__(self, fault: Callable[..., Any]) -> None:
        super().__init__()
        self.fault = fault

    async def open_account(self, name: str, fresh: Sequence[NewMailbox]) -> Any:
        if name == "wild":
            answer = self.fault()
            return await answer if isinstance(answer, Deferred) else answer
        return await super().open_account(name, fresh)


class FaultyPluginTests(ServesFaults):
    async def serve(self, **parts: Any) -> dict[str, int]:
        return await super().serve(**{"auth": [WildChecker()], "directory": WildDirectory(), **parts})

    async def smtp(self, port: int, recipients: Sequence[str], sender: str = "a@example.net") -> list[tuple[int, bytes]]:
        """The replies to each RCPT and to the end of the data (if any was accepted), then to NOOP."""
        def talk() -> list[tuple[int, bytes]]:
            with smtplib.SMTP("127.0.0.1", port, timeout=WAIT_S) as client:
                client.ehlo()
                client.mail(sender)
                replies = [client.rcpt(recipient) for recipient in recipients]
                if any(code == 250 for code, _ in replies):
                    replies.append(client.data("Subject: x\r\n\r\nHello\r\n"))
                return [*replies, client.noop()]
        return await deferToThread(talk)

    async def test_a_filter(self) -> None:
        for fault in FAULTS:
            ports = await self.serve(filters=[WildFilter(fault)])
            replies = await self.smtp(ports["smtp"], ["ada@example.org"])
            self.assertEqual([451, 250], [code for code, _ in replies], fault.__name__)
            self.named("WildFilter")

    async def test_a_directory(self) -> None:
        for fault in FAULTS:
            ports = await self.serve(directory=WildDirectory(fault))
            replies = await self.smtp(ports["smtp"], ["wild@example.org", "ada@example.org"])
            self.assertEqual([451, 250, 250, 250], [code for code, _ in replies], fault.__name__)
            self.named("WildDirectory")

    async def test_a_delivery_agent(self) -> None:
        """No mail is lost: either the client is told to come again, or what the agent could not take waits in the queue."""
        for where in ("begin", "add_recipient", "write", "commit"):
            for fault in FAULTS if where in ("begin", "commit") else FAULTS[:2]:
                ports = await self.serve(delivery=WildAgent(fault, where))
                replies = await self.smtp(ports["smtp"], ["ada@example.org"])
                codes = [code for code, _ in replies]
                self.assertIn(codes, ([250, 250, 250], [451, 250], [250, 451, 250]), f"{fault.__name__} in {where}")
                self.named("Wild")

    async def test_a_checker(self) -> None:
        for fault in FAULTS:
            ports = await self.serve(auth=[WildChecker(fault)])

            def pop(port: int = ports["pop3"]) -> bytes:
                client = poplib.POP3("127.0.0.1", port, timeout=WAIT_S)
                client.user("wild")
                try:
                    client.pass_("x")
                except poplib.error_proto as error:
                    client.user("ada")
                    client.pass_("x")
                    client.quit()
                    return bytes(error.args[0])
                raise AssertionError("let in")

            def imap(port: int = ports["imap"]) -> bytes:
                with imaplib.IMAP4("127.0.0.1", port, timeout=WAIT_S) as client:
                    try:
                        client.login("wild", "x")
                    except imaplib.IMAP4.error as error:
                        client.login("ada", "x")
                        return bytes(error.args[0])
                raise AssertionError("let in")

            def submission(port: int = ports["submission"]) -> int:
                with smtplib.SMTP("127.0.0.1", port, timeout=WAIT_S) as client:
                    try:
                        client.login("wild", "x")
                    except smtplib.SMTPAuthenticationError as error:
                        client.login("ada", "x")
                        return error.smtp_code
                raise AssertionError("let in")
            self.assertIn(b"[SYS/TEMP]", await deferToThread(pop), fault.__name__)
            self.assertRegex(await deferToThread(imap), rb"\[(UNAVAILABLE|SERVERBUG)\]", fault.__name__)
            if fault is not hanging:        # SMTP's own deadline is tests/smtp's, with its clock
                self.assertEqual(454, await deferToThread(submission), fault.__name__)
            self.named("WildChecker")

    async def test_a_store(self) -> None:
        for fault in FAULTS:
            store = WildStore(fault)
            ports = await self.serve(storage=store, auth=[Everybody()])

            def imap(port: int = ports["imap"]) -> bytes:
                with imaplib.IMAP4("127.0.0.1", port, timeout=WAIT_S) as client:
                    try:
                        client.login("wild", "x")
                    except imaplib.IMAP4.error as error:
                        client.login("ada", "x")
                        assert client.select()[0] == "OK", "others have their mail"
                        return bytes(error.args[0])
                raise AssertionError("let in")

            def pop(port: int = ports["pop3"]) -> bytes:
                client = poplib.POP3("127.0.0.1", port, timeout=WAIT_S)
                client.user("wild")
                try:
                    client.pass_("x")
                except poplib.error_proto as error:
                    client.quit()
                    return bytes(error.args[0])
                raise AssertionError("let in")
            self.assertRegex(await deferToThread(imap), rb"\[(UNAVAILABLE|SERVERBUG)\]", fault.__name__)
            self.assertIn(b"[SYS/TEMP]", await deferToThread(pop), fault.__name__)
            self.named("WildStore")


@implementer(ICredentialsChecker)
class Everybody:
    credentialInterfaces = (IUsernamePassword,)

    def requestAvatarId(self, credentials: Any) -> bytes:
        return bytes(credentials.username)
