"""A proxy between a client and a server that writes down what each said, also under COMPRESS=DEFLATE."""

from __future__ import annotations

import re
import socket
import threading
import time
import zlib
from dataclasses import dataclass
from types import TracebackType

from support.servers import PATIENCE_S

_COMPRESS = re.compile(rb"(\S+) COMPRESS DEFLATE$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Said:
    """One line without its line end; `connection` counts from 1."""

    connection: int
    by_client: bool
    line: str
    at: float           # seconds, monotonic

    def __str__(self) -> str:
        return f"{self.connection} {'C' if self.by_client else 'S'}: {self.line}"


class Recorder:
    """Listens on `port` and passes on to `target` of loopback; cleartext only (a client is told to use no TLS)."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.said: list[Said] = []
        self.news = threading.Condition()
        self._links: list[_Link] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            self._links.append(_Link(self, len(self._links) + 1, client, server))

    def lines(self, since: int = 0, *, by_client: bool = True) -> list[str]:
        """What the client (or the server) said after the first `since` lines of both."""
        with self.news:
            return [each.line for each in self.said[since:] if each.by_client is by_client]

    @property
    def mark(self) -> int:
        """For `since`."""
        with self.news:
            return len(self.said)

    def wait_for(self, pattern: str, since: int = 0, *, by_client: bool = True) -> re.Match[str]:
        """The first line that matches, already said or yet to come."""
        begun = time.monotonic()
        with self.news:
            while True:
                for each in self.said[since:]:
                    if each.by_client is by_client and (match := re.search(pattern, each.line, re.IGNORECASE)):
                        return match
                if not self.news.wait(max(0.0, begun + PATIENCE_S - time.monotonic())):
                    raise AssertionError(f"nobody said {pattern!r} in {PATIENCE_S} s:\n{self.told(since)}")

    def heard(self, pattern: str, since: int = 0, *, by_client: bool = True) -> bool:
        """Whether such a line was said."""
        return any(re.search(pattern, line, re.IGNORECASE) for line in self.lines(since, by_client=by_client))

    def told(self, since: int = 0) -> str:
        """For a failing test's message."""
        with self.news:
            return "\n".join(map(str, self.said[since:]))

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(PATIENCE_S)
        for link in self._links:
            link.close()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class _Link:
    """One connection."""

    def __init__(self, recorder: Recorder, number: int, client: socket.socket, server: socket.socket) -> None:
        self.recorder, self.number = recorder, number
        self.sockets = (client, server)
        self.compress_tag = b""
        self.compressed = False
        for each in self.sockets:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        self._threads = [
            threading.Thread(target=self._pass_on, args=(source, sink, by_client), daemon=True)
            for source, sink, by_client in ((client, server, True), (server, client, False))
        ]
        for thread in self._threads:
            thread.start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, by_client: bool) -> None:
        ear = _Ear(self, by_client)
        try:
            while data := source.recv(65_536):
                ear.hear(data)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:     # one side has gone: so does the other
            for each in self.sockets:
                _shut(each)

    def close(self) -> None:
        for each in self.sockets:
            _shut(each)
        for thread in self._threads:
            thread.join(PATIENCE_S)
        for each in self.sockets:
            each.close()


class _Ear:
    """One direction of a connection: octets to lines."""

    def __init__(self, link: _Link, by_client: bool) -> None:
        self.link, self.by_client = link, by_client
        self.rest = b""
        self.inflate = None if not link.compressed else zlib.decompressobj(-15)

    def hear(self, data: bytes) -> None:
        if self.link.compressed and self.inflate is None:       # the client's first octets under compression
            self.inflate = zlib.decompressobj(-15)
        self.rest += data if self.inflate is None else self.inflate.decompress(data)
        while b"\n" in self.rest:
            line, _, self.rest = self.rest.partition(b"\n")
            self._note(line.rstrip(b"\r"))

    def _note(self, line: bytes) -> None:
        link = self.link
        if self.by_client and (match := _COMPRESS.match(line)):
            link.compress_tag = match[1]
        elif not self.by_client and link.compress_tag and line.startswith(link.compress_tag + b" OK"):
            link.compressed, link.compress_tag = True, b""
            self.inflate = zlib.decompressobj(-15)
            self.rest = self.inflate.decompress(self.rest)
        with link.recorder.news:
            link.recorder.said.append(Said(link.number, self.by_client, line.decode("utf-8", "replace"), time.monotonic()))
            link.recorder.news.notify_all()


def _shut(each: socket.socket) -> None:
    try:
        each.shutdown(socket.SHUT_RDWR)
    except OSError:
        return      # it has gone already
