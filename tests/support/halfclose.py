"""A client as `nc -N` is: it says all it has to say, half-closes, and only then reads to the end."""

from __future__ import annotations

import socket


def converse(port: int, octets: bytes, *, window: int = 0) -> bytes:
    """What the server answers until it closes. `window`: of the client, in octets; what is longer holds the server back."""
    client = socket.socket()
    with client:
        if window:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        client.settimeout(10)
        client.connect(("127.0.0.1", port))
        client.sendall(octets)
        client.shutdown(socket.SHUT_WR)
        answers = bytearray()
        while more := client.recv(65_536):
            answers += more
    return bytes(answers)
