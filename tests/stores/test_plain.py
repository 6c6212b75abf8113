"""The store that is everything but load and save, over a plain dictionary."""

from __future__ import annotations

import copy
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase, TestCase

from mailframe.interfaces.store import IMailStore
from mailframe.model.mailbox import FRESH_ACCOUNT, New, NewMailbox
from mailframe.model.refusal import MailboxExists
from mailframe.stores.plain_store import PlainAccount, PlainStore
from mailframe.testing.contracts import StoreContract
from mailframe.testing.store_base import MESSAGE


class InDictionary(PlainStore):
    """As small as a store can be."""

    def __init__(self, kept: dict[str, Any]) -> None:
        super().__init__()
        self.kept = kept
        self.load = kept.get  # type: ignore[method-assign]

    def save(self, name: str, account: dict[str, Any]) -> None:
        self.kept[name] = copy.deepcopy(account)


class InDictionaryTests(StoreContract, TestCase):
    def make_store(self) -> IMailStore:
        store: IMailStore = InDictionary({})
        return store

    def reopen(self, store: IMailStore) -> IMailStore:
        again: IMailStore = InDictionary(store.kept)  # type: ignore[attr-defined]
        return again


class Slow(PlainStore):
    """Loads and saves when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[Deferred[Any]] = []
        self.saves: list[tuple[dict[str, Any], Deferred[None]]] = []

    def load(self, name: str) -> Deferred[Any]:
        self.loads.append(Deferred())
        return self.loads[-1]

    def save(self, name: str, account: dict[str, Any]) -> Deferred[None]:
        self.saves.append((account, Deferred()))
        return self.saves[-1][1]


class SavingTests(SynchronousTestCase):
    """I1: what is not saved yet is neither promised nor seen."""

    def setUp(self) -> None:
        self.store = Slow()

    def opening(self) -> Deferred[Any]:
        return Deferred.fromCoroutine(self.store.open_account("ada", FRESH_ACCOUNT))

    def opened(self) -> tuple[PlainAccount, str]:
        opening = self.opening()
        self.store.loads[0].callback(None)
        self.store.saves.pop()[1].callback(None)
        account = self.successResultOf(opening)
        listing = self.successResultOf(Deferred.fromCoroutine(account.mailboxes()))
        return account, next(info.id for info in listing.mailboxes if info.name == "INBOX")

    def appending(self, account: PlainAccount, inbox: str) -> Deferred[Any]:
        async def append() -> Any:
            return await (await account.open_mailbox(inbox)).append([New(MESSAGE)])
        return Deferred.fromCoroutine(append())

    def test_an_account_that_many_open_at_once_is_loaded_once(self) -> None:
        first, second = self.opening(), self.opening()
        self.store.loads[0].callback(None)
        self.assertNoResult(first)
        self.store.saves[0][1].callback(None)
        self.assertIs(self.successResultOf(first), self.successResultOf(second))
        self.assertEqual(1, len(self.store.loads))

    def test_an_account_that_cannot_be_saved_is_not_there(self) -> None:
        first = self.opening()
        self.store.loads[0].callback(None)
        self.store.saves[0][1].errback(OSError("full"))
        self.failureResultOf(first, OSError)
        self.opening()
        self.assertEqual(2, len(self.store.loads))

    def test_nobody_sees_what_is_not_saved_yet(self) -> None:
        account, inbox = self.opened()
        appending = self.appending(account, inbox)
        self.assertNoResult(appending)
        self.assertEqual(0, len(account.plain["mailboxes"][inbox]["messages"]))
        self.store.saves[0][1].callback(None)
        self.assertEqual([1], list(self.successResultOf(appending)))
        self.assertEqual(1, len(account.plain["mailboxes"][inbox]["messages"]))

    def test_changes_that_come_while_one_is_saved_are_saved_together(self) -> None:
        account, inbox = self.opened()
        appends = [self.appending(account, inbox) for _ in range(20)]
        again = Deferred.fromCoroutine(account.create(NewMailbox("Sent")))
        self.assertEqual(1, len(self.store.saves))
        self.store.saves[0][1].callback(None)
        self.assertEqual(2, len(self.store.saves))
        self.store.saves[1][1].callback(None)
        self.assertEqual([[number] for number in range(1, 21)], [list(self.successResultOf(append)) for append in appends])
        self.failureResultOf(again, MailboxExists)      # one that is refused is refused alone

    def test_a_failed_save_fails_those_it_was_for_and_no_others(self) -> None:
        account, inbox = self.opened()
        first, second = self.appending(account, inbox), self.appending(account, inbox)
        self.store.saves[0][1].errback(OSError("full"))
        self.failureResultOf(first, OSError)
        self.store.saves[1][1].callback(None)
        self.assertEqual([1], list(self.successResultOf(second)))

    def test_a_client_that_goes_away_leaves_the_save_alone(self) -> None:
        account, inbox = self.opened()
        gone, second = self.appending(account, inbox), self.appending(account, inbox)
        gone.cancel()
        self.failureResultOf(gone, CancelledError)
        self.assertEqual(1, len(self.store.saves), "two saves of one account at once")
        self.store.saves[0][1].callback(None)
        self.store.saves[1][1].callback(None)
        self.assertEqual([2], list(self.successResultOf(second)))

    def test_closing_waits_for_what_was_begun(self) -> None:
        account, inbox = self.opened()
        appending = self.appending(account, inbox)
        closing = Deferred.fromCoroutine(self.store.close())
        self.assertNoResult(closing)
        self.store.saves[0][1].callback(None)
        self.successResultOf(appending)
        self.successResultOf(closing)
        self.assertEqual(1, len(self.store.saves))
