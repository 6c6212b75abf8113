"""One mailbox: listings from the index, octets from the files, changes in both."""

from __future__ import annotations

import os
from array import array
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from twisted.logger import Logger
from zope.interface import implementer

from mailframe.interfaces.store import IAttributeCache, ICopyable, IMailbox, IModSequenced, IMovable, IRecent
from mailframe.model.flags import FlagChange
from mailframe.model.mailbox import Attributes, Changes, Field, FlagsStored, MailboxStatus, New, Rows, UidRanges
from mailframe.model.refusal import NoSuchMailbox, NoSuchMessage, Refusal
from mailframe.stores.sqlite.tree import mailbox_number

from . import removing, schema, storing, transferring
from .folder import Folder
from .home import Home
from .look import path_of
from .transferring import Pairs

_log = Logger()
T = TypeVar("T")

_TRIES = 3                  # to find a file that others rename while we open it
NONE_RECENT = 2**32


@implementer(IMailbox, ICopyable, IMovable, IModSequenced, IAttributeCache, IRecent)
class MaildirMailbox:
    """Holds nothing but its folder, which all sessions share."""

    def __init__(self, home: Home, folder: Folder) -> None:
        self.id = str(folder.number)
        self._home = home
        self._folder = folder
        self._index = folder.index

    async def status(self) -> MailboxStatus:
        await self._look()
        return await self._index.status()

    async def keywords(self, add: Sequence[str]) -> tuple[str, ...]:
        table = await self._index.keywords(add)
        if add:
            await self._guarded(self._folder.ensure_words, add)
        return table

    async def rows(self, ranges: UidRanges, limit: int, fields: Field) -> Rows:
        """From the index as it is: `status` and `changes` look at the files, and come first."""
        return await self._index.rows(ranges, limit, fields)

    async def read(self, uid: int, offset: int, size: int) -> bytes:
        folder, key = self._folder, (self._folder.number, uid)
        for _ in range(_TRIES):
            found = await folder.shared.engine.query(schema.FILE, key)
            if not found:
                break
            path = path_of(folder.path, bool(found[0][0]), found[0][1])
            try:
                return await folder.shared.disk.run(folder.shared.open_files.read_from, key, path, offset, size)
            except FileNotFoundError:
                await self._guarded(self._find_again)
        octets = await folder.shared.disk.run(folder.shared.open_files.read, key, offset, size)
        if octets is None:
            raise NoSuchMessage(detail=f"no file for UID {uid} in {os.fsdecode(folder.path)}")
        return octets

    async def append(self, messages: Sequence[New]) -> array[int]:
        if not messages:
            await self._index.status()          # raises NoSuchMailbox
            return array("I")
        return array("I", await self._guarded(self._home.append, self._folder, messages))

    async def set_flags(self, uids: Sequence[int], change: FlagChange, unchanged_since: int | None) -> FlagsStored:
        return await self._guarded(storing.set_flags, self._folder, uids, change, unchanged_since)

    async def expunge(self, uids: Sequence[int] | None, only_deleted: bool) -> array[int]:
        return await self._guarded(removing.expunge, self._folder, uids, only_deleted)

    async def changes(self, cursor: object) -> Changes | None:
        await self._look()
        return await self._index.changes(cursor)

    async def copy(self, uids: Sequence[int], target_id: str) -> tuple[array[int], array[int]]:
        return await self._transfer(transferring.copy, uids, target_id)

    async def move(self, uids: Sequence[int], target_id: str) -> tuple[array[int], array[int]]:
        return await self._transfer(transferring.move, uids, target_id)

    async def _transfer(self, act: Callable[..., Awaitable[Pairs]], uids: Sequence[int], target_id: str) -> Pairs:
        async def once() -> Pairs:
            return await act(self._folder, uids, await self._home.folder(mailbox_number(target_id)))
        return await self._guarded(once)

    async def remember(self, uids: Sequence[int], attributes: Sequence[Attributes]) -> None:
        await self._index.remember(uids, attributes)

    async def recent_from(self) -> int:
        return await self._index.recent_from()

    async def claim_recent(self) -> int:
        """Whoever is told of recent messages has seen them: they go from new to cur, as every mail program does it."""
        first = await self._index.claim_recent()
        if first != NONE_RECENT:
            await self._guarded(storing.settle, self._folder)
        return first

    async def _look(self) -> None:
        """Files that cannot be looked at just now hide what is new, not what is known."""
        try:
            await self._guarded(self._folder.look)
        except NoSuchMailbox:
            raise
        except Refusal as refusal:
            if not self._folder.troubled:
                self._folder.troubled = True
                _log.warn("{path} is shown as it was, its files cannot be looked at: {refusal}",
                          path=os.fsdecode(self._folder.path), refusal=refusal)
        else:
            self._folder.troubled = False

    async def _find_again(self) -> None:
        """A file is not where it was."""
        async with self._folder.held():
            await self._folder.look_locked(everything=True)

    async def _guarded(self, act: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        return await self._home.guarded(self._folder, act, *arguments)
