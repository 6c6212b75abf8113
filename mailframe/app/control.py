"""The running server's ear for the `mailframe` command: JSON lines over a Unix socket in the data folder.

One line in, ``{"do": ...}``. Out come, from a `Streaming` handler only, any number of lines ``{"news": ...}``, and then one line
``{"done": ...}`` or ``{"error": ...}``.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IListeningPort, IPushProducer
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.logger import Logger
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure
from zope.interface import implementer

from mailframe.interfaces.maybe import settled

_log = Logger()

Handler = Callable[[Mapping[str, Any]], Awaitable[Any]]
Tell = Callable[[Any], None]


@dataclass(frozen=True, slots=True)
class Streaming:
    """A handler of something long: ``work(request, tell)``, where each `tell(value)` sends one piece of news to whoever asked.

    News is passed over while the asker does not read. When the asker goes away, or the server stops, `work` is cancelled.
    """

    work: Callable[[Mapping[str, Any], Tell], Awaitable[Any]]


AnyHandler = Handler | Streaming

SOCKET_NAME = "control"
MAX_LINE_OCTETS = 1_048_576     # a list of ids to act upon


class ControlError(Exception):
    """What the server, or the lack of one, answered: a sentence for a person."""


class NotRunning(ControlError):
    """No server listens in this data folder."""


@implementer(IPushProducer)
class _Control(LineOnlyReceiver):
    delimiter = b"\n"
    MAX_LENGTH = MAX_LINE_OCTETS

    def __init__(self, factory: ControlFactory) -> None:
        self._factory = factory
        self._streams: set[Deferred[None]] = set()
        self._full = False              # who asked does not read what was written

    def connectionMade(self) -> None:
        self._factory.open.add(self)
        transport: Any = self.transport
        transport.registerProducer(self, True)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._factory.open.discard(self)
        for work in tuple(self._streams):
            work.cancel()

    def lineReceived(self, line: bytes) -> None:
        Deferred.fromCoroutine(self._answer(line)).addErrback(lambda failure: _log.failure("control connection", failure))

    async def _answer(self, line: bytes) -> None:
        try:
            request = json.loads(line)
            handler = self._factory.handlers.get(request.get("do"))
            if handler is None:
                raise ControlError(f"this server knows nothing of {request.get('do')!r}")
            if isinstance(handler, Streaming):
                answer: dict[str, Any] = {"done": await self._streamed(handler, request)}
            else:
                answer = {"done": await handler(request)}
        except CancelledError:
            answer = {"error": "the server stops; do it again when it runs again"}
        except (ControlError, ValueError) as error:
            answer = {"error": str(error)}
        except Exception:
            _log.failure("control request failed")
            answer = {"error": "the server failed to do it; its log says why"}
        self._write(answer)

    async def _streamed(self, handler: Streaming, request: Mapping[str, Any]) -> Any:
        work = Deferred.fromCoroutine(settled(handler.work(request, self._tell)))
        self._streams.add(work)
        self._factory.streams.add(work)
        try:
            return await work
        finally:
            self._streams.discard(work)
            self._factory.streams.discard(work)

    def _tell(self, news: Any) -> None:
        if not self._full:
            self._write({"news": news})

    def _write(self, answer: Mapping[str, Any]) -> None:
        if self.transport is not None:
            self.transport.write(json.dumps(answer).encode() + b"\n")

    def pauseProducing(self) -> None:
        self._full = True

    def resumeProducing(self) -> None:
        self._full = False

    def stopProducing(self) -> None:
        self._full = True


class ControlFactory(ServerFactory):
    """Answers requests by `handlers`, by the word in ``do``."""

    noisy = False

    def __init__(self, handlers: Mapping[str, AnyHandler]) -> None:
        self.handlers = handlers
        self.open: set[_Control] = set()
        self.streams: set[Deferred[Any]] = set()

    def buildProtocol(self, addr: object) -> Protocol:
        return _Control(self)

    async def stop(self) -> None:
        """End what is long under way, and wait until it has let go of what it held."""
        ending = [_end_of(work) for work in tuple(self.streams)]
        for work in tuple(self.streams):
            work.cancel()
        for ended in ending:
            await ended
        for connection in tuple(self.open):
            transport: Any = connection.transport
            transport.unregisterProducer()
            transport.loseConnection()


def _end_of(work: Deferred[Any]) -> Deferred[None]:
    """Fires when `work` is over, and leaves its outcome to whoever waits for it."""
    ended: Deferred[None] = Deferred()

    def pass_on(outcome: Any) -> Any:
        ended.callback(None)
        return outcome

    work.addBoth(pass_on)
    return ended


class ControlPort:
    """The listening socket with the name it was bound by, which is wanted again when it is removed."""

    def __init__(self, port: IListeningPort, name: contextlib.ExitStack, factory: ControlFactory) -> None:
        self._port = port
        self._factory = factory
        self._name = name

    async def stopListening(self) -> None:
        """Stop, end what is long under way, and remove the socket."""
        with self._name:
            await settled(self._port.stopListening())
            await self._factory.stop()


def listen(reactor: Any, data: Path, factory: ControlFactory) -> ControlPort:
    """Listen in the data folder, which is locked by us: a socket that lies there is a dead server's."""
    path = data / SOCKET_NAME
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    with contextlib.ExitStack() as stack:
        name = stack.enter_context(_short(path))
        port: IListeningPort = reactor.listenUNIX(name, factory, mode=0o600, wantPID=False)
        return ControlPort(port, stack.pop_all(), factory)


def ask(data: Path, request: Mapping[str, Any], timeout_s: float = 30.0, news: Tell | None = None) -> Any:
    """Send one request to the server that runs on `data` and wait for its answer. Raises NotRunning, ControlError.

    With `news`, which is called with each piece of it, the answer may take as long as it likes.
    """
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
        if news is not None:
            connection.settimeout(None)
        with connection.makefile("rb") as lines:
            answer = _next(lines)
            while "news" in answer:
                if news is not None:
                    news(answer["news"])
                answer = _next(lines)
    if "error" in answer:
        raise ControlError(answer["error"])
    return answer["done"]


def _next(lines: BinaryIO) -> Any:
    line = lines.readline()
    if not line.endswith(b"\n"):
        raise ControlError("The server closed the connection without an answer.")
    return json.loads(line)


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """`path` by way of its open folder: a Unix socket's name ends at 107 octets, a data folder's may be longer."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        long = len(os.fsencode(path)) > 100 and os.path.isdir("/proc/self/fd")
        yield f"/proc/self/fd/{folder}/{path.name}" if long else str(path)
    finally:
        os.close(folder)
