"""Plain mailboxes for the tests of what is kept beside them: one that can say what changed, one that answers when it is told to."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer, implementer_only

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IAccount, ICopyable, IMailbox, IMailStore, IMovable, IReplaces
from mailframe.stores.memory import MemoryStore
from mailframe.stores.memory_mailbox import MemoryMailbox


@implementer_only(IMailbox, ICopyable, IMovable, IReplaces)
class CursorMailbox(MemoryMailbox):
    """Answers `changes`, copies, moves and replaces, but keeps no mod-sequences for others, no ENVELOPEs, nothing recent."""


@implementer(IMailStore)
class Handing:
    """A store whose accounts hand mailboxes through `wrap` on their way out."""

    def __init__(self, inner: Any, wrap: Callable[[Any], Any]) -> None:
        self.inner, self.wrap = inner, wrap

    async def start(self) -> None:
        await settled(self.inner.start())

    async def close(self) -> None:
        await settled(self.inner.close())

    async def open_account(self, name: str, fresh: Any) -> IAccount:
        account: IAccount = _HandingAccount(await settled(self.inner.open_account(name, fresh)), self.wrap)
        return account


@implementer(IAccount)
class _HandingAccount:
    def __init__(self, inner: Any, wrap: Callable[[Any], Any]) -> None:
        self.inner, self.wrap = inner, wrap
        self.mailboxes, self.create, self.delete, self.rename = inner.mailboxes, inner.create, inner.delete, inner.rename
        self.set_subscribed, self.subscribe = inner.set_subscribed, inner.subscribe

    async def open_mailbox(self, mailbox_id: str) -> IMailbox:
        mailbox: IMailbox = self.wrap(await settled(self.inner.open_mailbox(mailbox_id)))
        return mailbox


def cursor_store(now: Callable[[], float]) -> Handing:
    """In memory, of `CursorMailbox`es."""
    def plainly(mailbox: Any) -> Any:
        mailbox.__class__ = CursorMailbox
        return mailbox
    return Handing(MemoryStore(now), plainly)


class Halts:
    """Where calls wait before they do what they do, and again before they answer, until it is their turn by lot."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.waiting: list[Deferred[None]] = []

    async def halt(self) -> None:
        waiting: Deferred[None] = Deferred()
        self.waiting.append(waiting)
        await waiting

    def go_on(self) -> bool:
        """Let one of them go on; False when none waits."""
        if self.waiting:
            self.waiting.pop(self.rng.randrange(len(self.waiting))).callback(None)
            return True
        return False


@implementer(IMailbox)
class HaltingMailbox:
    """`inner`, whose changes and listings halt on both sides."""

    def __init__(self, inner: Any, halts: Halts) -> None:
        self.id, self.keywords, self.read = inner.id, inner.keywords, inner.read
        for name in ("status", "rows", "append", "set_flags", "expunge", "changes"):
            setattr(self, name, _halting(getattr(inner, name), halts))


def _halting(method: Callable[..., Any], halts: Halts) -> Callable[..., Any]:
    async def call(*arguments: Any) -> Any:
        await halts.halt()
        answer = await settled(method(*arguments))
        await halts.halt()
        return answer
    return call
