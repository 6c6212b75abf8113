"""The slots that POP3's commands and capabilities are put into: ours, and anybody's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from mailframe.sasl.exchange import Mechanism

from .machine import Machine, State
from .maildrop import Maildrop


class Conversation(Protocol):
    """What a command may ask of the session it runs in."""

    machine: Machine
    named: bytes                          # what USER said

    @property
    def maildrop(self) -> Maildrop:
        """In the TRANSACTION state only."""

    @property
    def secure(self) -> bool:
        """Whether TLS is in use."""

    @property
    def can_start_tls(self) -> bool:
        """Whether STLS would work now."""

    @property
    def may_send_password(self) -> bool:
        """Whether a plaintext login is allowed on this connection as it is."""

    @property
    def mechanisms(self) -> Mapping[bytes, Mechanism]:
        """The SASL mechanisms on offer now."""

    def capabilities(self) -> list[bytes]:
        """CAPA's lines at this moment."""

    async def answered(self, answer: Any) -> Any:
        """What the store's `answer` comes to be. Raises TimeoutError when that takes longer than `command_timeout_s`."""

    async def write(self, octets: bytes) -> None:
        """Send part of a long answer; returns when more may come (backpressure)."""

    async def read_line(self) -> bytes:
        """The client's next line (a SASL response), after sending everything that waits."""

    async def login(self, user: str, password: str, authzid: str = "") -> bytes:
        """Try to log in and open the maildrop; returns the answer either way."""

    async def refuse_login(self) -> bytes:
        """The answer to credentials that cannot be anybody's: the same delay and words as for wrong ones."""

    async def update(self) -> bytes:
        """Remove what is marked, durably; returns the answer to QUIT."""

    def start_tls(self, answer: bytes) -> None:
        """Send `answer`, then shake hands; closes the connection when octets came after the command (I5)."""


Run = Callable[[Conversation, bytes], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Command:
    """One verb. `run(conversation, argument)` returns the answer (or its end, after `write`); it may raise Refusal."""

    verb: bytes                           # in upper case
    states: State
    run: Run
    bare: bool = False                    # takes no argument


def always(_: Conversation) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Extension:
    """Some commands and the CAPA line that tells of them (RFC 2449), while `offered` says so."""

    rfc: str
    capability: bytes | Callable[[Conversation], bytes] | None = None
    offered: Callable[[Conversation], bool] = always
    commands: tuple[Command, ...] = ()


class Registry:
    """All extensions of a server. Later ones replace commands of earlier ones."""

    def __init__(self, extensions: Iterable[Extension]) -> None:
        self.extensions = tuple(extensions)
        self.commands: dict[bytes, Command] = {
            command.verb: command for extension in self.extensions for command in extension.commands}

    def capabilities(self, conversation: Conversation) -> list[bytes]:
        lines = []
        for extension in self.extensions:
            if extension.capability is not None and extension.offered(conversation):
                line = extension.capability
                lines.append(line if isinstance(line, bytes) else line(conversation))
        return lines
