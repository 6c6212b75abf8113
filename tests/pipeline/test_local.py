"""The last hop into any store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

import pytest
from support.bare_store import BareStore
from support.coroutines import result_of
from zope.interface import implementer

from mailframe.interfaces.store import IDelivers
from mailframe.model.address import Address
from mailframe.model.envelope import Envelope, Recipient
from mailframe.model.mailbox import FRESH_ACCOUNT, Field, New, Rows
from mailframe.model.refusal import InternalError, OverQuota, Refusal, UnknownRecipient
from mailframe.pipeline.local import LocalAgent
from mailframe.stores.memory import MemoryStore
from mailframe.stores.memory_mailbox import MemoryMailbox

CONTENT = b"Subject: x\r\n\r\nHello\r\n"
ENVELOPE = Envelope("e1", Address.parse("alice@example.com"), received_at=1_000_000.5)


def to(name: str, folder: str = "INBOX") -> Recipient:
    return Recipient(Address(name, "example.org"), account=name, folder=folder)


def deliver(
    agent: LocalAgent, *recipients: Recipient, heads: dict[Recipient, bytes] | None = None,
) -> dict[Recipient, Refusal | None]:
    async def run() -> dict[Recipient, Refusal | None]:
        delivery = await agent.begin(ENVELOPE)
        for each in recipients:
            await delivery.add_recipient(each)
        await delivery.write(CONTENT)
        return dict(await delivery.commit(b"Received: by us\r\n", heads or {}))

    return result_of(run())


def messages(store: MemoryStore, account: str, folder: str = "INBOX") -> tuple[Rows, list[bytes]]:
    async def run() -> tuple[Rows, list[bytes]]:
        opened = await store.open_account(account, FRESH_ACCOUNT)
        found = next(each for each in (await opened.mailboxes()).mailboxes if each.name == folder)
        mailbox = await opened.open_mailbox(found.id)
        rows = await mailbox.rows([(1, 100)], 100, Field.DATE | Field.SIZE | Field.ENVELOPE)
        return rows, [await mailbox.read(uid, 0, 10_000) for uid in rows.uids]

    return result_of(run())


def test_a_message_lies_in_its_mailbox_with_its_return_path_and_date() -> None:
    store = MemoryStore()
    assert deliver(LocalAgent(store), to("bob")) == {to("bob"): None}
    rows, [octets] = messages(store, "bob")
    assert octets == b"Return-Path: <alice@example.com>\r\nReceived: by us\r\n" + CONTENT
    assert rows.dates[0] == 1_000_000 and rows.sizes[0] == len(octets)
    assert rows.envelopes[0].startswith(b'(NIL "x"'), "made while it was at hand"


def test_each_copy_can_say_whom_it_was_for() -> None:
    store = MemoryStore()
    deliver(LocalAgent(store, delivered_to=True), to("bob"), to("eve"), heads={to("eve"): b"X-Own: 1\r\n"})
    assert messages(store, "bob")[1][0].startswith(
        b"Return-Path: <alice@example.com>\r\nDelivered-To: bob@example.org\r\nReceived:")
    assert messages(store, "eve")[1][0].startswith(
        b"Return-Path: <alice@example.com>\r\nDelivered-To: eve@example.org\r\nX-Own: 1\r\nReceived:")


def test_a_folder_that_is_missing_is_the_inbox() -> None:
    store = MemoryStore()
    deliver(LocalAgent(store), to("bob", "Archive"), to("eve", "Nowhere"))
    assert len(messages(store, "bob", "Archive")[1]) == len(messages(store, "eve")[1]) == 1


def test_one_that_fails_does_not_fail_the_others() -> None:
    """I7: refusals stay what they are, faults become temporary failures."""
    store: Any = BareStore()                # which is given one account after the other
    append = MemoryMailbox.append
    faults: list[Exception] = [OverQuota(), ValueError("bug")]

    async def sometimes(self: MemoryMailbox, new: object) -> object:
        if faults:
            raise faults.pop(0)
        return await append(self, new)  # type: ignore[arg-type]

    with patch.object(MemoryMailbox, "append", sometimes):
        outcomes = deliver(LocalAgent(store), to("a"), to("b"), to("c"))
    assert isinstance(outcomes[to("a")], OverQuota)
    assert isinstance(outcomes[to("b")], InternalError)
    assert outcomes[to("c")] is None and len(messages(store, "c")[1]) == 1


class AllAtOnce(MemoryStore):
    """Takes a message for many in one call."""

    answer: object = (None, OverQuota(), None)

    async def deliver(self, targets: Sequence[tuple[str, str, New]], fresh: object) -> object:
        self.targets = [(account, folder) for account, folder, _ in targets]
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_a_store_that_takes_many_at_once_is_asked_once() -> None:
    store = implementer(IDelivers)(AllAtOnce)()
    outcomes = deliver(LocalAgent(store), to("a"), to("b", "Junk"), to("c"))
    assert store.targets == [("a", "INBOX"), ("b", "Junk"), ("c", "INBOX")]
    assert (outcomes[to("a")], outcomes[to("c")]) == (None, None)
    assert isinstance(outcomes[to("b", "Junk")], OverQuota)


@pytest.mark.parametrize(("answer", "refusal"), [
    (ValueError("bug"), InternalError), (OverQuota(), OverQuota), ((None,), InternalError)])
def test_its_faults_are_temporary_failures_of_all(answer: object, refusal: type[Refusal]) -> None:
    """I7"""
    store = implementer(IDelivers)(AllAtOnce)()
    store.answer = answer
    assert [type(outcome) for outcome in deliver(LocalAgent(store), to("a"), to("b")).values()] == [refusal, refusal]


def test_who_has_no_account_is_not_for_us() -> None:
    with pytest.raises(UnknownRecipient):
        deliver(LocalAgent(MemoryStore()), Recipient(Address("x", "example.net")))
