"""An SMTP server on a real socket within a trial test, and a client for it in a thread."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import TestCase

from mailframe.smtp.server import SmtpServerFactory
from mailframe.smtp.settings import SmtpSettings

from .certs import client_context, server_context
from .reception import Recorder
from .smtpworld import make_portal

T = TypeVar("T")


class Blocking:
    """A client's socket, used in a thread."""

    def __init__(self, port: int, *, tls: bool = False) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        if tls:
            self.socket = client_context().wrap_socket(self.socket, server_hostname="localhost")
        self.file = self.socket.makefile("rb")

    def reply(self) -> bytes:
        lines = b""
        while True:
            line = self.file.readline()
            lines += line
            if line[3:4] != b"-":
                return lines

    def say(self, octets: bytes) -> bytes:
        self.socket.sendall(octets)
        return self.reply()

    def transaction(self) -> None:
        self.reply()
        for line in (b"EHLO c.example\r\n", b"MAIL FROM:<a@far.example>\r\n", b"RCPT TO:<bob@mx.example>\r\n", b"DATA\r\n"):
            assert self.say(line)[:1] in b"23"

    def close(self) -> None:
        self.file.close()
        self.socket.close()


class Served(TestCase):
    timeout = 20

    def serve(self, *, implicit_tls: bool = False, **settings: object) -> int:
        self.reception = Recorder()
        known: Any = {"hostname": "mx.example", "auth_failure_delay_s": 0.05, **settings}
        self.factory = SmtpServerFactory(
            self.reception, SmtpSettings(**known), clock=reactor, portal=make_portal(), tls=server_context(),  # type: ignore[arg-type]
        )
        factory = TLSMemoryBIOFactory(server_context(), False, self.factory) if implicit_tls else self.factory
        port = reactor.listenTCP(0, factory, backlog=400, interface="127.0.0.1")  # type: ignore[attr-defined]
        self.addCleanup(self._stop, port)
        return int(port.getHost().port)

    async def _stop(self, port: object) -> None:
        await port.stopListening()  # type: ignore[attr-defined]
        stopped = self.factory.stop()
        self.factory.cut()
        await stopped

    async def in_thread(self, function: Callable[[], T]) -> T:
        return await deferToThread(function)

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            turn: Deferred[None] = Deferred()
            reactor.callLater(0.005, turn.callback, None)  # type: ignore[attr-defined]
            await turn
