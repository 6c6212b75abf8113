"""One POP3 session: commands to answers, logins with their limits, and the one catch-all around plugins (I7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeadlineMissed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from mailframe.interfaces.maybe import settled, waits
from mailframe.model.client import Client
from mailframe.model.refusal import InternalError, LoginFailed, Refusal, TryAgainLater
from mailframe.pacing.deadline import within
from mailframe.pacing.turns import BUDGET_S
from mailframe.sasl.exchange import Mechanism

from .connection import Connection, Gone
from .extension import Command, Registry
from .framer import TooLong
from .locks import MaildropInUse, MaildropLocks
from .login import authenticate
from .machine import Event, Machine, State
from .maildrop import Maildrop, open_maildrop
from .reply import err, ok, refused
from .settings import Pop3Settings


class Session:
    """What commands see (`mailframe.pop3.extension.Conversation`), over one connection.

      P1  Messages leave the mailbox in `update` alone, in one durable step (I1, RFC 1939 section 6).
      P2  The lock on the maildrop is held from the login to the end of the connection, or of an update that outlives it.
    """

    _log = Logger()

    def __init__(
        self, connection: Connection, portal: Portal, settings: Pop3Settings, *, clock: IReactorTime, tls: object | None,
        locks: MaildropLocks, registry: Registry, mechanisms: Mapping[bytes, Mechanism], on_end: Callable[[Session], None],
    ) -> None:
        self.ip = connection.ip
        self.machine = Machine()
        self.named = b""
        self._connection = connection
        self._portal = portal
        self._settings = settings
        self._clock = clock
        self._tls = tls
        self._locks = locks
        self._registry = registry
        self._mechanisms = mechanisms
        self._on_end = on_end
        self._account: str | None = None          # whose lock we hold
        self._drop: Maildrop | None = None
        self._logout: Callable[[], None] | None = None
        self._updating = False
        self._part_sent = False                   # of the present command's answer
        self._errors = 0
        self._auth_failures = 0
        connection.serve = self.serve
        connection.on_lost = self._on_lost

    # The conversation

    async def serve(self) -> None:
        """From the greeting to the end of the connection."""
        connection, framer, clock = self._connection, self._connection.framer, self._clock
        try:
            connection.put(ok(self._settings.banner.encode("ascii")))
            begun = clock.seconds()
            while self.machine.state is not State.UPDATE:
                line = framer.next()
                if line is None:
                    await connection.more()
                    begun = clock.seconds()
                    continue
                if connection.put(await self._answer(line)):
                    await connection.drained()
                if (connection.turns.over or clock.seconds() - begun > BUDGET_S) and len(framer):
                    await connection.turn()
                    begun = clock.seconds()
            await connection.drained()
        except Gone:
            pass
        except Exception:
            self._log.failure("pop3 session from {ip} failed", ip=self.ip)
        connection.close()

    async def _answer(self, line: bytes | TooLong) -> bytes:
        if isinstance(line, TooLong):
            return self._wrong(b"Line is too long")
        verb, _, argument = line.partition(b" ")
        command = self._registry.commands.get(verb) or self._registry.commands.get(verb.upper())
        if command is None:
            return self._wrong(b"Unknown command")
        objection = self.machine.objection(command.states)
        if objection is None and len(line) > self._settings.max_line_octets and command.verb != b"AUTH":
            objection = b"Line is too long"
        if objection is None and command.bare and argument.strip():
            objection = command.verb + b" takes no argument"
        return await self._run(command, argument) if objection is None else self._wrong(objection)

    async def _run(self, command: Command, argument: bytes) -> bytes:
        self._part_sent = False
        try:
            return await command.run(self, argument)
        except Gone:
            raise
        except Refusal as refusal:
            answer, why = refused(refusal), str(refusal)
        except Exception:
            self._log.failure("pop3: {verb} of {account} failed in {plugin}", verb=command.verb.decode("ascii"),
                              account=self._account, plugin=type(self._drop.mailbox).__qualname__ if self._drop else "login")
            answer, why = refused(InternalError()), "internal error"
        if self._part_sent:
            # Half an answer is out: whatever we said now would be read as part of it.
            self._log.error("pop3: {verb} of {account} broke off: {why}",
                            verb=command.verb.decode("ascii"), account=self._account, why=why)
            self._connection.abort()
            raise Gone
        return answer

    def _wrong(self, text: bytes) -> bytes:
        self._errors += 1
        if self._errors >= self._settings.max_errors:
            self.machine.step(Event.QUIT)
            return err(b"Too many errors")
        return err(text)

    # What commands may ask (see Conversation)

    @property
    def maildrop(self) -> Maildrop:
        assert self._drop is not None, "a command of the TRANSACTION state"
        return self._drop

    async def answered(self, answer: Any) -> Any:
        if not waits(answer):
            return answer
        return await within(self._settings.command_timeout_s, self._clock, answer)

    @property
    def secure(self) -> bool:
        return self._connection.secure

    @property
    def can_start_tls(self) -> bool:
        return self._tls is not None and not self.secure

    @property
    def may_send_password(self) -> bool:
        where = self._settings.plaintext_login
        return self.secure or where == "always" or (where == "loopback" and self._connection.loopback)

    @property
    def mechanisms(self) -> Mapping[bytes, Mechanism]:
        allowed = self.may_send_password
        return {name: mechanism for name, mechanism in self._mechanisms.items() if allowed or not mechanism.plaintext}

    def capabilities(self) -> list[bytes]:
        return self._registry.capabilities(self)

    async def write(self, octets: bytes) -> None:
        self._part_sent = True
        if self._connection.put(octets):
            await self._connection.drained()

    async def read_line(self) -> bytes:
        while (line := self._connection.framer.next()) is None:
            await self._connection.more()
        self._part_sent = False              # the client has read what we asked and waits for an answer of its own
        return b"" if isinstance(line, TooLong) else line

    def start_tls(self, answer: bytes) -> None:
        if len(self._connection.framer):
            self._log.warn("pop3: octets behind STLS in the clear from {ip}", ip=self.ip)
            self._connection.close()
            raise Gone                       # I5
        self.named = b""
        self._connection.put(answer)
        self._connection.start_tls(self._tls)

    # Login

    async def login(self, user: str, password: str, authzid: str = "") -> bytes:
        self._connection.flush()
        opening = Deferred.fromCoroutine(self._open(user, password, authzid))
        opening.addTimeout(self._settings.login_timeout_s, self._clock)
        try:
            drop = await opening
            self._connection.check()
        except Exception as error:
            self._leave()
            self.machine.step(Event.LOGIN_FAILED)
            return await self._not_logged_in(error, user)
        self._log.info("login ip={ip} user={user!r} protocol=pop3", ip=self.ip, user=self._account)
        self._drop = drop
        self.machine.step(Event.LOGIN)
        return ok(b"Maildrop has %d messages (%d octets)" % (drop.count, drop.octets))

    async def _not_logged_in(self, error: Exception, user: str) -> bytes:
        if isinstance(error, LoginFailed):
            return await self._login_failed(error, user)
        if isinstance(error, DeadlineMissed):
            why = f"no answer within {self._settings.login_timeout_s:g} s"
            self._log.error("pop3 login of {user!r} from {ip}: {why}", user=user, ip=self.ip, why=why)
            return refused(TryAgainLater())
        raise error

    async def refuse_login(self) -> bytes:
        self.machine.step(Event.LOGIN_FAILED)
        return await self._login_failed(LoginFailed(detail="cannot be a name or password"), "")

    async def _open(self, user: str, password: str, authzid: str) -> Maildrop:
        avatar, self._logout = await authenticate(
            self._portal, user, password, authzid, Client(self.ip, "pop3"))
        self._connection.check()
        if not self._locks.take(avatar.name):
            raise MaildropInUse(detail=avatar.name)
        self._account = avatar.name
        return await open_maildrop(await settled(avatar.open_account()), self._breathe)

    async def _breathe(self) -> None:
        await self._connection.pause(0)

    async def _login_failed(self, refusal: LoginFailed, user: str) -> bytes:
        self._auth_failures += 1
        self._log.info("login failed ip={ip} user={user!r} protocol=pop3: {why}", ip=self.ip, user=user, why=refusal.public)
        await self._connection.pause(self._settings.auth_failure_delay_s)
        if self._auth_failures >= self._settings.max_auth_failures:
            self.machine.step(Event.QUIT)
        return refused(refusal)

    # The end

    async def update(self) -> bytes:
        drop = self.maildrop
        uids = drop.marked_uids()
        if uids:
            await self._connection.drained()     # who asked for messages and QUIT in one go has them before they are removed
            self._updating = True
            try:
                await self.answered(drop.mailbox.expunge(uids, False))   # P1: durable on return
            finally:
                self._updating = False
                if self._connection.lost:
                    self._leave()
        self._log.info(
            "pop3 {account} from {ip}: {removed} messages removed, {left} left, {octets} octets sent",
            account=self._account, ip=self.ip, removed=len(uids), left=drop.count,
            octets=self._connection.octets_sent,
        )
        return ok(b"Bye, %d messages left" % drop.count)

    def hang_up(self) -> None:
        """The server stops: as if the connection had dropped, but an update under way is finished and answered."""
        if not self._updating:
            self._connection.close()

    def _on_lost(self) -> None:
        if not self._updating:
            self._leave()
        self._on_end(self)

    def _leave(self) -> None:
        """Give the lock back (P2) and tell the realm; any number of times."""
        account, self._account = self._account, None
        if account is not None:
            self._locks.release(account)
        logout, self._logout = self._logout, None
        if logout is not None:
            try:
                logout()
            except Exception:
                self._log.failure("pop3: the realm's logout failed")
