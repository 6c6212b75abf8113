"""A reception that remembers what it was given, and refuses what a test wants refused."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field

from twisted.internet.defer import Deferred
from zope.interface import implementer

from mailframe.interfaces.delivery import IDelivery, IHonours, IReception
from mailframe.model.address import Address
from mailframe.model.envelope import Envelope, Peer, Recipient
from mailframe.model.refusal import Refusal


@implementer(IDelivery)
@dataclass(eq=False)
class Delivered:
    reception: Recorder
    envelope: Envelope
    recipients: list[Recipient] = field(default_factory=list)
    octets: bytes = b""
    state: str = "open"

    async def add_recipient(self, recipient: Recipient) -> None:
        await self.reception.meet(f"rcpt {recipient}")
        self.recipients.append(recipient)

    async def write(self, octets: bytes) -> None:
        assert self.state == "open"
        self.octets += octets
        await self.reception.meet("write")

    async def commit(self, head: bytes = b"", heads: Mapping[Recipient, bytes] = {}) -> Mapping[Recipient, Refusal | None]:
        assert self.state == "open"
        await self.reception.meet("commit")
        self.state = "committed"
        return {recipient: self.reception.outcomes.get(str(recipient)) for recipient in self.recipients}

    def abort(self) -> None:
        assert self.state == "open"
        self.state = "aborted"


@implementer(IReception, IHonours)
class Recorder:
    """`obstacles` maps a moment ("connected", "hello", "mail", "rcpt a@b", "write", "commit") to an exception or a Deferred."""

    def __init__(self) -> None:
        self.honours = frozenset(("DSN", "BINARYMIME"))
        self.obstacles: dict[str, Exception | Awaitable[None]] = {}
        self.outcomes: dict[str, Refusal] = {}
        self.deliveries: list[Delivered] = []
        self.known: dict[str, bool] = {}
        self.hellos: list[Peer] = []

    @property
    def committed(self) -> list[Delivered]:
        return [delivery for delivery in self.deliveries if delivery.state == "committed"]

    def hold(self, moment: str) -> Deferred[None]:
        """That moment waits until the Deferred fires."""
        held: Deferred[None] = Deferred()
        self.obstacles[moment] = held
        return held

    async def meet(self, moment: str) -> None:
        obstacle = self.obstacles.get(moment)
        if isinstance(obstacle, Exception):
            raise obstacle
        if obstacle is not None:
            await obstacle

    async def connected(self, peer: Peer) -> None:
        await self.meet("connected")

    async def greeted(self, peer: Peer) -> None:
        self.hellos.append(peer)
        await self.meet("hello")

    async def verify(self, address: Address) -> bool | None:
        await self.meet("verify")
        return self.known.get(str(address))

    async def begin(self, envelope: Envelope) -> Delivered:
        await self.meet("mail")
        self.deliveries.append(Delivered(self, envelope))
        return self.deliveries[-1]
