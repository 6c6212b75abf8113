"""Octets that go into the kernel at once: a transport would first wait for the reactor's next turn, and ask it twice about that."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.abstract import FileDescriptor
from twisted.internet.interfaces import ISSLTransport


def plain_socket(transport: object) -> socket.socket | None:
    """That of a stream transport which sends octets as they are; None for TLS, for what is wrapped, for a test's memory.

    Who sends through it registers as a pull producer, which is told when the transport has nothing left to send: only then may
    the next octets pass the transport by.
    """
    if not isinstance(transport, FileDescriptor) or ISSLTransport.providedBy(transport):
        return None
    stream: Any = transport
    found = stream.getHandle()
    return found if isinstance(found, socket.socket) else None


def unsent(sock: socket.socket, octets: bytes) -> bytes:
    """What of `octets` the kernel did not take: mostly nothing."""
    try:
        sent = sock.send(octets)
    except OSError:             # full; or broken: the transport will be told the same, and end the connection in its own way
        return octets
    return b"" if sent == len(octets) else octets[sent:]
