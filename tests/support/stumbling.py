"""A store in front of another, where every call stops now and then on its way in and out: whatever can come between, does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import directlyProvides, providedBy

from mailframe.interfaces.store import IAccount, IMailStore
from mailframe.model.mailbox import NewMailbox

_AT_ONCE = frozenset({"subscribe", "id", "now"})


class Stumbling:
    """Provides what `inner` provides; each of its coroutines takes up to `longest` turns of the reactor before and after, or
    as many times `pause_s`."""

    def __init__(self, inner: Any, random: Random, clock: Any, longest: int = 3, pause_s: float = 0.0) -> None:
        self._inner, self._random, self._clock, self._longest, self._pause_s = inner, random, clock, longest, pause_s
        directlyProvides(self, providedBy(inner))

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if name.startswith("_") or name in _AT_ONCE or not callable(value):
            return value
        return self._slow(value)

    def _slow(self, call: Callable[..., Any]) -> Callable[..., Any]:
        async def slowly(*arguments: Any) -> Any:
            await self._stumble()
            result = await call(*arguments)
            await self._stumble()
            return result

        return slowly

    async def _stumble(self) -> None:
        for _ in range(self._random.randint(0, self._longest)):
            turn: Deferred[None] = Deferred()
            self._clock.callLater(self._pause_s, turn.callback, None)
            await turn


class StumblingStore(Stumbling):
    """As `Stumbling`, for the mailboxes of a whole store."""

    async def open_account(self, name: str, fresh: Sequence[NewMailbox]) -> IAccount:
        account: Any = _StumblingAccount(
            await self._inner.open_account(name, fresh), self._random, self._clock, self._longest, self._pause_s)
        provided: IAccount = account
        return provided


class _StumblingAccount(Stumbling):
    async def open_mailbox(self, mailbox_id: str) -> Any:
        await self._stumble()
        inner = await self._inner.open_mailbox(mailbox_id)
        return Stumbling(inner, self._random, self._clock, self._longest, self._pause_s)


def stumbling(store: IMailStore, random: Random, clock: Any, pause_s: float = 0.0) -> Any:
    """`store`, made slow."""
    return StumblingStore(store, random, clock, pause_s=pause_s)
