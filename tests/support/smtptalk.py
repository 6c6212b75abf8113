"""SMTP by hand over a real socket: what is written is what is sent, what comes back is whole replies."""

from __future__ import annotations

import base64
import socket
import ssl
from types import TracebackType

from support.servers import PATIENCE_S


class Talk:
    """A connection that has read its greeting; `say` gives the reply's lines as one text, joined with LF."""

    def __init__(self, host: str, port: int, hello: str | None = "EHLO client.example", source: str = "") -> None:
        self.socket: socket.socket = socket.create_connection((host, port), PATIENCE_S, (source, 0) if source else None)
        self._file = self.socket.makefile("rb")
        self.greeting = self.reply()
        if hello is not None:
            self.hello = self.say(hello)

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def send(self, octets: bytes) -> None:
        self.socket.sendall(octets)

    def reply(self) -> str:
        """The next whole reply; "" when the connection has ended."""
        lines = []
        while line := self._file.readline():
            lines.append(line.decode().rstrip("\r\n"))
            if line[3:4] != b"-":
                break
        return "\n".join(lines)

    def say(self, line: str | bytes) -> str:
        self.send((line.encode() if isinstance(line, str) else line) + b"\r\n")
        return self.reply()

    def start_tls(self) -> None:
        assert self.say("STARTTLS").startswith("220")
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._file.close()
        self.socket = context.wrap_socket(self.socket)
        self._file = self.socket.makefile("rb")

    def log_in(self, user: str, password: str) -> str:
        return self.say("AUTH PLAIN " + base64.b64encode(f"\0{user}\0{password}".encode()).decode())

    def message(self, octets: bytes) -> str:
        """DATA and the message (CRLF lines, not stuffed yet); the last reply."""
        answer = self.say("DATA")
        assert answer.startswith("354"), answer
        self.send((b"\r\n" + octets).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n")
        return self.reply()

    def mail(self, sender: str, to: list[str], octets: bytes, parameters: str = "") -> str:
        """A whole transaction; the reply to its end."""
        answer = self.say(f"MAIL FROM:<{sender}>{parameters}")
        assert answer.startswith("250"), answer
        for one in to:
            answer = self.say(f"RCPT TO:<{one}>")
            assert answer.startswith("250"), answer
        return self.message(octets)
