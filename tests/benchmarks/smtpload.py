"""What the clients of the SMTP benchmarks do; lean, so that the server is what is measured."""

from __future__ import annotations

import base64
import errno
import select
import socket
import ssl
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache

PATIENCE_S = 60.0       # a server that is silent for so long has failed
_CHUNK = 65_536
_TLS = object()         # what a conversation says when the handshake is to begin
Step = tuple[object, int]


@dataclass(frozen=True)
class Manner:
    """How a client hands its messages in: what is pipelined is what RFC 2920 lets be."""

    port: int
    recipient: bytes
    each: int = 1                               # messages on one connection
    sender: bytes = b"alice@example.org"
    hello: bytes = b"EHLO"
    starttls: bool = False
    login: tuple[bytes, bytes] | None = None    # user, password: AUTH PLAIN with an initial response

    def conversation(self, mails: Iterator[bytes]) -> Generator[Step, None, None]:
        """(what to say, how many replies to wait for), to the end; nothing at all when there is no mail left."""
        mail = next(mails, None)
        if mail is None:
            return
        hello = self.hello + b" client.example.org\r\n"
        yield b"", 1
        yield hello, 1
        if self.starttls:
            yield b"STARTTLS\r\n", 1
            yield _TLS, 0
            yield hello, 1
        if self.login:
            yield b"AUTH PLAIN " + base64.b64encode(b"\0%b\0%b" % self.login) + b"\r\n", 1
        left = self.each
        while mail is not None:
            yield b"MAIL FROM:<%b>\r\nRCPT TO:<%b>\r\nDATA\r\n" % (self.sender, self.recipient), 3
            yield mail, 1
            left -= 1
            mail = next(mails, None) if left else None
        yield b"QUIT\r\n", 1


class Talker:
    """One connection after another, each with a conversation. Sockets do not block: others have their turn meanwhile."""

    def __init__(self, manner: Manner, mails: Iterator[bytes], context: ssl.SSLContext | None, poll: select.epoll) -> None:
        self._manner, self._mails, self._context, self._poll = manner, mails, context, poll
        self.socket: socket.socket = socket.socket()
        self.come()

    def come(self) -> bool:
        """A new connection; False when there is nothing left to say."""
        self._steps = self._manner.conversation(self._mails)
        first = next(self._steps, None)
        if first is None:
            return False
        self.socket = _connecting(self._manner.port)
        self._poll.register(self.socket.fileno(), select.EPOLLIN)
        self._waiting, self._rest, self._buffer = first[1], memoryview(b""), b""
        self._shaking = self._full = False
        return True

    def ready(self) -> bool:
        """Go on; False once this connection has been let go."""
        if self._shaking:
            return self._shake()
        if self._rest:
            self._send()
        try:
            octets = self.socket.recv(_CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        return self._take(octets or _gone())

    def _take(self, octets: bytes) -> bool:
        *lines, self._buffer = (self._buffer + octets).split(b"\r\n")
        for line in lines:
            if line[:1] not in b"23":
                raise RuntimeError(line)
            if line[3:4] != b"-":
                self._waiting -= 1
        return self._waiting > 0 or self._go_on()

    def _go_on(self) -> bool:
        step = next(self._steps, None)
        if step is None:
            self._poll.unregister(self.socket.fileno())
            self.socket.close()
            return False
        said, self._waiting = step
        if isinstance(said, bytes):
            self._rest = memoryview(said)
            self._send()
            return True
        assert self._context is not None
        self._poll.unregister(self.socket.fileno())
        self.socket = self._context.wrap_socket(self.socket, do_handshake_on_connect=False)
        self._poll.register(self.socket.fileno(), select.EPOLLIN)
        self._shaking = True
        return self._shake()

    def _shake(self) -> bool:
        assert isinstance(self.socket, ssl.SSLSocket)
        try:
            self.socket.do_handshake()
        except ssl.SSLWantReadError:
            return True
        self._shaking = False
        return self._go_on()

    def _send(self) -> None:
        try:
            while self._rest:
                self._rest = self._rest[self.socket.send(self._rest):]
        except (BlockingIOError, ssl.SSLWantWriteError):
            self._poll.modify(self.socket.fileno(), select.EPOLLIN | select.EPOLLOUT)
            self._full = True
            return
        if self._full:
            self._poll.modify(self.socket.fileno(), select.EPOLLIN)
            self._full = False


def _connecting(port: int) -> socket.socket:
    made = socket.socket()
    made.setblocking(False)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    code = made.connect_ex(("127.0.0.1", port))
    if code not in (0, errno.EINPROGRESS):
        raise OSError(code, "cannot connect")
    return made


def handed_in(manner: Manner, mails: list[bytes], connections: int, arrived: Callable[[], None] = lambda: None) -> float:
    """Messages a second, until `arrived` returns; each of `mails` ends with a dot and is handed in once, so many connections
    at a time."""
    context = _client_context() if manner.starttls else None
    left = iter(mails)
    begun = time.perf_counter()
    with select.epoll() as poll:
        talkers: dict[int, Talker] = {}
        for _ in range(min(connections, len(mails))):
            talker = Talker(manner, left, context, poll)
            talkers[talker.socket.fileno()] = talker
        while talkers:
            events = poll.poll(PATIENCE_S)
            if not events:
                raise RuntimeError("the server is silent")
            for number, _ in events:
                talker = talkers[number]
                if not talker.ready():
                    del talkers[number]
                    if talker.come():
                        talkers[talker.socket.fileno()] = talker
    arrived()
    return len(mails) / (time.perf_counter() - begun)


def with_dot(message: bytes) -> bytes:
    """As it goes after DATA (RFC 5321 section 4.5.2)."""
    stuffed = message.replace(b"\r\n.", b"\r\n..")
    return (b"." if stuffed[:1] == b"." else b"") + stuffed + b".\r\n"


@contextmanager
def crowd(manner: Manner, connections: int) -> Iterator[None]:
    """So many that have said EHLO, and wait."""
    with ExitStack() as stack:
        for _ in range(connections):
            stack.enter_context(_waiting(manner))
        yield


def _waiting(manner: Manner) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", manner.port), PATIENCE_S)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    _answer(made)
    hello = manner.hello + b" client.example.org\r\n"
    for words in (hello, b"STARTTLS\r\n") if manner.starttls else (hello,):
        made.sendall(words)
        _answer(made)
    if manner.starttls:
        made = _client_context().wrap_socket(made)
        made.sendall(hello)
        _answer(made)
    return made


def _answer(made: socket.socket) -> None:
    octets = b""
    while not octets.endswith(b"\r\n") or octets[octets.rfind(b"\n", 0, -1) + 4:][:1] == b"-":
        octets += made.recv(_CHUNK) or _gone()
    if octets[:1] != b"2":
        raise RuntimeError(octets)


def _gone() -> bytes:
    raise RuntimeError("the server closed the connection")


@cache
def _client_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
