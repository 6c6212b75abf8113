"""The pipeline itself: what SMTP is given, from the greeting to the last commit."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from mailframe.interfaces.delivery import IDelivery, IDeliveryAgent, IHonours, IReception
from mailframe.interfaces.directory import IDirectory
from mailframe.model.address import Address
from mailframe.model.envelope import Envelope, Peer, Recipient
from mailframe.model.refusal import MessageTooBig, Refusal, RelayDenied, UnknownRecipient
from mailframe.model.verdict import Judgement

from .joined import JoinedPipelineDelivery
from .parts import Parts
from .route import route
from .settings import PipelineSettings
from .submission.sentcopy import SentCopies
from .transaction import PipelineDelivery


@implementer(IReception, IHonours)
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
        self.honours = _kept(local, queue)

    async def connected(self, peer: Peer) -> None:
        """See `IReception`."""
        _obey(await self._parts.filters.connection(peer))

    async def greeted(self, peer: Peer) -> None:
        """See `IReception`."""
        _obey(await self._parts.filters.hello(peer))

    async def verify(self, address: Address) -> bool | None:
        """See `IReception`: None unless the settings let VRFY be answered."""
        if not self._parts.settings.answer_vrfy:
            return None
        try:
            await route(self._parts.directory, Recipient(address), self._parts.settings.route, False, self._parts.limit)
        except (UnknownRecipient, RelayDenied):
            return False
        except Refusal:
            return None
        return True

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


def _obey(judgement: Judgement) -> None:
    if judgement.refusal is not None:
        raise judgement.refusal
