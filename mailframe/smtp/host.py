"""What a session needs of the server that has made it, `server.SmtpServerFactory`."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Protocol

from twisted.cred.portal import Portal
from twisted.internet.interfaces import IReactorTime

from mailframe.interfaces.delivery import IReception
from mailframe.pacing.delays import Delays
from mailframe.pacing.turns import Turns
from mailframe.sasl.exchange import Mechanism
from mailframe.tls.handshakes import Handshakes
from mailframe.tracing.traces import Traces

from .extension import Registry
from .settings import SmtpSettings


class Guest(Protocol):
    """A session, as the server that counts and stops it sees it."""

    def wind_down(self) -> None:
        """End now, or after the transaction."""
        ...

    def cut(self) -> None:
        """End now."""
        ...


class Host(Protocol):
    reception: IReception
    settings: SmtpSettings
    clock: IReactorTime
    turns: Turns
    looks: Delays
    cuts: Delays
    handshakes: Handshakes
    portal: Portal | None
    tls: object | None
    random: Random
    registry: Registry
    mechanisms: Mapping[bytes, Mechanism]
    listener: str
    stopping: bool
    traces: Traces

    def admit(self, session: Guest, ip: str) -> bool:
        """Count `session`, unless there are too many."""
        ...

    def gone(self, session: Guest, ip: str) -> None:
        """It was admitted as one from `ip`, and is that no more."""
        ...
