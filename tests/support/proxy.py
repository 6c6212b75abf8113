"""A TCP proxy that tells by the PROXY protocol, in a header of the test's choice, for whom it speaks."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from support.servers import PATIENCE_S


@contextmanager
def proxy(port: int, header: bytes) -> Iterator[int]:
    """The port of a proxy in front of `port`; connections end with it."""
    sockets: list[socket.socket] = []
    listening = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_accept, args=(listening, port, header, sockets), daemon=True).start()
    try:
        yield listening.getsockname()[1]
    finally:
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        for each in (listening, *sockets):
            each.close()


def _accept(listening: socket.socket, port: int, header: bytes, sockets: list[socket.socket]) -> None:
    with suppress(OSError):
        while True:
            client, _ = listening.accept()
            server = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
            sockets += [client, server]
            server.sendall(header)
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=_pump, args=(source, target), daemon=True).start()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while octets := source.recv(65_536):
            target.sendall(octets)
        target.shutdown(socket.SHUT_WR)
