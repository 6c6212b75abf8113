"""One connection to another mail server: the SMTP client (RFC 5321), safe against whatever that server does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred

from mailframe.model.envelope import Envelope, Recipient
from mailframe.sasl.exchange import Mechanism, SaslError, decode_base64, encode_base64, encode_initial

from .client_data import DotStuffer, Verbatim
from .client_header import ascii_header
from .client_limits import Limits
from .client_plan import Outcome, Plan, Stage, extensions, plan
from .client_settings import ClientSettings
from .client_stream import SmtpStream
from .client_wire import PeerGone, TlsFailed
from .reply import Reply

__all__ = ["PeerGone", "PeerRefused", "SmtpClient", "TlsFailed"]

_MAX_CHALLENGES = 16                # no mechanism has more rounds


class PeerRefused(Exception):
    """The server said no to something that concerns the whole connection; `reply` are its words, `to` the command."""

    def __init__(self, to: str, reply: Reply) -> None:
        super().__init__(f"{to}: {reply}")
        self.to = to
        self.reply = reply


class SmtpClient(SmtpStream):
    """Use in this order: `greet`; if wanted `start_tls`, `login`; then `send` any number of times; `quit` or `abort`.

    One method at a time. All raise PeerGone; PeerRefused where it says so. A connection that raised, or whose method was
    cancelled, must be ended with `abort`; one on which `usable` is false, with `quit` or `abort`.
    """

    def __init__(self, clock: Any, settings: ClientSettings | None = None) -> None:
        super().__init__(clock, settings)
        self.extensions: dict[str, str] = {}    # what EHLO offered last: keyword in capitals -> parameters
        self.name = ""                      # what the server calls itself
        self.tls = ""                       # as in model.envelope.Peer
        self.sent = 0                       # messages that were begun here
        self.domains: set[str] = set()      # of their recipients
        self.logged_in = False
        self.trusted = False                # TLS, its certificate verified for a name that cannot be forged (RFC 8689 section 2)

    @property
    def limits(self) -> Limits:
        """What the server said it takes in one session (RFC 9422)."""
        return Limits.of(self.extensions.get("LIMITS", ""))

    @property
    def used_up(self) -> bool:
        """Whether it has had all that it takes in one session."""
        return self.limits.reached(self.sent, self.domains)

    # -- the conversation

    async def greet(self, helo: str) -> None:
        """Await 220 and introduce ourselves as `helo`. Raises PeerRefused."""
        reply = await self._next(self._settings.greeting_timeout_s)
        if reply.code != 220:
            raise PeerRefused("greeting", reply)
        await self._hello(helo)

    async def _hello(self, helo: str) -> None:
        reply = await self._command(b"EHLO " + helo.encode("ascii"))
        if reply.code // 100 == 2:
            self.extensions = extensions(reply)
        elif reply.code // 100 == 5 and reply.code != 521:      # which means never, to nobody (RFC 7504 section 3)
            self.extensions = {}
            reply = await self._command(b"HELO " + helo.encode("ascii"))
        if reply.code // 100 != 2:
            raise PeerRefused("EHLO", reply)
        self.name = reply.lines[0].partition(" ")[0]

    async def start_tls(self, creator: Any, helo: str) -> None:
        """STARTTLS with an IOpenSSLClientConnectionCreator, then EHLO afresh. Raises PeerRefused, TlsFailed."""
        reply = await self._command(b"STARTTLS")
        if reply.code != 220:
            raise PeerRefused("STARTTLS", reply)
        await self.tls_now(creator)
        await self._hello(helo)

    async def tls_now(self, creator: Any) -> None:
        """The handshake; by itself for implicit TLS, before `greet`. Raises TlsFailed."""
        self._alive()
        if self._reader.midway or self._replies:
            raise self._broken("it spoke in the clear after STARTTLS")      # I5
        self._reader = self._fresh_reader()
        self.extensions = {}
        self._handshake = True
        self.transport.startTLS(creator)
        while self._handshake:
            await self._wait(self._settings.tls_timeout_s, "the TLS handshake")
        self._alive()
        connection = self.transport.getHandle()
        self.tls = f"{connection.get_protocol_version_name()} {connection.get_cipher_name()}"

    async def login(self, mechanism: Mechanism, user: str, password: str) -> None:
        """AUTH (RFC 4954). Raises PeerRefused, also where the server asks what the mechanism cannot answer."""
        exchange = mechanism.client(user, password)
        try:
            initial = exchange.initial()
            line = b"AUTH " + mechanism.name
            reply = await self._command(line if initial is None else line + b" " + encode_initial(initial))
            for _ in range(_MAX_CHALLENGES):
                if reply.code != 334:
                    break
                challenge = decode_base64(reply.lines[-1].encode())
                reply = await self._command(encode_base64(exchange.respond(challenge)))
        except SaslError as error:
            raise PeerRefused("AUTH", Reply.of(454, "4.7.0", f"The server's challenge makes no sense: {error}")) from None
        if reply.code != 235:
            raise PeerRefused("AUTH", reply)
        self.logged_in = True

    async def quit(self) -> None:
        """Take leave and close; never raises."""
        try:
            if self.usable:
                await self._reset_over(self._settings.quit_timeout_s)
                await self._command(b"QUIT", self._settings.quit_timeout_s)
        except PeerGone:
            pass
        timer = self._timer(self._settings.quit_timeout_s, "closing")
        if self._gone is None:
            self.transport.loseConnection()
        await self._closed()
        if timer.active():
            timer.cancel()

    async def _closed(self) -> None:
        if not self.closed.called:
            done: Deferred[None] = Deferred()
            self.closed.addCallback(done.callback)
            await done

    # -- one message

    async def send(
        self, envelope: Envelope, recipients: Sequence[Recipient], source: Any, head: bytes = b"",
    ) -> dict[Recipient, Outcome]:
        """Hand over `head` and the content of `source` (an IMessageSource); one Outcome for each recipient.

        A connection lost on the way is an outcome too. Raises what `source.read` raises, after closing the connection.
        """
        self.sent += 1
        self.domains.update(recipient.address.domain for recipient in recipients)
        utf8_header = envelope.smtputf8 and "SMTPUTF8" not in self.extensions and not await ascii_header(head, source)
        todo = plan(
            envelope, recipients, len(head) + source.size, self.extensions, utf8_header=utf8_header, logged_in=self.logged_in,
            trusted=self.trusted, now=self._clock.seconds())
        outcomes = dict(todo.refused)
        if todo.rcpts:
            timer = self._timer(self._settings.message_timeout_s, "it to take one message")
            try:
                await self._transaction(todo, outcomes, head, source)
            except PeerGone as error:
                lost = Outcome(self._farewell or Reply.of(421, "4.4.2", f"Connection lost: {error}"), Stage.LOST)
                for recipient, _ in todo.rcpts:
                    outcomes.setdefault(recipient, lost)
            finally:
                if timer.active():
                    timer.cancel()
        return outcomes

    async def _transaction(self, todo: Plan, outcomes: dict[Recipient, Outcome], head: bytes, source: Any) -> None:
        """MAIL, RCPT..., DATA: in one write where the server has PIPELINING (RFC 2920), else one by one.

        BDAT waits for the recipients' replies: unlike DATA it needs no leave, and would bring a message that nobody gets.
        """
        piped = "PIPELINING" in self.extensions
        if piped:
            lines = [todo.mail, *(line for _, line in todo.rcpts), *([] if todo.binary else [b"DATA\r\n"])]
            self._write(b"".join(lines), len(lines))
        else:
            await self._reset_over(self._settings.command_timeout_s)
        mail_taken, accepted = await self._envelope(todo, outcomes, piped)
        if not accepted and (todo.binary or not piped):
            if mail_taken:
                self._give_up()
            return
        if todo.binary:
            opening = b"BDAT %d LAST\r\n" % (len(head) + source.size)     # RFC 3030 section 2
            await self._end(accepted, outcomes, await self._body(Verbatim(opening), head, source))
            return
        data = await self._answer(b"DATA\r\n", piped, self._settings.data_timeout_s)
        if data.code == 354:
            await self._message(accepted, outcomes, head, source)
        elif data.code < 400:
            raise self._broken(f"it answered DATA with {data.code}")
        else:
            outcomes.update(dict.fromkeys(accepted, Outcome(data, Stage.DATA)))
            if mail_taken:
                self._give_up()

    def _give_up(self) -> None:
        """The transaction is still open there: end it at once, so that nobody waits for what will not come."""
        if self._farewell is None and self._gone is None:
            self._reset()

    async def _envelope(self, todo: Plan, outcomes: dict[Recipient, Outcome], piped: bool) -> tuple[bool, list[Recipient]]:
        """MAIL and the RCPTs; returns (whether MAIL was, the recipients that were accepted); the others have their outcome."""
        mail = await self._answer(todo.mail, piped)
        if not self._positive(mail):
            outcomes.update((recipient, Outcome(mail, Stage.MAIL)) for recipient, _ in todo.rcpts)
            if not piped:
                return False, []
        accepted: list[Recipient] = []
        for recipient, line in todo.rcpts:
            reply = await self._answer(line, piped)
            if recipient in outcomes:
                continue
            if self._positive(reply):
                accepted.append(recipient)
            else:
                outcomes[recipient] = Outcome(reply, Stage.RCPT)
        return mail.code < 300, accepted

    async def _message(self, accepted: list[Recipient], outcomes: dict[Recipient, Outcome], head: bytes, source: Any) -> None:
        if not accepted:
            await self._answer(b".\r\n", False, self._settings.end_timeout_s)    # RFC 2920 section 3.1: there is no way back
            return
        await self._end(accepted, outcomes, await self._body(DotStuffer(), head, source))

    async def _end(self, accepted: list[Recipient], outcomes: dict[Recipient, Outcome], early: Reply | None) -> None:
        """The last reply, for all who were accepted; `early` is one that came before the message's end."""
        try:
            reply = early or await self._next(self._settings.end_timeout_s)
            if not self._positive(reply):
                outcomes.update(dict.fromkeys(accepted, Outcome(reply, Stage.END)))
                return
        except PeerGone as error:
            words = f"Connection lost after the end of the message, which may have arrived: {error}"
            outcomes.update(dict.fromkeys(accepted, Outcome(Reply.of(451, "4.4.2", words), Stage.DOUBTFUL)))
            return
        outcomes.update(dict.fromkeys(accepted, Outcome(reply, Stage.END)))
