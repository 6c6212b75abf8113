"""A reception that remembers what it was given, and refuses what a test wants refused."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field

from twisted.internet.defer import Deferred
from zope.interface import implementer

from mailframe.interfaces.delivery import IDelivery, IExpands, IHonours, IReception, IStartsQueue
from mailframe.model.address import Address
from mailframe.model.envelope import Envelope, Peer, Recipient
from mailframe.model.refusal import Refusal
from mailframe.model.verified import Verified


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


@implementer(IReception, IHonours, IExpands, IStartsQueue)
class Recorder:
    """`obstacles` maps a moment ("connected", "hello", "mail", "rcpt a@b", "write", "commit") to an exception or a Deferred."""

    def __init__(self) -> None:
        self.honours = frozenset(("DSN", "BINARYMIME"))
        self.obstacles: dict[str, Exception | Awaitable[None]] = {}
        self.outcomes: dict[str, Refusal] = {}
        self.deliveries: list[Delivered] = []
        self.known: dict[str, bool | Verified] = {}
        self.aliases: dict[str, list[Address]] = {}
        self.started: list[tuple[str, bool]] = []
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

    async def expand(self, address: Address) -> Sequence[Address] | None:
        await self.meet(f"expand {address.local}")
        return self.aliases.get(address.local)

    async def start_queue(self, peer: Peer, domain: str, below: bool) -> int:
        await self.meet(f"etrn {domain}")
        self.started.append((domain, below))
        return len(domain) if domain.startswith("busy") else 0

    async def verify(self, address: Address) -> Verified | bool | None:
        await self.meet("verify")
        return self.known.get(str(address))

    async def begin(self, envelope: Envelope) -> Delivered:
        await self.meet("mail")
        self.deliveries.append(Delivered(self, envelope))
        return self.deliveries[-1]
