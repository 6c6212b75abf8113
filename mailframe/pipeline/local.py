"""The last hop: messages into the mailboxes of any `IMailStore`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from zope.interface import implementer

from mailframe.interfaces.content import IContent, IReadableContent
from mailframe.interfaces.delivery import IDelivery, IDeliveryAgent, IHonours, IJoinedDelivery
from mailframe.interfaces.store import IAccount, IDelivers, IJoinedStore, IMailStore
from mailframe.mime.header import has_field, without_field
from mailframe.model.envelope import Envelope, Recipient
from mailframe.model.mailbox import FRESH_ACCOUNT, INBOX, New, NewMailbox
from mailframe.model.refusal import InternalError, Refusal, UnknownRecipient
from mailframe.sqlite.bundle import mapped
from mailframe.staging.intake import Finished, Intake
from mailframe.staging.sharing import ISharingDelivery

from . import trace
from .contain import contained

Outcomes = Mapping[Recipient, Refusal | None]
_RETURN_PATH = b"return-path"
_PIECE = 262_144


@implementer(IDeliveryAgent, IHonours)
class LocalAgent:
    """Delivers to recipients whose `account` routing has set. `engine` is the store's transaction engine, or None."""

    honours = frozenset(("BINARYMIME",))       # a store returns the octets that it was given

    def __init__(
        self, store: IMailStore, *, max_octets: int = 1 << 32, delivered_to: bool = False,
        fresh: Sequence[NewMailbox] = FRESH_ACCOUNT,
    ) -> None:
        self.store = store
        self.content: IContent | None = store if IContent.providedBy(store) else None
        self.joined: IJoinedStore | None = None
        self.engine: Any = None
        if IJoinedStore.providedBy(store):
            self.joined, self.engine, self.content = store, store.engine, store.content
        self.max_octets = max_octets
        self.delivered_to = delivered_to
        self.fresh = fresh

    async def begin(self, envelope: Envelope) -> IDelivery:
        """Never refuses a sender."""
        delivery: IDelivery = LocalDelivery(self, envelope)
        if self.joined is not None:
            delivery = JoinedLocalDelivery(self, envelope, self.joined)
        return delivery


