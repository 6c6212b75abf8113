"""Mail in this process's memory alone: complete, fast, and gone at the end; for tests and for trying things."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import count

from zope.interface import implementer

from mailframe.interfaces.content import IReadableContent, IStaged
from mailframe.interfaces.store import (
    IAccount,
    IAccountFinder,
    IDelivers,
    IIndexedStore,
    IMailbox,
    IMailboxFinder,
    IQuota,
    ISpecialUses,
)
from mailframe.model.mailbox import FRESH_ACCOUNT, INBOX, Listeners, MailboxInfo, MailboxList, New, NewMailbox, Quota
from mailframe.model.refusal import MailboxExists, NoSuchMailbox, NoSuchMessage, OverQuota, Refusal, TryAgainLater

from .memory_mailbox import MemoryMailbox


@implementer(IIndexedStore, IDelivers, IReadableContent, IAccountFinder)
class MemoryStore:
    """`now` gives seconds since the epoch."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.now = now
        self._accounts: dict[str, MemoryAccount] = {}
        self._staged: dict[str, bytes] = {}
        self._numbers = count(1)

    async def start(self) -> None:
        """There is nothing to open."""

    async def open_account(self, name: str, fresh: Sequence[NewMailbox]) -> IAccount:
        account: IAccount = self._account(name, fresh)
        return account

    def _account(self, name: str, fresh: Sequence[NewMailbox]) -> MemoryAccount:
        if name not in self._accounts:
            self._accounts[name] = MemoryAccount(self, fresh)
        return self._accounts[name]

    async def has_account(self, name: str) -> bool:
        return name in self._accounts

    async def close(self) -> None:
        """There is nothing to finish."""

    async def deliver(
        self, targets: Sequence[tuple[str, str, New]], fresh: Sequence[NewMailbox] = FRESH_ACCOUNT,
    ) -> Sequence[Refusal | None]:
        outcomes: list[Refusal | None] = []
        for name, folder, message in targets:
            account = self._account(name, fresh)
            info = await account.find_mailbox(folder) or await account.find_mailbox(INBOX)
            try:
                if info is None:
                    raise NoSuchMailbox(detail=f"account {name!r} has no INBOX")
                await account.by_id[info.id].append([message])
            except Refusal as refusal:
                outcomes.append(refusal)
            else:
                outcomes.append(None)
        return outcomes

    async def stage(self) -> IStaged:
        staged: IStaged = _Staged(self._keep)
        return staged

    async def read(self, content_id: str, offset: int, size: int) -> bytes:
        if content_id not in self._staged:
            raise NoSuchMessage(detail=f"content {content_id} is gone")
        return self._staged[content_id][offset:offset + size]

    def _keep(self, octets: bytes) -> str:
        name = str(next(self._numbers))
        self._staged[name] = octets
        return name

    def octets(self, content: bytes | str) -> bytes:
        """What `New.content` means."""
        if isinstance(content, bytes):
            return content
        if content not in self._staged:
            raise TryAgainLater(detail=f"content {content} is gone")
        return self._staged[content]


@implementer(IStaged)
class _Staged:
    def __init__(self, keep: Callable[[bytes], str]) -> None:
        self._keep = keep
        self._buffer = bytearray()

    async def write(self, octets: bytes) -> None:
        self._buffer += octets

    async def seal(self) -> str:
        return self._keep(bytes(self._buffer))

    def abort(self) -> None:
        self._buffer.clear()


