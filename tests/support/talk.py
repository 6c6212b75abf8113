"""IMAP line by line over a real socket: what is said and what is answered, nothing hidden."""

from __future__ import annotations

import socket

from .servers import PATIENCE_S


class Talk:
    """A connection that has been greeted."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        self._file = self._socket.makefile("rb")
        self._count = 0
        self._line()

    def do(self, command: str, expect: str = "OK") -> list[str]:
        """The lines of the answer, the tagged one without its tag; that one must begin with `expect`."""
        self._count += 1
        tag = f"t{self._count}"
        self._socket.sendall(f"{tag} {command}\r\n".encode())
        lines: list[str] = []
        while not (line := self._line()).startswith(tag + " "):
            lines.append(line)
        lines.append(line.removeprefix(tag + " "))
        if not lines[-1].startswith(expect):
            raise AssertionError(f"{command}: {lines}")
        return lines

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _line(self) -> str:
        line = self._file.readline()
        if not line:
            raise ConnectionError("closed by the server")
        return line.rstrip(b"\r\n").decode()
