"""One account in use: its list of mailboxes kept like its folders on disk, whoever makes, renames or removes them."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import DeferredLock

from mailframe.model.mailbox import INBOX, MailboxInfo, New, NewMailbox
from mailframe.model.refusal import MailboxExists, NoSuchMailbox, TryAgainLater
from mailframe.sqlite.rows import Row
from mailframe.stores.sqlite import tree as rows_of
from mailframe.stores.sqlite.account import SqliteAccount
from mailframe.stores.sqlite.tree import mailbox_number

from . import arriving, beside, disk, listing, look, names, schema, tree
from .folder import Folder
from .listing import ListChanges
from .look import Seen
from .shared import Shared, held

T = TypeVar("T")


class Home:
    """Made by the store, one for all sessions of an account, and forgotten some time after the last of them."""

    def __init__(self, shared: Shared, name: str, path: Path) -> None:
        self.shared = shared
        self.name = name
        self.path = path
        self.lock = DeferredLock()
        self.number = 0
        self.listening: set[Callable[[], None]] = set()         # not empty: somebody wants to know of changes
        self._folders: dict[int, Folder] = {}
        self._by_name: dict[str, Folder] = {}                   # where mail was delivered to; until the list changes
        self._every: list[Folder] | None = None                 # likewise, for the poll
        self._seen = Seen()
        self._account = beside.Account()        # as it was last written

    @property
    def index(self) -> SqliteAccount:
        return SqliteAccount(self.shared.parts, self.number)

    async def open(self, fresh: Sequence[NewMailbox]) -> None:
        """Once it is open, does nothing. An account never seen before is made, with those of `fresh` that are not there yet."""
        if self.number:
            return
        async with held(self.lock):
            if self.number:
                return
            seen, self._account = await self._at_home(self._prepare)
            now = max(self.shared.now(), self._account.uidvalidity + 1)
            number = await self.shared.engine.submit(lambda con: rows_of.account_id(con, self.name, (), now))
            if not seen:
                await self._at_home(self._make_all, fresh)
            await self._sync_list(number, {box.name: box.special_use for box in fresh if box.special_use and not seen})
            if not seen:
                await self._subscribe({box.name: True for box in fresh if box.subscribed})
            self.number = number                # only now: what failed half-way is done again by the next

    def _prepare(self) -> tuple[bool, beside.Account]:
        """In a thread: (whether we have seen this account before, what we wrote down of it)."""
        for folder in (self.shared.root, self.shared.index.engine.path.parent):
            if not folder.is_dir():         # a disk that is not mounted: no account is made in its place
                raise FileNotFoundError(2, "No such folder", str(folder))
        tree.prepare(self.path)
        octets = disk.read_file(self.path / beside.ACCOUNT)
        return bool(octets), beside.Account.parsed(octets)

    def _make_all(self, fresh: Sequence[NewMailbox]) -> None:
        for box in fresh:
            if box.name != INBOX and not (self.path / names.folder_of(box.name)).exists():
                tree.make(self.path, names.folder_of(box.name), box.name)

    # The list

    async def look(self) -> None:
        """Take in what others did to the folders. Raises TryAgainLater when they cannot be listed."""
        async with held(self.lock):
            await self._look_locked()

    async def _look_locked(self) -> None:
        now = self.shared.system_ns()
        time = await self._at_home(look.mtime, os.fsencode(self.path))
        if self._seen.needs_listing(time, now):
            await self._sync_list(self.number, {})
            self._seen.listed(time, now)

    async def _sync_list(self, number: int, uses: Mapping[str, str]) -> None:
        there = await self._at_home(tree.found, self.path)
        rows: list[Row] = await self.shared.engine.query(schema.FOLDERS, (number,))
        known = [(row[0], os.fsdecode(row[3]) if row[3] is not None else "" if row[1] == INBOX else None, row[4] or -1)
                 for row in rows]
        difference = tree.compare(known, there)
        wanted = [folder for _, folder in difference.renamed] + difference.arrived
        labels = await self._at_home(lambda: {folder: tree.label(self.path, folder) for folder in wanted}) if wanted else {}
        changes = listing.changes_of(rows, difference, there, labels)
        if changes.gone or changes.renamed or changes.placed:
            await self._apply(number, changes, {**self._account.special_use, **uses})
        await self._write_account(number)

    async def _apply(self, number: int, changes: ListChanges, uses: Mapping[str, str]) -> None:
        now = self.shared.now()
        await self.shared.engine.submit(lambda con: listing.apply(con, number, changes, uses, now))
        self._by_name.clear()
        self._every = None
        for mailbox in changes.gone:
            self._folders.pop(mailbox, None)
            self.shared.parts.tell(number, str(mailbox))
        for mailbox, _, name in changes.renamed:
            if mailbox in self._folders:
                self._folders[mailbox].move_to(self.path / name)
        self.shared.parts.tell(number, "")

    async def _write_account(self, number: int) -> None:
        rows = await self.shared.engine.query("SELECT uidvalidity FROM account WHERE id = ?", (number,))
        uses = await self.shared.engine.query(
            "SELECT name, special_use FROM mailbox WHERE account = ? AND name IS NOT NULL AND special_use IS NOT NULL", (number,))
        account = beside.Account(rows[0][0], dict(uses))
        if account != self._account:
            await self._at_home(disk.replace_file, self.path / beside.ACCOUNT, account.written())
            self._account = account

    async def _at_home(self, work: Callable[..., T], *arguments: Any) -> T:
        """In a thread; an account whose folder is gone is a trouble that may pass (a disk that is not mounted), never a change."""
        try:
            return await self.shared.disk.run(work, *arguments)
        except FileNotFoundError as error:
            raise self.shared.disk.refusal(error) from error

    async def create(self, mailbox: NewMailbox) -> MailboxInfo:
        """As `IAccount.create`."""
        folder = names.folder_of(mailbox.name)
        async with held(self.lock):
            await self._look_locked()
            if await self.index.find_mailbox(mailbox.name) is not None:
                raise MailboxExists()
            await self._at_home(tree.make, self.path, folder, mailbox.name)
            await self._sync_list(self.number, {mailbox.name: mailbox.special_use} if mailbox.special_use else {})
            info = await self.index.find_mailbox(mailbox.name)
            if mailbox.subscribed:
                await self._subscribe({mailbox.name: True})
        if info is None:
            raise TryAgainLater(detail=f"folder {folder} of {self.name} was made, and is gone")
        return info

    async def delete(self, number: int) -> None:
        """As `IAccount.delete`."""
        async with held(self.lock):
            await self._look_locked()
            folder = await self.folder(number)
            await self._at_home(tree.remove, self.path, _relative(folder, self.path))
            changes = ListChanges([number], (), ())
            await self._apply(self.number, changes, {})
            await self._sync_list(self.number, {})

    async def rename(self, moves: Sequence[tuple[int, str]]) -> None:
        """As `IAccount.rename`: once the folders have their names, they are known again by what is in them."""
        async with held(self.lock):
            await self._look_locked()
            targets = [(_relative(await self.folder(number), self.path), names.folder_of(name), name) for number, name in moves]
            await self._at_home(tree.rename, self.path, targets)
            await self._sync_list(self.number, {})

    async def set_special_uses(self, uses: Sequence[tuple[int, str | None]]) -> None:
        """As `IAccount.set_special_uses`."""
        async with held(self.lock):
            await self._look_locked()
            await self.shared.engine.submit(lambda con: rows_of.set_special_uses(con, self.number, uses))
            await self._write_account(self.number)
        self.shared.parts.tell(self.number, "")

    async def set_subscribed(self, name: str, subscribed: bool) -> None:
        """As `IAccount.set_subscribed`."""
        async with held(self.lock):
            await self._subscribe({name: subscribed})
        self.shared.parts.tell(self.number, "")

    async def subscribed(self) -> list[str]:
        return beside.subscribed(await self._at_home(disk.read_file, self.path / beside.SUBSCRIPTIONS))

    async def _subscribe(self, wanted: Mapping[str, bool]) -> None:
        await self._at_home(_subscribe, self.path / beside.SUBSCRIPTIONS, wanted)

    def watch(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """As `IAccount.subscribe`; while somebody listens the store polls."""
        leave = self.index.subscribe(listener)

        def unsubscribe() -> None:
            leave()
            self.listening.discard(leave)
        self.listening.add(leave)
        return unsubscribe

    # Folders

    async def folder(self, number: int) -> Folder:
        """Raises NoSuchMailbox."""
        known = self._folders.get(number)
        if known is None:
            rows = await self.shared.engine.query(f"{schema.FOLDERS} AND m.id = ?", (self.number, number))
            if not rows or rows[0][3] is None:
                raise NoSuchMailbox()
            known = self._keep(rows[0])
        return known

    def _keep(self, row: Row) -> Folder:
        """Of a row of `schema.FOLDERS`; there is never a second one for a mailbox."""
        known = self._folders.get(row[0])
        if known is None:
            known = Folder(self.shared, self.number, row[0], self.path / os.fsdecode(row[3]), row[5:8])
            self._folders[row[0]] = known
        return known

    async def folder_for_delivery(self, name: str) -> Folder:
        """The folder of `name`, or INBOX where there is none."""
        folder = self._by_name.get(name)
        if folder is None:
            info = await self.index.find_mailbox(name) or await self.index.find_mailbox(INBOX)
            if info is None:
                raise TryAgainLater(detail=f"account {self.name!r} has no INBOX")
            folder = self._by_name[name] = await self.folder(mailbox_number(info.id))
        return folder

    async def append(self, folder: Folder, messages: Sequence[New]) -> range:
        """As `IMailbox.append`, of one message or more."""
        shared = self.shared
        return await folder.add(
            await arriving.write(shared.disk, shared.index, shared.namer, folder.path, messages), messages)

    async def guarded(self, folder: Folder, act: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        """Do something in `folder`; once more if it was not where it was thought to be, since others may have renamed it.

        Raises NoSuchMailbox when it is gone.
        """
        try:
            return await act(*arguments)
        except (FileNotFoundError, NoSuchMailbox):
            await self.look()
            await folder.index.status()         # raises NoSuchMailbox
        try:
            return await act(*arguments)
        except FileNotFoundError as error:
            raise TryAgainLater(detail=f"the folder is being renamed: {error}") from error

    async def poll(self) -> None:
        """Look at everything, where the times of directories say that there is something to see."""
        await self.look()
        if self._every is None:
            rows = await self.shared.engine.query(schema.FOLDERS, (self.number,))
            self._every = [self._keep(row) for row in rows if row[3] is not None]
        every = self._every
        times = await self.shared.disk.run(_times, [folder.path for folder in every])
        for folder, found in zip(every, times):
            if found is not None and folder.needs_listing(*found):
                await self.guarded(folder, folder.look)


def _relative(folder: Folder, root: Path) -> str:
    name = os.path.relpath(os.fsdecode(folder.path), root)
    return "" if name == "." else name


def _times(paths: Sequence[bytes]) -> list[tuple[int, int] | None]:
    """In a thread."""
    found: list[tuple[int, int] | None] = []
    for path in paths:
        try:
            found.append(look.times(path))
        except FileNotFoundError:
            found.append(None)
    return found


def _subscribe(path: Path, wanted: Mapping[str, bool]) -> None:
    """In a thread."""
    before = beside.subscribed(disk.read_file(path))
    after = [name for name in before if wanted.get(name, True)]
    after += [name for name, subscribed in wanted.items() if subscribed and name not in before]
    if after != before:
        disk.replace_file(path, beside.subscriptions(after))