@implementer(IAccount, IMailboxFinder, IQuota, ISpecialUses)
class MemoryAccount:
    """The mailboxes of one name."""

    def __init__(self, store: MemoryStore, fresh: Sequence[NewMailbox]) -> None:
        self.store = store
        self.listeners = Listeners()
        self.by_id: dict[str, MemoryMailbox] = {}
        self._infos: dict[str, MailboxInfo] = {}        # by name
        self._subscribed: set[str] = set()
        self._numbers = count(1)
        self._uidvalidity = int(store.now() * 4) % (1 << 31)    # another one after the quickest restart
        self._max_octets: int | None = None
        self._max_messages: int | None = None
        for mailbox in (*fresh, NewMailbox(INBOX)):
            if mailbox.name not in self._infos:
                self._make(mailbox)

    async def mailboxes(self) -> MailboxList:
        return MailboxList(tuple(self._infos.values()), frozenset(self._subscribed))

    async def find_mailbox(self, name: str) -> MailboxInfo | None:
        return self._infos.get(name)

    async def create(self, mailbox: NewMailbox) -> MailboxInfo:
        if mailbox.name in self._infos:
            raise MailboxExists()
        info = self._make(mailbox)
        self.listeners.tell("")
        return info

    async def delete(self, mailbox_id: str) -> None:
        info = self._info(mailbox_id)
        del self._infos[info.name]
        self.by_id.pop(mailbox_id).deleted = True
        self._need_inbox()
        self.listeners.tell("")

    async def rename(self, moves: Sequence[tuple[str, str]]) -> None:
        leaving = [self._info(mailbox_id) for mailbox_id, _ in moves]
        infos = {name: info for name, info in self._infos.items() if info not in leaving}
        for info, (_, name) in zip(leaving, moves, strict=True):
            if name in infos:
                raise MailboxExists()
            infos[name] = MailboxInfo(info.id, name, info.special_use)
        self._infos = infos
        self._need_inbox()              # a renamed INBOX leaves an empty one behind (RFC 3501 section 6.3.5)
        self.listeners.tell("")

    async def set_special_uses(self, uses: Mapping[str, str | None]) -> None:
        changed = [replace(self._info(mailbox_id), special_use=use) for mailbox_id, use in uses.items()]
        self._infos.update((info.name, info) for info in changed)
        self.listeners.tell("")

    async def set_subscribed(self, name: str, subscribed: bool) -> None:
        (self._subscribed.add if subscribed else self._subscribed.discard)(name)
        self.listeners.tell("")

    async def open_mailbox(self, mailbox_id: str) -> IMailbox:
        if mailbox_id not in self.by_id:
            raise NoSuchMailbox()
        mailbox: IMailbox = self.by_id[mailbox_id]
        return mailbox

    async def quota(self) -> Quota:
        octets, messages = self._use()
        return Quota(octets, messages, self._max_octets, self._max_messages)

    async def set_quota(self, max_octets: int | None, max_messages: int | None) -> None:
        self._max_octets, self._max_messages = max_octets, max_messages

    def subscribe(self, listener: Callable[[str], None]) -> Callable[[], None]:
        return self.listeners.add(listener)

    def _need_room(self, sizes: Sequence[int], leaving: Sequence[int]) -> None:
        """For messages of these sizes, where others leave. Raises OverQuota."""
        octets, messages = self._use()
        for use, limit in ((octets + sum(sizes) - sum(leaving), self._max_octets),
                           (messages + len(sizes) - len(leaving), self._max_messages)):
            if sizes and limit is not None and use > limit:
                raise OverQuota(detail=f"{use} of {limit}")

    def _use(self) -> tuple[int, int]:
        return sum(box.size for box in self.by_id.values()), sum(map(len, self.by_id.values()))

    def _need_inbox(self) -> None:
        if INBOX not in self._infos:
            self._make(NewMailbox(INBOX))

    def _info(self, mailbox_id: str) -> MailboxInfo:
        for info in self._infos.values():
            if info.id == mailbox_id:
                return info
        raise NoSuchMailbox()

    def _make(self, mailbox: NewMailbox) -> MailboxInfo:
        self._uidvalidity += 1
        info = MailboxInfo(str(next(self._numbers)), mailbox.name, mailbox.special_use)
        self.by_id[info.id] = MemoryMailbox(info.id, self._uidvalidity, self.by_id, self.store.octets, self.store.now,
                                            self.listeners.tell, self._need_room)
        self._infos[info.name] = info
        if mailbox.subscribed:
            self._subscribed.add(mailbox.name)
        return info
