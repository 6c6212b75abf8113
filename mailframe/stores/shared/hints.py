"""Hints from other accounts to one session: of the mailboxes that it opened there, and of changes in what it may do with them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from mailframe.interfaces.store import IAccount
from mailframe.model.mailbox import Listeners

from .names import Place, id_of, place_of

Listener = Callable[[str], None]


class Hints:
    """Nobody else's account is listened to before one of its mailboxes is opened, nor after the session's last listener left.

    `changed` tells ids of mailboxes whose list was changed.
    """

    def __init__(self, open_account: Callable[[str], Awaitable[IAccount]], changed: Listeners) -> None:
        self._open_account = open_account
        self._changed = changed
        self._opened: dict[str, tuple[IAccount, set[str]]] = {}     # by owner: the account, ids
        self._listeners = Listeners()
        self._ends: dict[str, Callable[[], None]] = {}

    async def visit(self, place: Place) -> None:
        """This mailbox was opened."""
        if place.owner not in self._opened:
            account = await self._open_account(place.owner)
            self._opened.setdefault(place.owner, (account, set()))
        self._opened[place.owner][1].add(place.what)
        if self._listeners:
            self._listen()

    def add(self, listener: Listener) -> Callable[[], None]:
        """As `IAccount.subscribe`."""
        remove = self._listeners.add(listener)
        if self._opened:
            self._listen()

        def end() -> None:
            remove()
            if not self._listeners:
                ends, self._ends = self._ends, {}
                for each in ends.values():
                    each()
        return end

    def _listen(self) -> None:
        if "" not in self._ends:
            self._ends[""] = self._changed.add(self._shared)
        for owner, (account, _) in self._opened.items():
            if owner not in self._ends:
                self._ends[owner] = account.subscribe(partial(self._heard, owner))

    def _heard(self, owner: str, mailbox_id: str) -> None:
        if mailbox_id in self._opened[owner][1]:
            self._listeners.tell(id_of(Place(owner, mailbox_id)))

    def _shared(self, mailbox_id: str) -> None:
        place = place_of(mailbox_id)
        if place is not None and place.owner in self._opened:
            self._heard(place.owner, place.what)
