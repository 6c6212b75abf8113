"""Acknowledging at once what needs no answer yet, so that a client whose small writes wait for it does not stand still."""

from __future__ import annotations

import socket
from typing import Any

_OPTION: int | None = getattr(socket, "TCP_QUICKACK", None)     # Linux has it


class Acks:
    """Of one connection; owed from `came` until `answered`.

    Many clients write a message and its end in two pieces without TCP_NODELAY (mutt, Python's imaplib): the second waits in their
    system until the first is acknowledged, which ours would do 40 ms later, for it hopes for an answer to send along.
    """

    __slots__ = ("_owed", "_socket")

    def __init__(self, transport: Any = None) -> None:
        self._socket = None if _OPTION is None else _socket_of(transport)
        self._owed = False

    def came(self) -> None:
        """Octets from the client."""
        self._owed = True

    def answered(self) -> None:
        """Octets to the client: the acknowledgement goes with them."""
        self._owed = False

    def settle(self) -> None:
        """No answer comes before the client says more: acknowledge now. The system forgets the wish with its next answer."""
        if self._owed and self._socket is not None and _OPTION is not None:
            try:
                self._socket.setsockopt(socket.IPPROTO_TCP, _OPTION, 1)
            except OSError:         # it has been closed
                self._socket = None
        self._owed = False


def _socket_of(transport: Any) -> socket.socket | None:
    """That of the TCP connection, which may be under TLS; None when there is none (a Unix socket, a test's memory)."""
    while (inner := getattr(transport, "transport", None)) is not None:
        transport = inner
    found = getattr(transport, "socket", None)
    if isinstance(found, socket.socket) and found.family in (socket.AF_INET, socket.AF_INET6):
        return found
    return None
