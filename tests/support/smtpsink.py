"""A scripted SMTP server on loopback: polite by default, as broken or hostile as a test orders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from twisted.internet.protocol import Factory, Protocol

Answer = str | bytes | None | Callable[[str], "str | bytes | None"]
CLOSE = "CLOSE"         # as an answer: drop the connection


@dataclass
class Received:
    mail: str
    rcpts: list[str] = field(default_factory=list)
    data: bytes = b""
    tls: bool = False
    login: str = ""


class SmtpSink:
    """Set its attributes before (or while) clients connect; afterwards look at `messages`, `lines`, `connections`.

    `answers` maps a verb (MAIL, RCPT, DATA, END for the end of data, QUIT, ...) to what is said instead of the usual: a
    reply without CRLF, raw bytes, CLOSE, None for silence from then on, or a function of the command line that returns one of these
    ("" for the usual).
    """

    def __init__(self, reactor, *, keywords: tuple[str, ...] = ("PIPELINING", "SIZE 50000000", "8BITMIME"), tls=None,
                 implicit_tls=False, name: str = "sink.example") -> None:
        self.reactor = reactor
        self.keywords = keywords
        self.name = name
        self.tls = tls                      # a server context factory: STARTTLS is offered
        self.implicit_tls = implicit_tls
        self.greeting: str | bytes | None = f"220 {name} ready"
        self.answers: dict[str, Answer] = {}
        self.users: dict[str, str] = {}     # AUTH PLAIN and LOGIN are offered when there are any
        self.refuse_pipelined = False
        self.messages: list[Received] = []
        self.lines: list[str] = []
        self.writes: list[bytes] = []       # as they arrived
        self.connections = 0
        self.open: set[_Peer] = set()
        self._port = None

    def start(self, port: int = 0, interface: str = "127.0.0.1") -> int:
        factory = Factory.forProtocol(lambda: _Peer(self))
        factory.noisy = False
        self._port = self.reactor.listenTCP(port, factory, interface=interface)
        return self._port.getHost().port

    async def stop(self) -> None:
        for peer in tuple(self.open):
            peer.transport.abortConnection()
        if self._port is not None:
            port, self._port = self._port, None
            await port.stopListening()


class _Peer(Protocol):
    def __init__(self, sink: SmtpSink) -> None:
        self.sink = sink
        self.buffer = b""
        self.in_data = False
        self.chunk = -1                     # octets of a BDAT's chunk that are still to come
        self.last_chunk = False
        self.deaf = False                   # silent or closing: what comes is not looked at
        self.secure = sink.implicit_tls
        self.user = ""
        self.pending: list[str] = []        # AUTH LOGIN
        self.message: Received | None = None

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self.sink.connections += 1
        self.sink.open.add(self)
        if self.sink.implicit_tls:
            self.transport.startTLS(self.sink.tls)
        self.say(self.sink.greeting)

    def connectionLost(self, reason=None) -> None:
        self.sink.open.discard(self)

    def say(self, answer: str | bytes | None) -> None:
        if answer is None or answer == CLOSE:
            self.deaf = True
            if answer == CLOSE:
                self.transport.loseConnection()
        elif isinstance(answer, bytes):
            self.transport.write(answer)
        else:
            self.transport.write(answer.encode() + b"\r\n")

    def dataReceived(self, data: bytes) -> None:
        self.sink.writes.append(data)
        self.buffer += data
        while not self.deaf:
            if self.chunk >= 0:
                if not self.take_chunk():
                    return
                continue
            if self.in_data:
                if self.buffer.startswith(b".\r\n"):
                    body, self.buffer = b"", self.buffer[3:]
                else:
                    end = self.buffer.find(b"\r\n.\r\n")
                    if end < 0:
                        return
                    body, self.buffer = self.buffer[: end + 2], self.buffer[end + 5:]
                self.in_data = False
                self.end_of_data(body)
                continue
            line, separator, rest = self.buffer.partition(b"\r\n")
            if not separator:
                return
            self.buffer = rest
            self.command(line.decode("utf-8", "replace"))

    def take_chunk(self) -> bool:
        taken, self.buffer = self.buffer[:self.chunk], self.buffer[self.chunk:]
        self.chunk -= len(taken)
        assert self.message is not None
        self.message.data += taken
        if self.chunk:
            return False
        self.chunk = -1
        if not self.last_chunk:
            self.say("250 2.0.0 Ok chunk")
            return True
        answer = self.answer("END", "")
        answer = "250 2.0.0 Ok taken" if answer == "" else answer
        if isinstance(answer, str) and answer.startswith("2"):
            self.sink.messages.append(self.message)
        self.message = None
        self.say(answer)
        return True

    def end_of_data(self, body: bytes) -> None:
        assert self.message is not None
        if body.startswith(b"."):
            body = body[1:]
        self.message.data = body.replace(b"\r\n..", b"\r\n.")
        answer = self.answer("END", "")
        if answer == "":
            answer = "250 2.0.0 Ok taken" if self.message.rcpts else "554 5.5.1 no valid recipients"
        if isinstance(answer, str) and answer.startswith("2"):
            self.sink.messages.append(self.message)
        self.message = None
        self.say(answer)

    def answer(self, verb: str, line: str) -> str | bytes | None:
        answer = self.sink.answers.get(verb, "")
        return answer(line) if callable(answer) else answer

    def command(self, line: str) -> None:
        self.sink.lines.append(line)
        verb = line.partition(" ")[0].upper() if not self.pending else "AUTH-STEP"
        answer = self.answer(verb, line)
        usual = getattr(self, "on_" + verb.lower().replace("-", "_"), None)
        if answer != "":
            if verb == "DATA" and isinstance(answer, str) and answer.startswith("354"):
                self.in_data = True
                self.message = self.message or Received("")
            self.say(answer)
        elif usual is None:
            self.say("500 5.5.1 what?")
        else:
            usual(line)

    def on_ehlo(self, line: str) -> None:
        keywords = [*self.sink.keywords]
        if self.sink.tls is not None and not self.secure:
            keywords.append("STARTTLS")
        if self.sink.users:
            keywords.append("AUTH PLAIN LOGIN")
        lines = [f"{self.sink.name} hello", *keywords]
        self.say("\r\n".join(f"250{' ' if n == len(lines) - 1 else '-'}{text}" for n, text in enumerate(lines)))

    def on_helo(self, line: str) -> None:
        self.say(f"250 {self.sink.name}")

    def on_starttls(self, line: str) -> None:
        self.say("220 2.0.0 go")
        self.buffer = b""
        self.secure = True
        self.transport.startTLS(self.sink.tls)

    def on_auth(self, line: str) -> None:
        import base64

        parts = line.split(" ")
        if parts[1] == "PLAIN" and len(parts) == 3:
            _, user, password = base64.b64decode(parts[2]).decode().split("\0")
            self.judge(user, password)
        else:
            self.pending = [parts[1]]
            self.say("334 VXNlcm5hbWU6" if parts[1] == "LOGIN" else "334 ")

    def on_auth_step(self, line: str) -> None:
        import base64

        self.pending.append(base64.b64decode(line).decode())
        if self.pending[0] == "PLAIN":
            _, user, password = self.pending[1].split("\0")
        elif len(self.pending) == 2:
            self.say("334 UGFzc3dvcmQ6")
            return
        else:
            _, user, password = self.pending
        self.pending = []
        self.judge(user, password)

    def judge(self, user: str, password: str) -> None:
        if self.sink.users.get(user) == password:
            self.user = user
            self.say("235 2.7.0 welcome")
        else:
            self.say("535 5.7.8 no")

    def on_mail(self, line: str) -> None:
        if self.message is not None:
            self.say("503 5.5.1 nested MAIL")
            return
        self.message = Received(line, tls=self.secure, login=self.user)
        self.say("250 2.1.0 Ok")

    def on_rcpt(self, line: str) -> None:
        if self.message is None:
            self.say("503 5.5.1 MAIL first")
            return
        self.message.rcpts.append(line)
        self.say("250 2.1.5 Ok")

    def on_data(self, line: str) -> None:
        if self.message is None or not self.message.rcpts:
            self.say("503 5.5.1 RCPT first")
            return
        self.in_data = True
        self.say("354 go on")

    def on_bdat(self, line: str) -> None:
        words = line.split(" ")
        if self.message is None or not self.message.rcpts:
            self.say("503 5.5.1 RCPT first")
            return
        self.chunk, self.last_chunk = int(words[1]), words[2:] == ["LAST"]

    def on_rset(self, line: str) -> None:
        self.message = None
        self.say("250 2.0.0 Ok")

    def on_noop(self, line: str) -> None:
        self.say("250 2.0.0 Ok")

    def on_quit(self, line: str) -> None:
        self.say("221 2.0.0 bye")
        self.transport.loseConnection()
