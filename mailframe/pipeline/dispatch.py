"""The pipeline itself: what SMTP is given, from the greeting to the last commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from mailframe.interfaces.delivery import IAttentive, IDelivery, IDeliveryAgent, IExpands, IHonours, IReception, IStartsQueue
from mailframe.interfaces.directory import IDirectory, IValidSince
from mailframe.model.address import Address
from mailframe.model.envelope import Envelope, Peer, Recipient
from mailframe.model.refusal import MessageTooBig, Refusal, RelayDenied, UnknownRecipient
from mailframe.model.route import Account, Remote, Rewrite, Unknown
from mailframe.model.verdict import Judgement
from mailframe.model.verified import Verified

from .contain import contained
from .joined import JoinedPipelineDelivery
from .parts import Parts
from .route import resolved, route, whole_address
from .settings import PipelineSettings
from .submission.sentcopy import SentCopies
from .transaction import PipelineDelivery


@implementer(IReception, IHonours, IAttentive, IExpands, IStartsQueue)
class Pipeline:
    """Routes, judges and delivers. `local` takes what has an account, `queue` all else and what a mailbox cannot take now.

    Before MAIL, filters can only refuse; their other verdicts count from the sender's stage on.
    Without a queue nothing leaves this machine: what is not ours is refused by `local`. When both agents show the same
    `engine`, mailboxes and queue are written in one transaction.
    """

    def __init__(
        self, directory: IDirectory, local: IDeliveryAgent, queue: IDeliveryAgent | None, filters: Sequence[object],
        settings: PipelineSettings, *, clock: IReactorTime, hostname: str, sent: SentCopies | None = None,
    ) -> None:
        self._parts = Parts(directory, local, queue, filters, settings, clock, hostname, sent)
        self.rates = self._parts.desk.rates      # for who keeps them across restarts (`submission.ratebook`)
        self._queue = queue
        self.honours = _kept(local, queue) - {"RRVS"} | {word for word, true in (
            ("VRFY", settings.answer_vrfy), ("EXPN", settings.answer_expn), ("ETRN", IStartsQueue.providedBy(queue)),
            ("RRVS", IValidSince.providedBy(directory)),      # a question for us first, whoever may be asked behind us
        ) if true}

    async def connected(self, peer: Peer) -> Peer | None:
        """See `IReception`."""
        judgement = await self._parts.filters.connection(peer)
        _obey(judgement)
        return replace(peer, name=judgement.name) if judgement.name else None

    def greeting_delay(self, peer: Peer) -> float:
        """See `IAttentive`."""
        return self._parts.filters.greeting_delay(peer)

    def early(self, peer: Peer, octets: bytes) -> None:
        """See `IAttentive`."""
        _obey(self._parts.filters.early(peer, octets))

    def erred(self, peer: Peer, verb: str, code: int) -> float:
        """See `IAttentive`."""
        return self._parts.filters.erred(peer, verb, code)

    def disconnected(self, peer: Peer) -> None:
        """See `IAttentive`."""
        self._parts.filters.disconnected(peer)

    async def greeted(self, peer: Peer) -> None:
        """See `IReception`."""
        _obey(await self._parts.filters.hello(peer))

    async def verify(self, address: Address) -> Verified | bool | None:
        """See `IReception`: None unless the settings let VRFY be answered."""
        parts = self._parts
        if not parts.settings.answer_vrfy:
            return None
        try:
            found = await route(parts.directory, Recipient(address), parts.settings.route, False, parts.limit)
        except UnknownRecipient:
            return False
        except RelayDenied:
            raise _not_local(address) from None
        except Refusal:
            return None
        elsewhere = found[0].address if len(found) == 1 and found[0].account is None else None
        whole = whole_address(address, parts.settings.route)
        return Verified(whole, elsewhere if elsewhere != whole else None)

    async def expand(self, address: Address) -> Sequence[Address] | None:
        """See `IExpands`: None unless the settings let EXPN be answered."""
        parts = self._parts
        if not parts.settings.answer_expn:
            return None
        match await resolved(parts.directory, address, parts.settings.route, parts.limit):
            case Rewrite(addresses):
                return addresses
            case Account():
                return [whole_address(address, parts.settings.route)]
            case Remote():
                raise _not_local(address)
            case Unknown():
                raise UnknownRecipient
        return None

    async def start_queue(self, peer: Peer, domain: str, below: bool) -> int:
        """See `IStartsQueue`: who may write anywhere through us may ask for any domain, all others for `relay_domains`."""
        parts, queue = self._parts, self._queue
        if not (parts.may_relay(peer) or domain in parts.settings.route.relay_domains):
            raise Refusal(f"Node {domain} not allowed", smtp=(459, "4.7.1"))
        if not IStartsQueue.providedBy(queue):
            raise Refusal(f"Unable to queue messages for node {domain}", smtp=(458, "4.3.0"))
        return await contained(queue, queue.start_queue, peer, domain, below, limit=parts.limit)

    async def begin(self, envelope: Envelope) -> IDelivery:
        """See `IDeliveryAgent`. Raises SenderNotAllowed, SendingTooMuch, MessageTooBig, a filter's refusal, or InternalError."""
        if envelope.size is not None and envelope.size > self._parts.settings.max_octets:
            raise MessageTooBig(detail=f"{envelope.size} octets announced")
        account, desk = envelope.peer.account if envelope.submitted else None, self._parts.desk
        if account is not None:
            await desk.rights.check_envelope(envelope, account)
        judgement = await self._parts.filters.sender(envelope)
        _obey(judgement)
        submission = desk.open(envelope, account) if account is not None else None
        make = PipelineDelivery if self._parts.engine is None else JoinedPipelineDelivery
        delivery: IDelivery = make(self._parts, envelope, judgement, submission)
        return delivery


def _kept(local: IDeliveryAgent, queue: IDeliveryAgent | None) -> frozenset[str]:
    """What whoever takes a message on keeps of its parameters; octets as they are must be kept on either way."""
    onward = local if queue is None else queue
    kept: frozenset[str] = onward.honours if IHonours.providedBy(onward) else frozenset()
    if not (IHonours.providedBy(local) and "BINARYMIME" in local.honours):
        kept -= {"BINARYMIME"}
    return kept


def _not_local(address: Address) -> Refusal:
    if address.needs_smtputf8:         # which a 551 may not show without the client's leave (RFC 6531 section 3.7.4)
        return Refusal("User not local", smtp=(550, "5.7.1"))
    return Refusal(f"User not local; please try <{address}>", smtp=(551, "5.7.1"))


def _obey(judgement: Judgement) -> None:
    if judgement.refusal is not None:
        raise judgement.refusal