@implementer(ISharingDelivery)
class LocalDelivery:
    """One message into any number of mailboxes, each with its own outcome."""

    def __init__(self, agent: LocalAgent, envelope: Envelope) -> None:
        self.content = agent.content
        self._agent = agent
        self._envelope = envelope
        self._recipients: list[Recipient] = []
        self._intake = Intake(agent.content, max_octets=agent.max_octets)

    async def add_recipient(self, recipient: Recipient) -> None:
        """Raises UnknownRecipient when routing set no account."""
        if recipient.account is None:
            raise UnknownRecipient(detail=f"{recipient} was not routed to an account")
        self._recipients.append(recipient)

    async def write(self, octets: bytes) -> None:
        """See `IDelivery`. Raises MessageTooBig."""
        await self._intake.write(octets)

    def adopt(self, intake: Intake) -> None:
        """See `ISharingDelivery`."""
        self._intake = intake

    async def commit(self, head: bytes = b"", heads: Mapping[Recipient, bytes] = {}) -> Outcomes:
        """See `IDelivery`: all mailboxes at once; a failure of one is no failure of another."""
        await self._seal()
        messages = self._messages(head, heads)
        if IDelivers.providedBy(self._agent.store):
            return dict(zip(self._recipients, await self._deliver_all(self._agent.store, messages)))
        if len(messages) == 1:
            outcomes = [await self._deliver(*messages[0])]
        else:
            outcomes = await gatherResults([Deferred.fromCoroutine(self._deliver(*each)) for each in messages])
        return dict(zip(self._recipients, outcomes))

    def abort(self) -> None:
        """See `IDelivery`."""
        self._intake.abort()

    async def _seal(self) -> None:
        """The message is whole. Return-Path is ours to write: the last hop removes another's (RFC 5321 section 4.4)."""
        intake = self._intake
        await intake.seal()
        header = intake.header()
        if not has_field(header, _RETURN_PATH) or not (intake.in_memory or IReadableContent.providedBy(intake.content)):
            return
        own = self._intake = Intake(self.content, max_octets=self._agent.max_octets)
        await own.write(without_field(header, _RETURN_PATH))
        for offset in range(len(header), intake.size(), _PIECE):
            await own.write(await intake.read(offset, _PIECE))
        await own.seal()

    def _messages(self, head: bytes, heads: Mapping[Recipient, bytes]) -> list[tuple[Recipient, New]]:
        """What to append for each; recipients with the same head share one rendering of it."""
        path = trace.return_path(self._envelope.sender)
        finished: dict[bytes, Finished] = {}
        messages = []
        for recipient in self._recipients:
            own = trace.delivered_to(recipient.address) if self._agent.delivered_to else b""
            whole = path + own + heads.get(recipient, b"") + head
            one = finished.get(whole) or finished.setdefault(whole, self._intake.finished(whole))
            messages.append((recipient, one.new(date=int(self._envelope.received_at))))
        return messages

    async def _deliver_all(self, store: IDelivers, messages: Sequence[tuple[Recipient, New]]) -> Sequence[Refusal | None]:
        targets = [(recipient.account or "", recipient.folder, message) for recipient, message in messages]
        try:
            outcomes: Sequence[Refusal | None] = await contained(store, store.deliver, targets, self._agent.fresh)
        except Refusal as refusal:
            return [refusal] * len(targets)
        if len(outcomes) != len(targets):
            return [InternalError(detail=f"{type(store).__qualname__}.deliver gave too few outcomes")] * len(targets)
        return outcomes

    async def _deliver(self, recipient: Recipient, message: New) -> Refusal | None:
        store = self._agent.store
        try:
            account: IAccount = await contained(store, store.open_account, recipient.account, self._agent.fresh)
            listing = await contained(account, account.mailboxes)
            ids = {each.name: each.id for each in listing.mailboxes}
            target = ids.get(recipient.folder, ids.get(INBOX, INBOX))
            mailbox = await contained(account, account.open_mailbox, target)
            await contained(mailbox, mailbox.append, [message])
        except Refusal as refusal:
            return refusal
        return None


@implementer(ISharingDelivery, IJoinedDelivery)
class JoinedLocalDelivery(LocalDelivery):
    """One message into mailboxes that rest on a transaction engine: all of them in one job of its writer."""

    def __init__(self, agent: LocalAgent, envelope: Envelope, store: IJoinedStore) -> None:
        super().__init__(agent, envelope)
        self.engine = store.engine
        self._store = store

    async def commit(self, head: bytes = b"", heads: Mapping[Recipient, bytes] = {}) -> Outcomes:
        """See `IDelivery`."""
        unit, after = await self.unit(head, heads)
        try:
            outcomes: Outcomes = await self.engine.submit(unit, self._intake.size() if self._intake.in_memory else 0)
        except Refusal as refusal:
            return dict.fromkeys(self._recipients, refusal)
        after()
        return outcomes

    async def unit(
        self, head: bytes, heads: Mapping[Recipient, bytes],
    ) -> tuple[Callable[[Any], Outcomes], Callable[[], None]]:
        """See `IJoinedDelivery`. Raises Refusal when the store cannot begin."""
        await self._seal()
        recipients = tuple(self._recipients)
        targets = [(each.account or "", each.folder, message) for each, message in self._messages(head, heads)]
        append, after = self._store.append_unit(targets, self._agent.fresh)

        def by_recipient(found: list[Refusal | None]) -> Outcomes:
            if len(found) != len(recipients):
                raise InternalError(detail="append_unit gave too few outcomes")
            return dict(zip(recipients, found))

        return mapped(append, by_recipient), after
