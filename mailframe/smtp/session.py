"""One SMTP session: a command at a time is looked up, run and answered; or what follows it is read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import inf
from typing import Any

from twisted.python.failure import Failure

from mailframe.interfaces.maybe import waits
from mailframe.model.refusal import Refusal
from mailframe.tracing.traces import Trace

from . import lastwords
from .asking import fault, log
from .dialogue import Dialogue
from .framer import AUTH_LIMIT, Fault
from .host import Host
from .incoming import Chunk, Incoming
from .machine import State, out_of_order
from .meeting import Meeting
from .reply import Answer, Reply
from .roles import manners
from .syntax import SyntaxFault
from .traced import command_shown, reply_shown, response_shown
from .transaction import Transaction
from .visitor import Visitor

_UNKNOWN = Reply.of(500, "5.5.1", "Command not recognized")
_GUESSING = (b"RCPT", b"VRFY", b"EXPN")    # whose refusals tell who is not here
_GOODBYE_S = 1.0    # for the last words at a stop that could wait no longer
_FOREIGN_VERBS = frozenset((b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"CONNECT", b"DELETE"))


class SmtpSession(Dialogue):
    """Runs the dialogue: a step is a command, what a command waits for, or octets of a message."""

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._meeting = Meeting(host.reception, host.settings)

    # Beginning and end.

    def connectionMade(self) -> None:
        self.visitor = Visitor(self.host, self.transport)
        super().connectionMade()
        if self._count(self.peer.ip):
            self._turns.take(self.advance)      # when hundreds connect at once, others have their turn between

    async def _open(self) -> None:
        """Greet who has connected, or who speaks now by XCLIENT."""
        self._to_greet = False
        if self.host.traces.active:
            self.trace = self.host.traces.begin("smtp", self.peer.ip, self.peer.listener)
        try:
            self.visitor.known(await self._meeting.introduce(self.peer))
            if not self.peer.via and not self.situation.tls:   # else it cannot be known when the client began
                await self._meeting.silence(self, self.peer)
            if self.peer.helo:
                await self.ask("greeted", self.reception.greeted, self.peer)
                self.state = State.GREETED
        except Refusal as refusal:
            self._turn_away(refusal)
        else:
            banner = self.settings.banner or manners(self.settings.role).banner
            self.say(Reply.of(220, "", f"{self.settings.hostname} {banner}").encode())

    def _turn_away(self, refusal: Refusal) -> None:
        """A moment for QUIT (RFC 5321 section 3.1), unless it spoke out of turn, or we are for nobody (RFC 7504 section 3)."""
        self._refuse(refusal, b"connection", b"")
        if self.framer.waiting or refusal.smtp[0] == 521:
            self.close()
        elif not self.over:
            self.registry = self.registry.closed
            self.touch()
            self.hurry(self.settings.refused_timeout_s)

    def ended(self) -> None:
        self._sum_up()
        if self.trace is not None:
            if self.transaction is not None and self.transaction.reader is not None:
                self.trace.line("C", f"[{self.transaction.size} octets of a message without an end]")
            self.trace.end()
        self.reset()
        self.visitor.log_out()
        self._meeting.part()
        counted, self._counted = self._counted, None
        if counted is not None:
            self.host.gone(self, counted)

    def wind_down(self) -> None:
        self.advance()                 # `step` sees that the host stops

    def cut(self) -> None:
        if self._running or self._choked or self.over:
            if self.transport is not None:
                self.transport.abortConnection()  # type: ignore[attr-defined]
            return
        self.reset()
        self._last(lastwords.STOPPING, _GOODBYE_S)

    def broken(self, failure: Failure) -> None:
        log.failure("SMTP session with {ip} failed", failure, ip=self.peer.ip)
        self._last(lastwords.BROKEN)

    def traced(self, trace: Trace, octets: bytes) -> None:
        for line in octets.splitlines():
            trace.line("S", reply_shown(line))

    # Time.

    def patience(self) -> float:
        if self.working is not None:
            ending = self.transaction is not None and self.transaction.ending
            return self.settings.commits_within_s if ending else self.settings.answers_within_s
        if self.registry is not self.host.registry:
            return self.settings.refused_timeout_s
        return self.settings.idle_timeout_s if self._incoming is None else self.settings.data_timeout_s

    def deadline(self) -> float:
        """Of the transaction, or of a chunk outside one; what we make the client wait for is not held against it."""
        transaction, incoming = self.transaction, self._incoming
        if self.working is not None:
            return inf
        if transaction is not None:
            begun, octets = transaction.envelope.received_at, transaction.size
        elif isinstance(incoming, Chunk):
            begun, octets = incoming.begun, incoming.arrived
        else:
            return inf
        return begun + self.settings.transaction_timeout_s + octets / self.settings.min_octets_per_s

    def expired(self) -> None:
        if self.working is not None:
            self.working.cancel()      # the plugin that is waited for has missed its deadline (I7): `ask` sees it
        else:
            self._last(lastwords.SLOW if self.deadline() <= self.clock.seconds() else lastwords.IDLE)

    # Steps.

    async def step(self) -> bool:
        if self.host.stopping and self.transaction is None:
            self._last(lastwords.STOPPING)
            return False
        if self._to_greet:
            await self._open()
            return True
        if self._incoming is not None:
            return await self._read(self._incoming)
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
            await self._complain(b"", Reply.of(500, "5.5.6" if line is Fault.EXCHANGE else "5.5.2", line.value))
            if line is Fault.CHUNK:         # I5: its octets would be taken for commands
                self._last(lastwords.UNREADABLE)
        elif expected is not None:
            await self._run(b"response", expected, (line,))
        else:
            await self._command(line)
        return True

    async def _command(self, line: bytes) -> None:
        word, _, args = line.rstrip(b" \t").partition(b" ")     # RFC 5321 section 4.1.1: white space at the end is tolerated
        verb = word.upper()
        command = self.registry.commands.get(verb)
        if command is None:
            if verb in _FOREIGN_VERBS:
                self._last(lastwords.FOREIGN)
            else:
                await self._complain(b"", _UNKNOWN)
            return
        refusal = out_of_order(command.order, self.state)
        if refusal is None:
            await self._run(verb, command.run, (self, args.strip(b" ")))
            if command.idle:
                self._idled()
        else:
            await self._complain(verb, refusal)

    async def _run(self, verb: bytes, function: Callable[..., Awaitable[None] | None], args: tuple[Any, ...]) -> None:
        """As `ask`, without a coroutine of its own for it: this is done for every command. The last argument is what was said."""
        try:
            waiting = function(*args)
            if waiting is not None and waits(waiting):
                await waiting
            return
        except Refusal as refused:
            refusal = refused
        except Exception:
            refusal = fault(self.peer, verb.decode(), function)
        if isinstance(refusal, SyntaxFault):
            await self._complain(verb, Reply.from_refusal(refusal))
        else:
            await self._meeting.hold_back(self, self.peer, verb, Reply.from_refusal(refusal))
            self._refuse(refusal, verb, args[-1])

    def _idled(self) -> None:
        """Nothing came of what the client has said last."""
        if not self.over and not self.situation.loopback and self._conduct.idle_command():
            self._last(lastwords.ERRORS)

    async def _complain(self, verb: bytes, reply: Reply) -> None:
        await self._meeting.hold_back(self, self.peer, verb, reply)
        self.complain(reply)

    async def _read(self, incoming: Incoming) -> bool:
        if incoming.needs() and not self.framer.waiting:
            return False
        self.touch()
        if await incoming.read(self.framer) and not self._lost:
            answer = incoming.answer()
            if answer is None and self.transaction is not None:
                await self._finish(self.transaction)
            self._incoming = None
            if isinstance(answer, Refusal):
                self._refuse(answer, b"BDAT", b"")
            elif answer is not None:
                self._answer(answer)
                if incoming.out_of_place and self._conduct.bad_command():
                    self._last(lastwords.ERRORS)
        return True

    async def _finish(self, transaction: Transaction) -> None:
        if self.trace is not None:
            self.trace.line("C", f"[a message, {transaction.size} octets]")
        reply = await transaction.finish()
        self.transaction = None
        self.state = State.GREETED
        if reply.positive:
            self._sum_up()
            self._conduct.forgive()
        self._answer(reply)
        if not reply.positive:
            self._idled()

    # Answers.

    def _answer(self, reply: Answer) -> None:
        self.say(reply.encode())
        if reply.code == 421:
            self.close()

    def _refuse(self, refusal: Refusal, verb: bytes, args: bytes) -> None:
        reply = Reply.from_refusal(refusal)
        if self._conduct.worth_a_line():
            said = args.decode("utf-8", "replace") if verb in (b"MAIL", b"RCPT") else ""  # never what AUTH says (I9)
            log.info(
                "refused {verb} {said!r} id={id} ip={ip} helo={helo} reply={reply!s}{detail}", verb=verb.decode(), said=said,
                id=self.transaction.envelope.id if self.transaction else "-", ip=self.peer.ip, helo=self.peer.helo, reply=reply,
                detail=f" ({refusal.detail})" if refusal.detail else "",
            )
        self._answer(reply)
        if self.over:
            return
        guessed = verb in _GUESSING and not reply.temporary and self._conduct.refused_recipient()
        if guessed or (verb == b"MAIL" and self._conduct.bad_command()):
            self._last(lastwords.ERRORS)
