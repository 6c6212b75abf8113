"""What an SMTP extension is (RFC 5321 section 2.2), and what its commands may do; the base protocol uses the same slots."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

from mailframe.interfaces.delivery import IReception
from mailframe.model.address import Address
from mailframe.model.envelope import Envelope, Peer

from .machine import NO_SERVICE, Order, State, in_lmtp
from .reply import Reply
from .settings import Role, SmtpSettings
from .situation import MailDraft, RcptDraft, Situation
from .syntax import Parameters, SyntaxFault
from .transaction import Transaction

if TYPE_CHECKING:
    from twisted.cred.portal import Portal

T = TypeVar("T")
P = ParamSpec("P")


class Conversation(Protocol):
    """The session, as a command sees it. A command says at least one reply, or raises the Refusal that is one."""

    state: State
    transaction: Transaction | None
    remarks: Mapping[str, str]                 # for the log line of the next message, which takes them from here
    mails: int                                 # MAIL commands so far in this connection
    recipient_domains: tuple[str, ...]         # of this connection; kept only where they are limited

    @property
    def peer(self) -> Peer: ...

    @property
    def settings(self) -> SmtpSettings: ...

    @property
    def situation(self) -> Situation: ...

    @property
    def reception(self) -> IReception: ...

    @property
    def registry(self) -> Registry: ...

    @property
    def portal(self) -> Portal | None: ...

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def say(self, octets: bytes) -> None:
        """Whole reply lines with CRLF; they go out together with others that are ready."""
        ...

    def complain(self, reply: Reply) -> None:
        """Say `reply` and count a bad command."""
        ...

    def expect(self, handler: Callable[[bytes], Awaitable[None] | None]) -> None:
        """The next line is no command but goes to `handler`, without its CRLF (up to AUTH_LIMIT)."""
        ...

    def ask(self, what: str, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        """Call a plugin, which may also return the plain value (`interfaces.maybe`).

        What it raises besides Refusal is logged with `what`, and becomes InternalError (I7).
        """
        ...

    async def pause(self, seconds: float) -> None:
        """Take no command for a while."""
        ...

    async def hello(self, name: str, *, extended: bool) -> None:
        """Remember what the client calls itself, and begin afresh; a name that is refused changes nothing. Raises Refusal."""
        ...

    def envelope(self, sender: Address | None, draft: MailDraft) -> Envelope:
        """A new transaction's envelope, with an id of its own."""
        ...

    def read_data(self) -> None:
        """What follows is the message of `transaction`, up to the dot; the session answers for it."""
        ...

    def read_chunk(self, size: int, *, last: bool, refusal: Reply | None) -> None:
        """The next `size` octets are a chunk of `transaction`'s message, `last` of all; the session answers for it.

        With `refusal` they are dropped, and it is said after them.
        """
        ...

    def reset(self) -> None:
        """Give up the transaction, if there is one."""
        ...

    def start_tls(self) -> None:
        """Begin the handshake; everything the client has said is forgotten."""
        ...

    def afresh(self, peer: Peer, account: str | None) -> None:
        """Begin anew, next with the greeting, as if `peer` had connected; it is counted and judged. It may have said its name."""
        ...

    def logged_in(self, account: str, logout: Callable[[], object]) -> None:
        """From now on `account` is speaking; `logout` is called when it ends."""
        ...

    def login_failed(self, user: str) -> int:
        """Log and count a failed login; returns how many there were in this connection."""
        ...

    def close(self) -> None:
        """Send what was said, then end the connection."""
        ...


