"""An SMTP server with guards over a real pipeline, in memory and in virtual time."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from zope.interface import implementer

from mailframe.interfaces.filter import ISenderFilter
from mailframe.model.envelope import Envelope
from mailframe.model.verdict import Tag, Verdict
from mailframe.smtp.server import SmtpServerFactory
from mailframe.smtp.settings import SmtpSettings

from .memory import MemoryTransport
from .pipelineworld import PipelineWorld
from .transcripts import Player

STRANGER = "192.0.2.7"
MESSAGE = "C: DATA\nS: 354 *\nC: Subject: x\nC: .\n"


@implementer(ISenderFilter)
class Tagger:
    """A plugin's filter."""

    def sender(self, envelope: Envelope) -> Verdict:
        return Tag(f"X-Peer: {envelope.peer.name}\r\n".encode())


class GuardWorld(PipelineWorld):
    """`bob@example.org` and `eve@example.org` are ours. `filters` may need the clock: give a function of the world."""

    def __init__(self, filters: Any = (), **settings: Any) -> None:
        super().__init__()
        made: Sequence[object] = filters(self) if callable(filters) else filters
        self.parts = self.pipeline._parts
        self.parts.filters = type(self.parts.filters)(made, self.parts.settings.filters, self.parts.filters._clock)
        self.factory = SmtpServerFactory(
            self.pipeline, SmtpSettings(**{"hostname": "mx.example", **settings}), clock=self.clock, random=random.Random(7))
        self._port = 1_024

    def connect(self, ip: str = STRANGER) -> Player:
        """A client whose port is its own."""
        self._port += 1
        return Player(self.factory.buildProtocol(None), MemoryTransport(ip, port=self._port), self.clock)

    def says(self, transcript: str, ip: str = STRANGER) -> Player:
        player = self.connect(ip)
        player.play(transcript)
        return player
