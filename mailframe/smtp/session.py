"""One SMTP session: where commands, plugins and the stream of a message meet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from math import inf
from random import Random
from typing import Any, ParamSpec, Protocol, TypeVar, cast

from twisted.cred.portal import Portal
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from mailframe.interfaces.delivery import IHonours, IReception
from mailframe.model.address import Address
from mailframe.model.envelope import Envelope, Peer
from mailframe.model.refusal import LoginFailed, Refusal
from mailframe.pacing.turns import Turns
from mailframe.sasl.exchange import Mechanism
from mailframe.tracing.traces import Trace, Traces

from .asking import ask, log, tell
from .data import DataReader
from .extension import MailDraft, Registry, Situation
from .framer import AUTH_LIMIT, Fault
from .ids import new_id
from .machine import State, out_of_order
from .reply import Answer, Reply
from .roles import manners
from .settings import SmtpSettings
from .syntax import SyntaxFault
from .traced import command_shown, reply_shown, response_shown
from .transaction import NO_REMARKS, Transaction
from .wire import Wire, encrypted, ip_and_port, is_loopback, tls_words

T = TypeVar("T")
P = ParamSpec("P")

_UNKNOWN = Reply.of(500, "5.5.1", "Command not recognized")
_ERRORS = Reply.of(421, "4.7.0", "Too many errors").encode()
_FOREIGN = Reply.of(421, "4.7.0", "This is SMTP").encode()
_IDLE = Reply.of(421, "4.4.2", "Idle for too long").encode()
_SLOW = Reply.of(421, "4.4.2", "The transaction takes too long").encode()
_STOPPING = Reply.of(421, "4.3.2", "Server is shutting down, please try again later").encode()
_CROWDED = Reply.of(421, "4.7.0", "Too many connections, please try again later").encode()
_BROKEN = Reply.of(421, "4.3.0", "Internal error, please try again later").encode()
_UNREADABLE = Reply.of(421, "4.7.0", "Cannot tell commands from a chunk's octets any more").encode()
_TLS_GO = Reply.of(220, "2.0.0", "Ready to start TLS").encode()
_TLS_INJECTED = Reply.of(421, "4.7.0", "Nothing may follow STARTTLS before the handshake").encode()
_GUESSING = (b"RCPT", b"VRFY", b"EXPN")    # whose refusals tell who is not here
_GOODBYE_S = 1.0    # for the last words at a stop that could wait no longer
_FOREIGN_VERBS = frozenset((b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"CONNECT", b"DELETE"))


class NotAdmitted(Refusal):
    """Told at once, not at RCPT: nothing on such a port is for who is not in its networks (RFC 5321 section 4.3.2)."""

    public, smtp = "No mail service for your address here", (554, "5.7.1")

@dataclass(slots=True)
class Chunk:
    """What BDAT has announced."""

    size: int
    left: int                                  # octets that are still to come
    last: bool
    refusal: Reply | None                      # they are dropped, and this is said
    begun: float                               # seconds since the epoch


class Server(Protocol):
    """What a session needs of `server.SmtpServerFactory`."""

    reception: IReception
    settings: SmtpSettings
    clock: IReactorTime
    turns: Turns
    shortest_s: float
    portal: Portal | None
    tls: object | None
    random: Random
    registry: Registry
    mechanisms: Mapping[bytes, Mechanism]
    listener: str
    stopping: bool
    traces: Traces

    def admit(self, session: SmtpSession, ip: str) -> bool: ...

    def gone(self, session: SmtpSession, ip: str) -> None: ...


class SmtpSession(Wire):
    """Provides `extension.Conversation`. Between commands, `state` and `transaction` agree: no transaction before SENDER."""

    def __init__(self, server: Server) -> None:
        super().__init__(server.clock, server.settings.close_timeout_s, server.turns)
        self.server = server
        self.settings: SmtpSettings = server.settings
        self.shortest_s = server.shortest_s
        self.reception: IReception = server.reception
        self.registry: Registry = server.registry
        self.portal: Portal | None = server.portal
        self.remarks = NO_REMARKS
        self.state = State.START
        self.transaction: Transaction | None = None
        self.peer = Peer("")
        self._origin = ""                      # whose connection it is, whoever speaks by XCLIENT
        self.situation: Situation
        self._honours: frozenset[str] = server.reception.honours if IHonours.providedBy(server.reception) else frozenset()
        self._opened = False
        self._admitted = False
        self._extended = False
        self._chunk: Chunk | None = None
        self._expected: Callable[[bytes], Awaitable[None] | None] | None = None
        self.mails = 0
        self.recipient_domains: tuple[str, ...] = ()
        self._errors = 0
        self._refused_recipients = 0
        self._login_failures = 0
        self._logout: Callable[[], object] | None = None

    # Beginning and end.

    def connectionMade(self) -> None:
        self.peer = self._connected()
        ip = self._origin = self.peer.ip
        self._situate(encrypted(self.transport), None)
        super().connectionMade()
        self._admitted = self.server.admit(self, ip)
        if self.server.stopping or not self._admitted:
            self.say(_STOPPING if self.server.stopping else _CROWDED)
            self.close()
        else:
            self.advance()

    def _connected(self) -> Peer:
        """Who has connected, as far as the transport knows."""
        address = self.transport.getPeer()  # type: ignore[union-attr]
        ip, port = ip_and_port(address)
        return Peer(ip, port, listener=self.server.listener, role=self.settings.role, via=getattr(address, "via", ""))

    async def _open(self) -> None:
        self._opened = True
        if self.server.traces.active:
            self.trace = self.server.traces.begin("smtp", self.peer.ip, self.peer.listener)
        try:
            if not self.settings.admits(self.peer.ip):
                raise NotAdmitted
            await self.ask("connected", self.reception.connected, self.peer)
            if self.peer.helo:
                await self.ask("greeted", self.reception.greeted, self.peer)
                self.state = State.GREETED
        except Refusal as refusal:
            self._refuse(refusal, b"connection", b"")
            self.close()
        else:
            banner = self.settings.banner or manners(self.settings.role).banner
            self.say(Reply.of(220, "", f"{self.settings.hostname} {banner}").encode())

    def _situate(self, tls: bool, account: str | None) -> None:
        server = self.server
        self.situation = Situation(
            self.settings, tls, server.tls is not None, is_loopback(self.peer.ip), self.portal is not None, account,
            server.mechanisms, self.now(), self._origin, self._honours,
        )

    def ended(self) -> None:
        if self.trace is not None:
            if self.transaction is not None and self.transaction.reader is not None:
                self.trace.line("C", f"[{self.transaction.size} octets of a message without an end]")
            self.trace.end()
        self.reset()
        self._forget_login()
        if self._admitted:
            self._admitted = False
            self.server.gone(self, self.peer.ip)

    def wind_down(self) -> None:
        """The server stops: `step` says goodbye, now or after the transaction."""
        self.advance()

    def cut(self) -> None:
        """The server stops now: what is under way is not delivered, and a client that can still be told is told so."""
        if self._running or self._choked or self.over:
            if self.transport is not None:
                self.transport.abortConnection()  # type: ignore[attr-defined]
            return
        self.reset()
        self.say(_STOPPING)
        self.close(_GOODBYE_S)

    def broken(self, failure: Failure) -> None:
        log.failure("SMTP session with {ip} failed", failure, ip=self.peer.ip)
        self.say(_BROKEN)
        self.close()

    def traced(self, trace: Trace, octets: bytes) -> None:
        for line in octets.splitlines():
            trace.line("S", reply_shown(line))

    # Time.

    def patience(self) -> float:
        if self.working is not None:
            ending = self.transaction is not None and self.transaction.ending
            return self.settings.commit_timeout_s if ending else self.settings.answer_timeout_s
        if self._chunk is not None or (self.transaction is not None and self.transaction.reader is not None):
            return self.settings.data_timeout_s
        return self.settings.idle_timeout_s

    def deadline(self) -> float:
        """Of the transaction, or of a chunk outside one; what we make the client wait for is not held against it."""
        transaction, chunk = self.transaction, self._chunk
        if self.working is not None:
            return inf
        if transaction is not None:
            begun, octets = transaction.envelope.received_at, transaction.size
        elif chunk is not None:
            begun, octets = chunk.begun, chunk.size - chunk.left
        else:
            return inf
        return begun + self.settings.transaction_timeout_s + octets / self.settings.min_octets_per_s

    def expired(self) -> None:
        if self.working is not None:
            self.working.cancel()      # the plugin that is waited for has missed its deadline (I7): `ask` sees it
        elif self.deadline() <= self.clock.seconds():
            self.say(_SLOW)
            self.close()
        else:
            self.say(_IDLE)
            self.close()

    # Steps.

    async def step(self) -> bool:
        if not self._opened:
            await self._open()
            return True
        if self.server.stopping and self.transaction is None:
            self.say(_STOPPING)
            self.close()
            return False
        if self.transaction is not None and self.transaction.reader is not None:
            return await self._read(self.transaction, self.transaction.reader)
        if self._chunk is not None:
            return await self._read_chunk(self._chunk)
        expected = self._expected
        line = self.framer.line(AUTH_LIMIT if expected is not None else 0)
        if line is None:
            return False
        self.touch()
        self._expected = None
        if self.trace is not None:
            shown = command_shown(line, self.registry, self.situation) if expected is None else response_shown(line)
            self.trace.line("C", shown)
        if isinstance(line, Fault):
            self.complain(Reply.of(500, "5.5.2", line.value))
            if line is Fault.CHUNK:         # I5: its octets would be taken for commands
                self.say(_UNREADABLE)
                self.close()
        elif expected is not None:
            await self._run(b"response", expected, line)
        else:
            await self._command(line)
        return True

    async def _command(self, line: bytes) -> None:
        word, _, args = line.partition(b" ")
        verb = word.upper()
        command = self.registry.commands.get(verb)
        if command is None:
            self._unknown(verb)
            return
        refusal = out_of_order(command.order, self.state)
        if refusal is None:
            await self._run(verb, command.run, self, args.strip(b" "))
        else:
            self.complain(refusal)

    async def _run(self, verb: bytes, function: Callable[P, Awaitable[None] | None], *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            await self.ask(verb.decode(), cast("Callable[P, Awaitable[None]]", function), *args, **kwargs)
        except SyntaxFault as fault:
            self.complain(Reply.from_refusal(fault))
        except Refusal as refusal:
            self._refuse(refusal, verb, cast("bytes", args[-1]))

    def _unknown(self, verb: bytes) -> None:
        if verb in _FOREIGN_VERBS:
            self.say(_FOREIGN)
            self.close()
        else:
            self.complain(_UNKNOWN)

    def _refuse(self, refusal: Refusal, verb: bytes, args: bytes) -> None:
        reply = Reply.from_refusal(refusal)
        said = args.decode("utf-8", "replace") if verb in (b"MAIL", b"RCPT") else ""  # never what AUTH says (I9)
        log.info(
            "refused {verb} {said!r} id={id} ip={ip} helo={helo} reply={reply!s}{detail}", verb=verb.decode(), said=said,
            id=self.transaction.envelope.id if self.transaction else "-", ip=self.peer.ip, helo=self.peer.helo, reply=reply,
            detail=f" ({refusal.detail})" if refusal.detail else "",
        )
        self._answer(reply)
        if verb in _GUESSING and not reply.temporary:
            self._refused_recipients += 1
            if self._refused_recipients >= self.settings.max_refused_recipients:
                self.say(_ERRORS)
                self.close()

    # The message.

    def read_data(self) -> None:
        assert self.transaction is not None, "DATA comes only after MAIL"
        self.transaction.begin_data()

    async def _read(self, transaction: Transaction, reader: DataReader) -> bool:
        if not self.framer.waiting:
            return False
        self.touch()
        octets, rest = reader.feed(self.framer.take())
        if reader.done:
            self.framer.give_back(rest)
        if octets:
            await transaction.write(octets)
        if reader.done and not self._lost:
            await self._finish(transaction)
        return True

    def read_chunk(self, size: int, *, last: bool, refusal: Reply | None) -> None:
        self._chunk = Chunk(size, size, last, refusal, self.clock.seconds())

    async def _read_chunk(self, chunk: Chunk) -> bool:
        """RFC 3030 section 2: the reply, of whatever kind, comes after the chunk's octets."""
        if chunk.left and not self.framer.waiting:
            return False
        self.touch()
        octets = self.framer.take(chunk.left)
        chunk.left -= len(octets)
        transaction = self.transaction if chunk.refusal is None else None
        if transaction is not None:
            await transaction.write_chunk(octets, last=chunk.last and not chunk.left)
        if not chunk.left and not self._lost:
            self._chunk = None
            await self._answer_chunk(chunk, transaction)
        return True

    async def _answer_chunk(self, chunk: Chunk, transaction: Transaction | None) -> None:
        if chunk.refusal is not None:
            each = self.transaction if chunk.last else None        # after the last chunk LMTP's client waits for all replies
            self._answer(chunk.refusal if each is None else each.answer(chunk.refusal))
        elif transaction is not None and chunk.last:
            await self._finish(transaction)
        elif transaction is not None and transaction.refusal is not None:
            self._refuse(transaction.refusal, b"BDAT", b"")
        else:
            self._answer(Reply.of(250, "2.0.0", f"{chunk.size} octets received"))

    async def _finish(self, transaction: Transaction) -> None:
        if self.trace is not None:
            self.trace.line("C", f"[a message, {transaction.size} octets]")
        reply = await transaction.finish()
        self.transaction = None
        self.state = State.GREETED
        if reply.positive:
            self._errors = self._refused_recipients = 0
        self._answer(reply)

    def _answer(self, reply: Answer) -> None:
        self.say(reply.encode())
        if reply.code == 421:
            self.close()

    # What commands use (`extension.Conversation`).

    def now(self) -> float:
        return self.clock.seconds()

    def complain(self, reply: Reply) -> None:
        self.say(reply.encode())
        self._errors += 1
        if self._errors >= self.settings.max_errors:
            self.say(_ERRORS)
            self.close()

    def expect(self, handler: Callable[[bytes], Awaitable[None] | None]) -> None:
        self._expected = handler

    def ask(self, what: str, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        return ask(self.peer, what, function, *args, **kwargs)

    def hello(self, name: str, *, extended: bool) -> None:
        self.reset()
        self.state = State.START
        self._extended = extended
        tls = tls_words(self.transport) if self.situation.tls else ""
        self.peer = replace(self.peer, helo=name, tls=tls, protocol=self._protocol(utf8=False))

    def envelope(self, sender: Address | None, draft: MailDraft) -> Envelope:
        now = draft.now
        peer = replace(self.peer, protocol=self._protocol(utf8=True)) if draft.smtputf8 else self.peer
        return Envelope(
            new_id(now, self.server.random), sender, peer, now, draft.size, draft.body, draft.smtputf8, draft.ret, draft.envid,
            draft.hold_until, draft.deliver_by, draft.priority, draft.require_tls, draft.solicitation,
        )

    def reset(self) -> None:
        self.remarks = NO_REMARKS
        transaction, self.transaction = self.transaction, None
        if transaction is not None:
            self.state = State.GREETED
            transaction.abort()

    def start_tls(self) -> None:
        if self.framer.waiting:        # I5
            self.say(_TLS_INJECTED)
            self.close()
            return
        peer = self._connected()               # what XCLIENT has said is forgotten, too
        if self.peer.ip != peer.ip and not self._become(peer):
            return
        self.say(_TLS_GO)
        self.encrypt(self.server.tls)
        self._forget_login()
        self.state = State.START
        self.peer = peer
        self._situate(True, None)

    async def afresh(self, peer: Peer, account: str | None) -> None:
        self.reset()
        self._forget_login()
        self.state = State.START
        self._errors = self._refused_recipients = self._login_failures = 0
        self._extended = peer.protocol != "SMTP"
        if self._become(peer):
            self._situate(self.situation.tls, account)
            tls = tls_words(self.transport) if self.situation.tls else ""
            self.peer = replace(peer, account=account, tls=tls, protocol=self._protocol(utf8=False))
            await self._open()

    def _become(self, peer: Peer) -> bool:
        """Count `peer` in place of who has spoken until now, if there is room for it."""
        self.server.gone(self, self.peer.ip)
        self.peer = peer
        self._admitted = self.server.admit(self, peer.ip)
        if not self._admitted:
            self.say(_CROWDED)
            self.close()
        return self._admitted

    def logged_in(self, account: str, logout: Callable[[], object]) -> None:
        log.info("login ip={ip} user={user!r} protocol=smtp", ip=self.peer.ip, user=account)
        if self.trace is not None:
            self.trace.logged_in(account)
        self._logout = logout
        self._situate(self.situation.tls, account)
        self.peer = replace(self.peer, account=account, protocol=self._protocol(utf8=False))

    def login_failed(self, user: str) -> int:
        self._login_failures += 1
        log.info("login failed ip={ip} user={user!r} protocol=smtp: {why}", ip=self.peer.ip, user=user, why=LoginFailed.public)
        return self._login_failures

    def _forget_login(self) -> None:
        logout, self._logout = self._logout, None
        if logout is not None:
            tell("logout", logout)

    def _protocol(self, *, utf8: bool) -> str:
        """The word after "with" in Received (RFC 3848, RFC 6531 section 4.3)."""
        words = manners(self.settings.role)
        word = words.utf8 if utf8 else words.extended if self._extended else words.plain
        if word == "SMTP":
            return word
        return f"{word}{'S' if self.situation.tls else ''}{'A' if self.situation.account else ''}"


