"""Blocking clients that say exactly what a test wants said, for whole servers on loopback."""

from __future__ import annotations

import base64
import re
import socket
import ssl
import struct
from collections.abc import Sequence
from typing import Self

from support.servers import PATIENCE_S

_LITERAL = re.compile(rb"\{(\d+)\}\r\n\Z")


def complaints(log: Sequence[str]) -> list[str]:
    """What a server should never have had to write."""
    return [line for line in log if re.search(r"Traceback|Unhandled|#(error|critical)\]", line)]


class Closed(ConnectionError):
    """The server has ended the connection."""


class Refused(Exception):
    """The server said no where a test expected yes."""


class Wire:
    """A socket with lines."""

    def __init__(self, port: int, host: str = "127.0.0.1", *, tls: bool = False) -> None:
        self._begin(socket.create_connection((host, port), timeout=PATIENCE_S), tls)

    @classmethod
    def adopt(cls, connection: socket.socket, *, tls: bool = False) -> Self:
        """A wire over a socket that is connected already."""
        wire = cls.__new__(cls)
        wire._begin(connection, tls)
        return wire

    def _begin(self, connection: socket.socket, tls: bool) -> None:
        self.socket = connection
        if connection.family != socket.AF_UNIX:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self.socket.makefile("rb")
        if tls:
            self.encrypt()

    def encrypt(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._file.close()
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self._file = self.socket.makefile("rb")

    def send(self, octets: bytes) -> None:
        self.socket.sendall(octets)

    def line(self) -> bytes:
        """The next line with its end. Raises Closed."""
        line = self._file.readline()
        if not line.endswith(b"\n"):
            raise Closed(repr(line))
        return line

    def exactly(self, count: int) -> bytes:
        octets = self._file.read(count)
        if len(octets) < count:
            raise Closed
        return octets

    def rest(self) -> bytes:
        """All until the server closes; a reset is an end like any other."""
        found = b""
        try:
            while octets := self._file.read1(65_536):
                found += octets
        except (ConnectionError, ssl.SSLError):
            pass
        return found

    def end(self) -> None:
        """Half-close: nothing more will be said."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Go with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Smtp(Wire):
    """SMTP and submission."""

    def reply(self) -> tuple[int, bytes]:
        """(code, whole text). Raises Closed when the server says that it stops."""
        lines = b""
        while True:
            line = self.line()
            lines += line
            if line.startswith(b"421 4.3.2"):
                raise Closed("the server stops")
            if line[3:4] != b"-":
                return int(line[:3]), lines

    def say(self, command: bytes) -> tuple[int, bytes]:
        self.send(command + b"\r\n")
        return self.reply()

    def expect(self, code: int, command: bytes) -> bytes:
        found, text = self.say(command)
        if found != code:
            raise Refused(f"{command!r}: {text!r}")
        return text

    def greet(self) -> Smtp:
        code, text = self.reply()
        if code != 220:
            raise Refused(repr(text))
        self.expect(250, b"EHLO client.example")
        return self

    def login(self, user: str, password: str) -> Smtp:
        self.expect(235, b"AUTH PLAIN " + base64.b64encode(f"\0{user}\0{password}".encode()))
        return self

    def mail(self, sender: str, recipients: list[str], content: bytes) -> tuple[int, bytes]:
        """The reply to the end of data; what is said before must be taken. Pipelined up to DATA."""
        commands = [f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{recipient}>" for recipient in recipients), "DATA"]
        self.send("".join(command + "\r\n" for command in commands).encode())
        for command in commands:
            code, text = self.reply()
            if code // 100 != (3 if command == "DATA" else 2):
                raise Refused(f"{command}: {text!r}")
        self.send(re.sub(rb"(?m)^\.", b"..", content) + b".\r\n")
        return self.reply()

    def chunks(self, sender: str, recipients: list[str], content: bytes, size: int) -> tuple[int, bytes]:
        """The same by BDAT, in chunks of so many octets, all pipelined: the reply to the last."""
        pieces = [content[at:at + size] for at in range(0, len(content), size)]
        commands = [f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{recipient}>" for recipient in recipients)]
        self.send("".join(command + "\r\n" for command in commands).encode())
        for number, piece in enumerate(pieces, 1):
            self.send(b"BDAT %d%b\r\n" % (len(piece), b" LAST" if number == len(pieces) else b"") + piece)
        for _ in (*commands, *pieces[:-1]):
            code, text = self.reply()
            if code // 100 != 2:
                raise Refused(repr(text))
        return self.reply()


class Imap(Wire):
    """IMAP, one command after the other."""

    _count = 0

    def greet(self) -> Imap:
        if not self.line().startswith(b"* OK"):
            raise Refused
        return self

    def login(self, user: str, password: str) -> Imap:
        self.ok(f'LOGIN "{user}" "{password}"')
        return self

    def say(self, command: str, *literals: bytes) -> tuple[bytes, list[bytes]]:
        """(tagged answer without tag, untagged responses); each "{}" in `command` is one of `literals`."""
        self._count += 1
        tag = b"t%d" % self._count
        pieces = command.encode().split(b"{}")
        octets = tag + b" " + pieces[0]
        for literal, piece in zip(literals, pieces[1:], strict=True):
            octets += b"{%d+}\r\n" % len(literal) + literal + piece
        self.send(octets + b"\r\n")
        return self.answer(tag)

    def ok(self, command: str, *literals: bytes) -> tuple[bytes, list[bytes]]:
        answer = self.say(command, *literals)
        if not answer[0].startswith(b"OK"):
            raise Refused(f"{command[:80]}: {answer[0]!r}")
        return answer

    def answer(self, tag: bytes) -> tuple[bytes, list[bytes]]:
        untagged = []
        while True:
            response = self.response()
            if response.startswith(tag + b" "):
                return response[len(tag) + 1:], untagged
            untagged.append(response)

    def response(self) -> bytes:
        """One response with its literals inside."""
        octets = self.line()
        while mark := _LITERAL.search(octets):
            octets += self.exactly(int(mark[1]))
            octets += self.line()
        return octets


class Pop3(Wire):
    """POP3, one command after the other."""

    def say(self, command: str) -> bytes:
        self.send(command.encode() + b"\r\n")
        return self.line()

    def ok(self, command: str) -> bytes:
        answer = self.say(command)
        if not answer.startswith(b"+OK"):
            raise Refused(f"{command}: {answer!r}")
        return answer

    def greet(self) -> Pop3:
        if not self.line().startswith(b"+OK"):
            raise Refused
        return self

    def login(self, user: str, password: str) -> Pop3:
        self.ok(f"USER {user}")
        self.ok(f"PASS {password}")
        return self

    def lines(self) -> bytes:
        """The rest of a multi-line answer, unstuffed."""
        found = []
        while (line := self.line()) != b".\r\n":
            found.append(line.removeprefix(b"."))
        return b"".join(found)
