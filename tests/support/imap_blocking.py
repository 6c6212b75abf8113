"""A client for any IMAP server that blocks, and gives what is answered as it came."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence

_LITERAL = re.compile(rb"\{(\d+)\}\r\n\Z")


class Blocking:
    """Logged in; to be closed."""

    def __init__(self, port: int, user: str, password: str, patience_s: float = 20.0) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=patience_s)
        self._file = self._socket.makefile("rb")
        self._count = 0
        self._response()
        assert self.say(f"LOGIN {user} {password}".encode())[-1].startswith(b"OK")

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def say(self, command: bytes, literals: Sequence[bytes] = ()) -> list[bytes]:
        """All responses, whole with their literals; the last is the tagged one without its tag. Each of `literals` is sent, with
        what follows it, when the server asks for more."""
        self._count += 1
        tag = b"t%d " % self._count
        self._socket.sendall(tag + command + b"\r\n")
        more = iter(literals)
        found: list[bytes] = []
        while not found or not found[-1].startswith(tag):
            response = self._response()
            if response.startswith(b"+"):
                self._socket.sendall(next(more))
            else:
                found.append(response)
        return [*found[:-1], found[-1].removeprefix(tag)]

    def append(self, mailbox: bytes, octets: bytes, date: bytes) -> None:
        said = b'APPEND %b "%b" {%d}' % (mailbox, date, len(octets))
        assert self.say(said, [octets + b"\r\n"])[-1].startswith(b"OK")

    def _response(self) -> bytes:
        octets = b""
        while True:
            line = self._file.readline()
            if not line:
                raise ConnectionError(f"closed after {octets[-200:]!r}")
            octets += line
            literal = _LITERAL.search(line)
            if literal is None:
                return octets.removesuffix(b"\r\n")
            octets += self._file.read(int(literal[1]))
