"""Delivery: one transaction shape for mailboxes, the queue, the relay, and the pipeline over them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from zope.interface import Attribute, Interface

from mailframe.model.address import Address
from mailframe.model.envelope import Envelope, Peer, Recipient
from mailframe.model.refusal import Refusal
from mailframe.model.verified import Verified


class IDeliveryAgent(Interface):
    """Takes messages. Every method may be ``async def``, return a Deferred, or return the plain value."""

    async def begin(envelope: Envelope) -> IDelivery:
        """Raises Refusal for the sender."""


class IDelivery(Interface):
    """One message on its way. Order: add_recipient+, write*, then exactly one of commit or abort."""

    async def add_recipient(recipient: Recipient) -> None:
        """Take responsibility for one recipient.

        Raises Refusal: for this recipient only; the delivery stays usable.
        """

    async def write(octets: bytes) -> None:
        """The next octets of the content, CRLF line ends, without dot-stuffing. Returns when more may come.

        Any octets at all where the envelope's body is BINARYMIME, which only agents get that honour it (`IHonours`).
        Raises Refusal (too big, no space): the delivery is over, but for abort.
        """

    async def commit(head: bytes = b"", heads: Mapping[Recipient, bytes] = {}) -> Mapping[Recipient, Refusal | None]:
        """Make it durable, with `head` and each recipient's own `heads[recipient]` (which stands first) in front.

        An agent that delivers for good puts Return-Path before both (RFC 5321 section 4.4; `mailframe.pipeline.trace`).

        On return it survives a power cut (RFC 5321 section 6.1). One outcome for each recipient that was added; None is
        success. Raises Refusal: for all of them.
        """

    def abort() -> None:
        """Forget it; never raises, may be called at any time before commit and after a failed one."""


class IJoinedDelivery(IDelivery):
    """A delivery that rests on a transaction engine and can commit together with others on the same engine."""

    engine = Attribute("the `mailframe.sqlite.engine.Engine`; deliveries with the same one are committed as one job")

    async def unit(
        head: bytes, heads: Mapping[Recipient, bytes],
    ) -> tuple[Callable[[Any], Mapping[Recipient, Refusal | None]], Callable[[], None]]:
        """Instead of commit: (what the engine's writer runs in its thread with the connection; what to call in the
        reactor's thread after the commit)."""


class IMessageSource(Interface):
    """A message's content at rest, to be read as often as need be."""

    size = Attribute("octets (int)")

    async def read(offset: int, size: int) -> bytes:
        """Octets with CRLF line ends; shorter at the end only. Raises Refusal when it is gone or cannot be read."""


class IRelay(Interface):
    """Hands messages on to other hosts; what the queue's runner is given."""

    async def deliver(
        envelope: Envelope, recipients: Sequence[Recipient], source: IMessageSource, head: bytes = b"",
    ) -> Mapping[Recipient, Refusal | None]:
        """Hand `head` and the content to the next hop of each recipient, once.

        Best called with the recipients of one domain; others are told apart. One outcome for each: None when the next hop
        took responsibility, a temporary Refusal when it is worth trying again later, `RemoteRefusal` for a next hop's words.
        A `mailframe.model.handed.Handed` also says for whom the next hop sends the DSN; any other mapping means for nobody.
        """


class IHonours(Interface):
    """An agent or a reception that keeps what certain parameters of MAIL and RCPT promise; others keep none."""

    honours = Attribute("frozenset of EHLO keywords: DSN, BINARYMIME, DELIVERBY, FUTURERELEASE, MT-PRIORITY, REQUIRETLS, RRVS...")


class IReception(IDeliveryAgent):
    """What the SMTP wing is given: an agent that also judges the steps before MAIL. All may raise Refusal."""

    async def connected(peer: Peer) -> Peer | None:
        """A client has connected; raising refuses it with the refusal's code instead of 220.

        Returns `peer` with what was found out about it (`name`), or None.
        """

    async def greeted(peer: Peer) -> None:
        """It has said HELO or EHLO (`peer.helo`). A refusal leaves everything as it was before (RFC 5321 section 4.1.4)."""

    async def verify(address: Address) -> Verified | bool | None:
        """VRFY: `Verified`, or True, it is ours; False nobody; None we do not say. Raises Refusal, 551 for what is not ours.

        `address` may lack its domain, which is then the server's own.
        """


class IExpands(Interface):
    """A reception that tells whom an alias reaches (EXPN). With "EXPN" in `IHonours.honours` it is announced."""

    async def expand(address: Address) -> Sequence[Address] | None:
        """What `address` stands for, one step; None: we do not say. Raises Refusal. `address` as for `IReception.verify`."""


class IStartsQueue(Interface):
    """A reception or a queue that can try at once what waits for a host (ETRN). Announced with "ETRN" in `IHonours.honours`."""

    async def start_queue(peer: Peer, domain: str, below: bool) -> int:
        """Try what waits for `domain` (canonical), and if `below` for its subdomains; how many recipients. Raises Refusal, 459
        for a peer that may not ask for this domain."""


class IAttentive(Interface):
    """A reception that also cares how a session begins, errs and ends. Plain calls, of which `early` may raise Refusal."""

    def greeting_delay(peer: Peer) -> float:
        """After `connected`: for how many seconds the greeting is kept back; 0: not at all, and `early` is not asked."""

    def early(peer: Peer, octets: bytes) -> None:
        """The client did not wait for it. Raises Refusal."""

    def erred(peer: Peer, verb: str, code: int) -> float:
        """A command is about to be refused with this reply code: for how many seconds to keep the answer back."""

    def disconnected(peer: Peer) -> None:
        """Once for each `connected`, however that ended."""
