"""What a command can learn of its session and do to it: `extension.Conversation`, over a wire."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, ParamSpec, TypeVar

from twisted.cred.portal import Portal

from mailframe.interfaces.delivery import IReception
from mailframe.model.address import Address
from mailframe.model.envelope import Envelope, Peer
from mailframe.model.refusal import LoginFailed

from . import lastwords
from .asking import ask, log
from .conduct import Conduct
from .extension import Registry
from .host import Host
from .ids import new_id
from .incoming import Chunk, Data, Incoming
from .machine import State
from .reply import Reply
from .settings import SmtpSettings
from .situation import MailDraft, Situation
from .transaction import NO_REMARKS, Transaction
from .visitor import Visitor
from .wire import Wire

T = TypeVar("T")
P = ParamSpec("P")

_TLS_GO = Reply.of(220, "2.0.0", "Ready to start TLS").encode()


class Dialogue(Wire, ABC):
    """Provides `extension.Conversation`. Between commands, `state` and `transaction` agree: no transaction before SENDER."""

    visitor: Visitor                           # from the moment that there is a connection

    def __init__(self, host: Host) -> None:
        super().__init__(host.clock, host.turns, host.looks, host.cuts, host.handshakes)
        self.host = host
        self.settings: SmtpSettings = host.settings
        self.reception: IReception = host.reception
        self.registry: Registry = host.registry
        self.portal: Portal | None = host.portal
        self.state = State.START
        self.transaction: Transaction | None = None
        self.remarks: Mapping[str, str] = NO_REMARKS
        self.mails = 0
        self.recipient_domains: tuple[str, ...] = ()
        self._conduct = Conduct(host.settings)
        self._counted: str | None = None       # as whose, while the host counts this session
        self._to_greet = True                  # the next step is not the client's
        self._incoming: Incoming | None = None
        self._expected: Callable[[bytes], Awaitable[None] | None] | None = None

    @property
    def peer(self) -> Peer:
        return self.visitor.peer

    @property
    def situation(self) -> Situation:
        return self.visitor.situation

    def now(self) -> float:
        return self.clock.seconds()

    def complain(self, reply: Reply) -> None:
        self.say(reply.encode())
        if self._conduct.bad_command():
            self._last(lastwords.ERRORS)

    def expect(self, handler: Callable[[bytes], Awaitable[None] | None]) -> None:
        self._expected = handler

    def ask(self, what: str, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        return ask(self.visitor.peer, what, function, *args, **kwargs)

    async def hello(self, name: str, *, extended: bool) -> None:
        peer = self.visitor.named(name, extended=extended)
        await self.ask("greeted", self.reception.greeted, peer)
        self.reset()
        self.state = State.GREETED
        self.visitor.hello(peer, extended=extended)

    def envelope(self, sender: Address | None, draft: MailDraft) -> Envelope:
        now = draft.now
        peer = self.visitor.with_utf8() if draft.smtputf8 else self.peer
        return Envelope(
            new_id(now, self.host.random), sender, peer, now, draft.size, draft.body, draft.smtputf8, draft.ret, draft.envid,
            draft.hold_until, draft.deliver_by, draft.priority, draft.require_tls, draft.solicitation,
        )

    def read_data(self) -> None:
        assert self.transaction is not None, "DATA comes only after MAIL"
        self._incoming = Data(self.transaction)

    def read_chunk(self, size: int, *, last: bool, refusal: Reply | None) -> None:
        self._incoming = Chunk(size, self.transaction, last=last, refusal=refusal, begun=self.now())

    def reset(self) -> None:
        self.remarks = NO_REMARKS
        self._incoming = None
        transaction, self.transaction = self.transaction, None
        if transaction is not None:
            self.state = State.GREETED
            transaction.abort()

    def start_tls(self) -> None:
        origin = self.visitor.origin           # whom XCLIENT has spoken for is forgotten, too
        if self.framer.waiting:                # I5
            self._last(lastwords.TLS_INJECTED)
        elif self.peer.ip == origin or self._count(origin):
            self.say(_TLS_GO)
            self.encrypt(self.host.tls)
            self.state = State.START
            self.visitor.secured()

    def afresh(self, peer: Peer, account: str | None) -> None:
        self.reset()
        self.state = State.START
        self._sum_up()
        self._conduct.forget()
        self.visitor.log_out()
        if self._count(peer.ip):
            self.visitor.replaced(peer, account)
            self._to_greet = True

    def logged_in(self, account: str, logout: Callable[[], object]) -> None:
        log.info("login ip={ip} user={user!r} protocol=smtp", ip=self.peer.ip, user=account)
        if self.trace is not None:
            self.trace.logged_in(account)
        self.visitor.log_in(account, logout)

    def login_failed(self, user: str) -> int:
        log.info("login failed ip={ip} user={user!r} protocol=smtp: {why}", ip=self.peer.ip, user=user, why=LoginFailed.public)
        return self._conduct.login_failed()

    # What the session fills in, for its host.

    @abstractmethod
    def wind_down(self) -> None:
        """The server stops: say goodbye, now or after the transaction."""

    @abstractmethod
    def cut(self) -> None:
        """The server stops now: what is under way is not delivered, and a client that can still be told is told so."""

    # What it uses.

    def _sum_up(self) -> None:
        """Of the refusals that had no line of their own in the log: how many."""
        if self._conduct.untold:
            log.info("refused ip={ip} helo={helo} and {untold} more refusals", ip=self.peer.ip, helo=self.peer.helo,
                     untold=self._conduct.untold)

    def _last(self, words: bytes, within_s: float | None = None) -> None:
        self.say(words)
        self.close(within_s)

    def _count(self, ip: str) -> bool:
        """As one from `ip`, whoever it was counted as; says so if there is no room for it."""
        if self._counted is not None:
            self.host.gone(self, self._counted)
        self._counted = ip if self.host.admit(self, ip) else None
        if self._counted is None:
            self._last(lastwords.STOPPING if self.host.stopping else lastwords.CROWDED)
        return self._counted is not None
