"""The running server's ear for the `mailframe` command: one JSON line in, one out, over a Unix socket in the data folder."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.logger import Logger
from twisted.protocols.basic import LineOnlyReceiver

from mailframe.interfaces.maybe import settled

_log = Logger()

Handler = Callable[[Mapping[str, Any]], Awaitable[Any]]

SOCKET_NAME = "control"
MAX_LINE_OCTETS = 1_048_576     # a list of ids to act upon


class ControlError(Exception):
    """What the server, or the lack of one, answered: a sentence for a person."""


class NotRunning(ControlError):
    """No server listens in this data folder."""


class _Control(LineOnlyReceiver):
    delimiter = b"\n"
    MAX_LENGTH = MAX_LINE_OCTETS

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers

    def lineReceived(self, line: bytes) -> None:
        Deferred.fromCoroutine(self._answer(line)).addErrback(lambda failure: _log.failure("control connection", failure))

    async def _answer(self, line: bytes) -> None:
        try:
            request = json.loads(line)
            handler = self._handlers.get(request.get("do"))
            if handler is None:
                raise ControlError(f"this server knows nothing of {request.get('do')!r}")
            answer: dict[str, Any] = {"done": await handler(request)}
        except (ControlError, ValueError) as error:
            answer = {"error": str(error)}
        except Exception:
            _log.failure("control request failed")
            answer = {"error": "the server failed to do it; its log says why"}
        if self.transport is not None:
            self.transport.write(json.dumps(answer).encode() + b"\n")


class ControlFactory(ServerFactory):
    """Answers requests by `handlers`, by the word in ``do``."""

    noisy = False

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self.handlers = handlers

    def buildProtocol(self, addr: object) -> Protocol:
        return _Control(self.handlers)


class ControlPort:
    """The listening socket with the name it was bound by, which is wanted again when it is removed."""

    def __init__(self, port: IListeningPort, name: contextlib.ExitStack) -> None:
        self._port = port
        self._name = name

    async def stopListening(self) -> None:
        """Stop, and remove the socket."""
        with self._name:
            await settled(self._port.stopListening())


def listen(reactor: Any, data: Path, factory: ControlFactory) -> ControlPort:
    """Listen in the data folder, which is locked by us: a socket that lies there is a dead server's."""
    path = data / SOCKET_NAME
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    with contextlib.ExitStack() as stack:
        name = stack.enter_context(_short(path))
        port: IListeningPort = reactor.listenUNIX(name, factory, mode=0o600, wantPID=False)
        return ControlPort(port, stack.pop_all())


def ask(data: Path, request: Mapping[str, Any], timeout_s: float = 30.0) -> Any:
    """Send one request to the server that runs on `data` and wait for its answer. Raises NotRunning, ControlError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        try:
            with _short(data / SOCKET_NAME) as name:
                connection.connect(name)
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            raise NotRunning(f"No server runs on {data}.") from None
        except OSError as error:
            raise ControlError(f"Cannot reach the server on {data}: {error.strerror or error}.") from None
        connection.sendall(json.dumps(request).encode() + b"\n")
        answer = json.loads(_line(connection))
    if "error" in answer:
        raise ControlError(answer["error"])
    return answer["done"]


def _line(connection: socket.socket) -> bytes:
    octets = b""
    while not octets.endswith(b"\n"):
        more = connection.recv(65536)
        if not more:
            raise ControlError("The server closed the connection without an answer.")
        octets += more
    return octets


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """`path` by way of its open folder: a Unix socket's name ends at 107 octets, a data folder's may be longer."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        long = len(os.fsencode(path)) > 100 and os.path.isdir("/proc/self/fd")
        yield f"/proc/self/fd/{folder}/{path.name}" if long else str(path)
    finally:
        os.close(folder)
