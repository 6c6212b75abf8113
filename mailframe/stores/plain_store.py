"""A whole mail store but for load and save, which a subclass brings; what happens to an account is in `plain`."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, DeferredLock
from zope.interface import implementer

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IAccount, IMailbox, IMailStore
from mailframe.model.flags import FlagChange
from mailframe.model.mailbox import (
    Changes,
    Field,
    FlagsStored,
    Listeners,
    MailboxInfo,
    MailboxList,
    MailboxStatus,
    New,
    NewMailbox,
    Rows,
    UidRanges,
)
from mailframe.model.refusal import NoSuchMessage

from . import plain
from .plain import Plain

T = TypeVar("T")
Act = Callable[[Plain], Any]


@implementer(IMailStore)
class PlainStore:
    """Subclass it with `load` and `save`. An account that was opened stays in memory, and each save keeps the whole of it:
    right for some thousand messages. Changes that come while one is being saved go together into the next."""

    def __init__(self) -> None:
        self._accounts: dict[str, PlainAccount] = {}
        self._opening = DeferredLock()

    def load(self, name: str) -> Any:
        """What was last saved by this name, or None. Here and in `save`: plain, ``async def`` or a Deferred, as you like."""
        raise TypeError(f"{type(self).__name__} lacks load")

    def save(self, name: str, account: Plain) -> Any:
        """Keep `account` (see `mailframe.stores.plain`) in place of the one before; durable on return (I1).

        It is not changed meanwhile, so a thread may work on it, and nothing else is saved by this name meanwhile."""
        raise TypeError(f"{type(self).__name__} lacks save")

    async def start(self) -> None:
        """Open what `load` and `save` need. See IMailStore."""

    async def open_account(self, name: str, fresh: Sequence[NewMailbox]) -> IAccount:
        """See IMailStore."""
        if name not in self._accounts:
            await self._opening.run(lambda: Deferred.fromCoroutine(self._open(name, fresh)))
        account: IAccount = self._accounts[name]
        return account

    async def _open(self, name: str, fresh: Sequence[NewMailbox]) -> None:
        if name in self._accounts:
            return
        account = PlainAccount(plain.loaded(await settled(self.load(name))), partial(self.save, name))
        if not account.plain["mailboxes"]:
            await account.furnish(fresh)
        self._accounts[name] = account

    async def close(self) -> None:
        """See IMailStore."""
        for account in self._accounts.values():
            await account.quiet()


@implementer(IAccount)
class PlainAccount:
    """`plain` is what was saved last and is never changed: the next one is made beside it."""

    def __init__(self, plain: Plain, save: Callable[[Plain], Any]) -> None:
        self.plain = plain
        self._save = save
        self._listeners = Listeners()
        self._waiting: list[tuple[str, Act, Deferred[Any]]] = []
        self._saving = False

    async def change(self, hint: str, act: Callable[[Plain], T]) -> T:
        """What ``act(plain)`` returns or raises, when what it did is durable (I1). It raises before it does anything."""
        done: Deferred[T] = Deferred()
        self._waiting.append((hint, act, done))
        if not self._saving:
            Deferred.fromCoroutine(self._save_waiting())    # by itself: whoever waits for it may go away
        return await done

    async def _save_waiting(self) -> None:
        self._saving = True
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, []
                await self._save_these(waiting)
        finally:
            self._saving = False

    async def _save_these(self, waiting: list[tuple[str, Act, Deferred[Any]]]) -> None:
        changed = plain.copied(self.plain)
        outcomes = [_outcome(act, changed) for _, act, _ in waiting]
        news = changed != self.plain
        try:
            if news:
                await settled(self._save(changed))
            self.plain = changed
        except Exception as error:          # what could not be kept did not happen, and each of them is told so
            outcomes, news = [error] * len(waiting), False
        for (_, _, done), outcome in zip(waiting, outcomes, strict=True):
            (done.errback if isinstance(outcome, Exception) else done.callback)(outcome)
        for hint in {hint for hint, _, _ in waiting} if news else ():
            self._listeners.tell(hint)

    async def furnish(self, fresh: Sequence[NewMailbox]) -> None:
        """Make a new account's first mailboxes."""
        def act(plain_account: Plain) -> None:
            for new in fresh:
                plain.make(plain_account, new)
            plain.need_inbox(plain_account)
        await self.change("", act)

    async def quiet(self) -> None:
        """The end of all that was begun."""
        if self._saving:
            await self.change("", lambda _: None)

    async def mailboxes(self) -> MailboxList:
        """See IAccount."""
        infos = tuple(MailboxInfo(key, box["name"], box["use"]) for key, box in self.plain["mailboxes"].items())
        return MailboxList(infos, frozenset(self.plain["subscribed"]))

    async def create(self, mailbox: NewMailbox) -> MailboxInfo:
        """See IAccount."""
        return await self.change("", lambda account: plain.make(account, mailbox))

    async def delete(self, mailbox_id: str) -> None:
        """See IAccount."""
        await self.change("", lambda account: plain.delete(account, mailbox_id))

    async def rename(self, moves: Sequence[tuple[str, str]]) -> None:
        """See IAccount."""
        await self.change("", lambda account: plain.rename(account, moves))

    async def set_subscribed(self, name: str, subscribed: bool) -> None:
        """See IAccount."""
        await self.change("", lambda account: plain.subscribe(account, name, subscribed))

    async def open_mailbox(self, mailbox_id: str) -> IMailbox:
        """See IAccount."""
        plain.mailbox(self.plain, mailbox_id)
        mailbox: IMailbox = PlainMailbox(self, mailbox_id)
        return mailbox

    def subscribe(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """See IAccount."""
        return self._listeners.add(listener)


def _outcome(act: Act, account: Plain) -> Any:
    try:
        return act(account)
    except Exception as error:
        return error


@implementer(IMailbox)
class PlainMailbox:
    """One mailbox of the account, by its id."""

    def __init__(self, account: PlainAccount, mailbox_id: str) -> None:
        self.id = mailbox_id
        self._account = account

    async def status(self) -> MailboxStatus:
        """See IMailbox."""
        return plain.status(self._account.plain, self.id)

    async def keywords(self, add: Sequence[str]) -> tuple[str, ...]:
        """See IMailbox."""
        return await self._account.change(self.id, lambda account: plain.add_keywords(account, self.id, add))

    async def rows(self, ranges: UidRanges, limit: int, fields: Field) -> Rows:
        """See IMailbox."""
        every, uids = sorted(plain.mailbox(self._account.plain, self.id)["messages"]), list[int]()
        for first, last in ranges:
            uids += every[bisect_left(every, first):bisect_right(every, last)][:limit - len(uids)]
        return plain.rows(self._account.plain, self.id, uids, fields)

    async def read(self, uid: int, offset: int, size: int) -> bytes:
        """See IMailbox."""
        messages = plain.mailbox(self._account.plain, self.id)["messages"]
        if uid not in messages:
            raise NoSuchMessage()
        octets: str = messages[uid][2]
        return octets[offset:offset + size].encode("latin-1")

    async def append(self, messages: Sequence[New]) -> array[int]:
        """See IMailbox."""
        return await self._account.change(self.id, lambda account: plain.append(account, self.id, messages))

    async def set_flags(self, uids: Sequence[int], change: FlagChange, unchanged_since: int | None) -> FlagsStored:
        """See IMailbox."""
        return FlagsStored(await self._account.change(self.id, lambda account: plain.set_flags(account, self.id, uids, change)))

    async def expunge(self, uids: Sequence[int] | None, only_deleted: bool) -> array[int]:
        """See IMailbox."""
        return await self._account.change(self.id, lambda account: plain.expunge(account, self.id, uids, only_deleted))

    async def changes(self, cursor: object) -> Changes | None:
        """See IMailbox: the caller compares."""
        return None
