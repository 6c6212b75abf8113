"""The sender's own copy in the mailbox with the special use \\Sent (RFC 6154 section 2), which never costs the message anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.logger import Logger

from mailframe.interfaces.delivery import IDeliveryAgent, IJoinedDelivery
from mailframe.interfaces.store import IAccount, IMailStore
from mailframe.model.envelope import Envelope, Recipient
from mailframe.model.mailbox import FRESH_ACCOUNT, NewMailbox
from mailframe.model.refusal import Refusal
from mailframe.pipeline.contain import Limit, contained
from mailframe.pipeline.sink import Outcomes, Sink
from mailframe.staging.intake import Intake

from .mending import account_address

log = Logger()
SENT = NewMailbox("Sent", "\\Sent", True)


class SentCopies:
    """Puts them where `agent` delivers to, which should mark them as read and write no Return-Path; `store` is asked for the
    mailbox, and may be another view of the same mailboxes."""

    def __init__(self, agent: IDeliveryAgent, store: IMailStore, fresh: Sequence[NewMailbox] = FRESH_ACCOUNT) -> None:
        self._agent = agent
        self._store = store
        self._fresh = fresh

    async def begin(self, envelope: Envelope, account: str, head: bytes, limit: Limit) -> SentCopy | None:
        """A copy with `head` in front that waits for its message; None when there can be none, which the log explains."""
        sink = Sink(self._agent, envelope, limit)
        try:
            folder = await self._folder(account, limit)
            await sink.add(Recipient(account_address(account, "localhost"), account=account, folder=folder))
        except Refusal as refusal:
            _complain(envelope, refusal)
            sink.abort()
            return None
        return SentCopy(sink, head)

    async def _folder(self, name: str, limit: Limit) -> str:
        """The name of the account's \\Sent mailbox; one called Sent will do, and otherwise it is made."""
        store = self._store
        account: IAccount = await contained(store, store.open_account, name, self._fresh, limit=limit)
        listing = await contained(account, account.mailboxes, limit=limit)
        own = [each for each in listing.mailboxes if each.owner is None]
        for each in own:
            if SENT.special_use in (each.special_use or "").split():
                return str(each.name)
        if all(each.name != SENT.name for each in own):
            await contained(account, account.create, SENT, limit=limit)
            await contained(account, account.set_subscribed, SENT.name, True, limit=limit)
        return SENT.name


class SentCopy:
    """One copy on its way. It is kept once, and only when the message was accepted for somebody."""

    def __init__(self, sink: Sink, head: bytes) -> None:
        self._sink = sink
        self._head = head
        self._done = False

    def joins(self, engine: Any) -> bool:
        """Whether it can be in one commit with the message."""
        delivery = self._sink.delivery
        return engine is not None and IJoinedDelivery.providedBy(delivery) and delivery.engine is engine

    async def unit(self, intake: Intake) -> tuple[Callable[[Any], None], Callable[[], None]] | None:
        """As `IJoinedDelivery.unit`, for a job that need not run it; None when it cannot be."""
        try:
            await self._sink.feed(intake)
            run, after = await self._sink.unit(self._head, {})
        except Refusal as refusal:
            self._told({self._sink.recipients[0]: refusal})
            return None
        outcomes: Outcomes = {}

        def job(connection: Any) -> None:
            outcomes.update(run(connection))

        def then() -> None:
            if outcomes:
                after()
                self._told(outcomes)

        return job, then

    async def commit(self, intake: Intake) -> None:
        """In a commit of its own, unless it is done. Never raises."""
        if not self._done:
            self._told(await self._sink.commit(intake, self._head, {}))

    def abort(self) -> None:
        """Never raises."""
        self._sink.abort()

    def _told(self, outcomes: Outcomes) -> None:
        self._done = True
        for refusal in outcomes.values():
            if refusal is not None:
                _complain(self._sink.envelope, refusal)


def _complain(envelope: Envelope, refusal: Refusal) -> None:
    log.warn("{id} is not copied into Sent of {account}: {why}", id=envelope.id, account=envelope.peer.account, why=str(refusal))
