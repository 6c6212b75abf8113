"""The three servers behind real ports with TLS, at once or when asked, and blocking clients in threads."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread
from twisted.logger import capturedLogs, formatEvent
from twisted.protocols.tls import TLSMemoryBIOFactory

from mailframe.auth.realm import portal
from mailframe.imap.server import ImapServerFactory
from mailframe.imap.settings import ImapSettings
from mailframe.pop3.server import Pop3ServerFactory
from mailframe.pop3.settings import Pop3Settings
from mailframe.smtp.server import SmtpServerFactory
from mailframe.smtp.settings import SmtpSettings
from mailframe.stores.memory import MemoryStore
from mailframe.tls.contexts import ServerContexts
from mailframe.tls.handshakes import Handshakes
from mailframe.tls.pem import CertificateFiles

from .certificates import pem_pair
from .folders import CleanTestCase
from .pop3world import checker
from .reception import Recorder
from .smtpworld import make_portal

T = TypeVar("T")
WINGS = ("smtp", "pop3", "imap")
ASK = {"smtp": b"STARTTLS\r\n", "pop3": b"STLS\r\n", "imap": b"a STARTTLS\r\n"}
BYE = {"smtp": b"QUIT\r\n", "pop3": b"QUIT\r\n", "imap": b"a LOGOUT\r\n"}


class TlsPorts(CleanTestCase):
    timeout = 20

    def setUp(self) -> None:
        self.clock = Clock()             # of the handshakes alone
        self.days = Clock()              # of the certificates alone
        self.handshakes: dict[str, Handshakes] = {}

    def contexts(self, *names: str, rsa_also: bool = False) -> ServerContexts:
        """A certificate for each of `names`; `rsa_also`: two."""
        folder = Path(self.mktemp())
        folder.mkdir()
        self.pairs = []
        for number, (name, rsa_key) in enumerate((name, kind) for name in names for kind in (False, True)[:1 + rsa_also]):
            self.pairs.append(CertificateFiles(folder / f"{number}.pem", folder / f"{number}.key"))
            write_pair(self.pairs[-1], name, rsa_key=rsa_key)
        made = ServerContexts(self.pairs, clock=self.days)  # type: ignore[arg-type]
        made.load()
        return made

    def serve(self, wing: str, contexts: Any, *, implicit: bool, **settings: Any) -> int:
        clock: Any = reactor
        watched = self.handshakes[wing] = Handshakes(self.clock, f"{wing}-port")  # type: ignore[arg-type]
        given: dict[str, Any] = {"clock": clock, "tls": contexts, "handshakes": watched}
        factory: Any
        if wing == "smtp":
            self.reception = Recorder()
            factory = SmtpServerFactory(self.reception, SmtpSettings(hostname="mx.example", **settings), portal=make_portal(),
                                        **given)
        elif wing == "pop3":
            factory = Pop3ServerFactory(portal(MemoryStore(), [checker()]), Pop3Settings(**settings), **given)
        else:
            factory = ImapServerFactory(portal(MemoryStore(), [checker()]), ImapSettings(**settings), **given)
        port = clock.listenTCP(
            0, TLSMemoryBIOFactory(contexts, False, factory, clock=clock) if implicit else factory, interface="127.0.0.1")
        self.factory = factory

        async def stop() -> None:
            await port.stopListening()
            stopped = factory.stop()
            if wing == "smtp":
                factory.cut()
            await stopped

        self.addCleanup(lambda: Deferred.fromCoroutine(stop()))
        return int(port.getHost().port)

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            turn: Deferred[None] = Deferred()
            reactor.callLater(0.002, turn.callback, None)  # type: ignore[attr-defined]
            await turn

    async def in_thread(self, work: Callable[[], T]) -> T:
        return await deferToThread(work)

    async def logged(self, attempt: Callable[[], Awaitable[object]], over: Callable[[], bool]) -> list[str]:
        """The lines about TLS, and every traceback, of `attempt` until it is `over`."""
        with capturedLogs() as events:
            await attempt()
            await self.until(over)
        return [formatEvent(event) for event in events if "TLS" in formatEvent(event) or "log_failure" in event]


def write_pair(files: CertificateFiles, name: str, *, rsa_key: bool = False) -> None:
    certificate, key = pem_pair(name, rsa_key=rsa_key)
    files.chain.write_bytes(certificate)
    files.key.write_bytes(key)


def raw(port: int, wing: str = "", *, asked: bool = False) -> socket.socket:
    """A socket, where the server waits for the handshake."""
    made = socket.create_connection(("127.0.0.1", port), timeout=10)
    if asked:
        said(made)
        if wing == "smtp":
            made.sendall(b"EHLO client.example\r\n")
            said(made)
        made.sendall(ASK[wing])
        said(made)
    return made


def said(line: Any) -> bytes:
    """One answer; of SMTP, the last line of it comes with it."""
    octets: bytes = line.recv(4_096)
    while not octets.endswith(b"\r\n") or octets.rpartition(b"\r\n")[0].rpartition(b"\r\n")[2][3:4] == b"-":
        octets += line.recv(4_096)
    return octets


def drain(line: Any) -> None:
    """Until the server ends it."""
    try:
        while line.recv(65_536):
            pass
    except (ConnectionError, ssl.SSLError):
        pass


def careless(**settings: Any) -> ssl.SSLContext:
    """A client that takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for name, value in settings.items():
        setattr(context, name, value)
    return context


def both(wings: Iterable[str] = WINGS) -> list[tuple[str, bool]]:
    """Each wing with TLS at once and when asked."""
    return [(wing, implicit) for wing in wings for implicit in (True, False)]