@dataclass(frozen=True, slots=True)
class Command:
    """`run` gets the arguments without surrounding spaces; it may be a plain function, or ``async def``."""

    verb: bytes                                # in upper case
    order: Order                               # when it is refused: `machine.ANY_TIME`, `OUTSIDE_MAILS`, `BETWEEN_MAILS`...
    run: Callable[[Conversation, bytes], Awaitable[None] | None]
    help: str = ""                             # its lines in the answer to HELP
    secret: bool = False                       # its arguments are for nobody's eyes: not for logs, not for transcripts (I9)
    roles: frozenset[Role] | None = None       # of the listeners that have it; None: all
    idle: bool = False                         # it brings no message nearer: there are bounds to it (`max_idle_commands`)


MailParameter = Callable[[MailDraft, str | None], None]
RcptParameter = Callable[[RcptDraft, str | None], None]


def nothing(_: Situation) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Extension:
    """One extension. Parameters count as known only while `keywords` announces something; they raise Refusal."""

    name: str
    rfc: str                                   # its number, or who describes it
    keywords: Callable[[Situation], tuple[str, ...]] = nothing       # lines of EHLO's answer
    mail_parameters: Mapping[str, MailParameter] = field(default_factory=dict)
    rcpt_parameters: Mapping[str, RcptParameter] = field(default_factory=dict)
    commands: tuple[Command, ...] = ()


class UnknownParameter(SyntaxFault):
    smtp = (555, "5.5.4")


class Registry:
    """The extensions of a server. A later one with the same verb or parameter takes the earlier one's place."""

    def __init__(self, extensions: Iterable[Extension]) -> None:
        self.extensions = tuple(extensions)
        self.commands = {command.verb: command for extension in self.extensions for command in extension.commands}
        self._mail = {key: (extension, parse) for extension in self.extensions for key, parse in extension.mail_parameters.items()}
        self._rcpt = {key: (extension, parse) for extension in self.extensions for key, parse in extension.rcpt_parameters.items()}

    def extended(self, *more: Extension) -> Registry:
        """A registry with `more` besides."""
        return Registry((*self.extensions, *more))

    def for_role(self, role: Role) -> Registry:
        """As a listener of `role` has it: without the commands of others."""
        turned = in_lmtp if role == "lmtp" else dict
        return Registry(replace(extension, commands=tuple(
            replace(command, order=turned(command.order)) for command in extension.commands
            if command.roles is None or role in command.roles
        )) for extension in self.extensions)

    @cached_property
    def closed(self) -> Registry:
        """For a client that was refused at once: nothing but QUIT is taken, and that is waited for (RFC 5321 section 3.1)."""
        return Registry(replace(extension, commands=tuple(
            command if command.verb == b"QUIT" else replace(command, order=NO_SERVICE) for command in extension.commands
        )) for extension in self.extensions)

    def keywords(self, situation: Situation) -> list[str]:
        """What EHLO announces now."""
        return [line for extension in self.extensions for line in extension.keywords(situation)]

    def verbs(self, situation: Situation) -> list[str]:
        """What HELP tells: the base protocol's commands, and those of extensions that are announced now."""
        return [
            command.verb.decode("ascii", "replace") for extension in self.extensions
            if extension.keywords is nothing or extension.keywords(situation) for command in extension.commands
        ]

    def read_mail(self, parameters: Parameters, draft: MailDraft) -> None:
        """Let each extension read its parameters of MAIL into `draft`. Raises Refusal."""
        for key, value in parameters:
            extension, parse = self._mail.get(key) or _unknown(key, "MAIL")
            if not extension.keywords(draft.situation):
                _unknown(key, "MAIL")
            parse(draft, value)

    def read_rcpt(self, parameters: Parameters, draft: RcptDraft) -> None:
        """Let each extension read its parameters of RCPT into `draft`. Raises Refusal."""
        for key, value in parameters:
            extension, parse = self._rcpt.get(key) or _unknown(key, "RCPT")
            if not extension.keywords(draft.situation):
                _unknown(key, "RCPT")
            parse(draft, value)


def _unknown(key: str, verb: str) -> tuple[Extension, Callable[..., None]]:
    raise UnknownParameter(f"{verb} parameter {key} is not supported")

