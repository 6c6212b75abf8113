"""I7: a mailbox whose method raises, hangs or lies costs the one request a temporary failure, and the log names the store."""

from __future__ import annotations

import poplib
import smtplib
from collections.abc import Callable, Sequence
from typing import Any

from support.bare_store import BareStore
from support.faults import ServesFaults, hanging, lying, raising
from support.plain_mailboxes import Handing
from support.talk import Talk
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.internet.threads import deferToThread
from zope.interface import implementer

from mailframe.interfaces.directory import IDirectory
from mailframe.interfaces.store import IMailbox
from mailframe.model.route import Account

FAULTS: tuple[Callable[..., Any], ...] = (raising, hanging, lying)
METHODS = "status", "keywords", "rows", "read", "append", "set_flags", "expunge", "changes"
WAIT_S = 20


class Faults:
    """What is wrong just now: a fault by the name of a method."""

    def __init__(self) -> None:
        self.of: dict[str, Callable[..., Any]] = {}


@implementer(IMailbox)
class WildMailbox:
    def __init__(self, inner: Any, faults: Faults) -> None:
        self.id = inner.id
        for name in METHODS:
            setattr(self, name, self._method(name, getattr(inner, name), faults))

    def _method(self, name: str, good: Callable[..., Any], faults: Faults) -> Callable[..., Any]:
        return lambda *arguments: faults.of.get(name, good)(*arguments)


@implementer(ICredentialsChecker, IDirectory)
class Everybody:
    credentialInterfaces = (IUsernamePassword,)

    def requestAvatarId(self, credentials: Any) -> bytes:
        return bytes(credentials.username)

    def resolve(self, addresses: Sequence[Any]) -> Any:
        return [Account("ada") for _ in addresses]

    def may_send_as(self, account: str, address: Any) -> bool:
        return True


class FaultyStoreTests(ServesFaults):
    """Over the plain store with the index beside it, as a third party's runs."""

    async def begin(self) -> tuple[dict[str, int], Faults]:
        faults, everybody = Faults(), Everybody()
        ports = await self.serve(
            storage=Handing(BareStore(), lambda mailbox: WildMailbox(mailbox, faults)), auth=[everybody], directory=everybody)
        return ports, faults

    def imap(self, port: int, faults: Faults, fault: Callable[..., Any], method: str, command: str) -> str:
        """What `command` is answered while `method` is at fault; before and after it all is well."""
        with Talk(port) as talk:
            talk.do("LOGIN ada x")
            talk.do("APPEND INBOX {5+}\r\nA: b\n")
            talk.do("SELECT INBOX")
            faults.of = {method: fault}
            answer = talk.do(command, "")[-1]
            faults.of = {}
            talk.do("NOOP")
            talk.do("SELECT INBOX")
            talk.do("FETCH 1 (FLAGS BODY.PEEK[])")
            return answer

    async def check_imap(self, *cases: tuple[str, str]) -> None:
        ports, faults = await self.begin()
        for method, command in cases:
            for fault in FAULTS:
                self.log.clear()
                answer = await deferToThread(self.imap, ports["imap"], faults, fault, method, command)
                self.assertRegex(answer, r"^NO \[(UNAVAILABLE|SERVERBUG)\]", f"{fault.__name__} {method} in {command}")
                self.named("WildMailbox")

    async def test_append(self) -> None:
        await self.check_imap(("append", "APPEND INBOX {5+}\r\nA: b\n"))

    async def test_fetch(self) -> None:
        await self.check_imap(("read", "FETCH 1 BODY.PEEK[]"), ("rows", "FETCH 1 (INTERNALDATE RFC822.SIZE)"))

    async def test_store(self) -> None:
        await self.check_imap(("set_flags", "STORE 1 +FLAGS (\\Seen)"), ("keywords", "STORE 1 +FLAGS (word)"))

    async def test_select(self) -> None:
        await self.check_imap(("status", "SELECT INBOX"), ("keywords", "EXAMINE INBOX"))

    async def test_expunge(self) -> None:
        await self.check_imap(("expunge", "EXPUNGE"))

    async def test_delivery(self) -> None:
        """The queue has it; nobody is made to send again, and nothing is lost."""
        ports, faults = await self.begin()
        for fault in FAULTS:
            self.log.clear()
            faults.of = {"append": fault}

            def send(port: int = ports["smtp"]) -> dict[str, Any]:
                with smtplib.SMTP("127.0.0.1", port, timeout=WAIT_S) as client:
                    return client.sendmail("a@example.net", ["ada@example.org"], "Subject: x\r\n\r\nHello\r\n")
            self.assertEqual({}, await deferToThread(send), fault.__name__)
            self.named("WildMailbox")

    async def test_pop3(self) -> None:
        ports, faults = await self.begin()
        await deferToThread(self.imap, ports["imap"], faults, raising, "expunge", "NOOP")
        for fault in FAULTS:
            self.log.clear()

            def retr(port: int = ports["pop3"], fault: Callable[..., Any] = fault) -> bytes:
                client = poplib.POP3("127.0.0.1", port, timeout=WAIT_S)
                client.user("ada")
                client.pass_("x")
                faults.of = {"read": fault}
                try:
                    client.retr(1)
                except poplib.error_proto as error:
                    faults.of = {}
                    client.retr(1)
                    client.quit()
                    return bytes(error.args[0])
                raise AssertionError("read")
            self.assertIn(b"[SYS/TEMP]", await deferToThread(retr), fault.__name__)
            self.named("WildMailbox")
