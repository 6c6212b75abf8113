"""Slowness for who errs: each further mistake of a connection is answered later."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from zope.interface import implementer

from mailframe.interfaces.filter import IErrorFilter, IPartingFilter
from mailframe.model.envelope import Peer

from .guard import Guard, log
from .scope import Scope

_MOST = 20_000      # connections with mistakes that are remembered, far more than can be open


@dataclass(frozen=True, slots=True, kw_only=True)
class TarpitSettings(Scope):
    """Answers to mistakes (5xx: unknown recipients, bad commands) that come later and later. Wrong values raise ValueError."""

    free: int = 3                          # mistakes of a connection that are answered at once: anybody's address book has some
    first_s: float = 1.0                   # for the next one: a person hardly notices
    factor: float = 2.0                    # by which each further one waits longer
    most_s: float = 20.0                   # far below the 5 minutes that a client waits (RFC 5321 section 4.5.3.2)

    def check(self) -> None:
        """Raises ValueError."""
        if self.factor < 1:
            raise ValueError("factor must not be less than 1")


@implementer(IErrorFilter, IPartingFilter)
class Tarpit(Guard):
    """Delays by the clock alone: nobody else waits, and a connection that is held costs a timer."""

    name = "tarpit"

    def __init__(self, settings: TarpitSettings) -> None:
        super().__init__(settings)
        self._settings = settings
        self._errors: OrderedDict[tuple[str, int, str], int] = OrderedDict()

    def erred(self, peer: Peer, verb: str, code: int) -> float:
        """See `IErrorFilter`."""
        if code < 500 or not self.concerns(peer):
            return 0.0
        key = (peer.ip, peer.port, peer.listener)
        errors = self._errors[key] = self._errors.get(key, 0) + 1
        if len(self._errors) > _MOST:
            self._errors.popitem(last=False)
        settings = self._settings
        if errors <= settings.free:
            return 0.0
        delay = float(min(settings.first_s * settings.factor ** min(errors - settings.free - 1, 64), settings.most_s))
        return self._held(peer, delay, f"mistake {errors} of the connection, {code} to {verb or 'no command'}")

    def _held(self, peer: Peer, delay: float, why: str) -> float:
        self.refused += 1
        if not self.only_log:
            return delay
        log.info("guard=tarpit would answer {delay:g} s late ip={ip} name={name} helo={helo} ({why})",
                 delay=delay, ip=peer.ip, name=peer.name or "-", helo=peer.helo or "-", why=why)
        return 0.0

    def disconnected(self, peer: Peer) -> None:
        """See `IPartingFilter`."""
        self._errors.pop((peer.ip, peer.port, peer.listener), None)

    async def told(self) -> Mapping[str, int]:
        """See `Guard`."""
        return {"connections with mistakes": len(self._errors)}
