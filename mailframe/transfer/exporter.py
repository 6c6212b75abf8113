"""An export from its beginning to its verification: any store's mailboxes into a tree of files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IAccount, IMailbox
from mailframe.model.flags import flag_names
from mailframe.model.mailbox import INBOX, MAX_UID, Field, MailboxInfo
from mailframe.model.refusal import NoSuchMailbox, NoSuchMessage

from .foldernames import KeptFolder
from .importer import Selection
from .lineends import Canonical
from .source import SLICE_OCTETS, Breath, Meta, Progress, Report, Tell

_PAGE = 500
EVERYTHING = Selection()
_FIELDS = Field.FLAGS | Field.DATE | Field.SIZE


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message on its way out."""

    uid: int
    meta: Meta
    size: int
    cut: bool = False               # its last line has no line end


class Tree(Protocol):
    """Files that an export makes. Order: begin; then for each folder enter, any number of missing, messages, flush, digest; end.

    A message: start, write*, then finish or drop. What was flushed is on the disk, and not made again by a later run.
    """

    async def begin(self, folders: Sequence[KeptFolder]) -> None: ...

    async def enter(self, name: str, uidvalidity: int, keywords: Sequence[str], report: Report) -> None: ...

    def missing(self, uids: Sequence[int]) -> Sequence[int]:
        """Those of `uids` (ascending) that are not there."""

    async def start(self, message: Outgoing) -> None: ...

    async def write(self, octets: bytes) -> None: ...

    async def finish(self) -> None: ...

    async def drop(self) -> None: ...

    async def flush(self) -> None: ...

    async def digest(self, message: Outgoing) -> bytes | None:
        """The SHA-256 of what lies there, in the form `Canonical`; None: nothing. Asked in ascending order of UID."""


class Exporter:
    """One run."""

    def __init__(
        self, account: IAccount, tree: Tree, reactor: Any, selection: Selection = EVERYTHING,
        tell: Tell = lambda progress: None,
    ) -> None:
        self._account = account
        self._tree = tree
        self._selection = selection
        self._tell = tell
        self._breath = Breath(reactor)
        self.report = Report()

    async def run(self) -> Report:
        """Raises TransferError when it cannot go on; a later run goes on then."""
        known = await settled(self._account.mailboxes())
        infos = sorted((info for info in known.mailboxes if self._selection.chosen(info.name)),
                       key=lambda info: (info.name != INBOX, info.name))
        for pattern in self._selection.folders:
            if not any(Selection((pattern,)).chosen(info.name) for info in infos):
                self.report.problem(f"The account has no folder {pattern}", 0)
        if not self._selection.dry_run:
            await self._tree.begin([KeptFolder(info.name, info.special_use, info.name in known.subscribed) for info in infos])
        for info in infos:
            try:
                await self._folder(info)
            except NoSuchMailbox:
                self.report.note(f"{info.name} was deleted meanwhile")
        return self.report

    async def _folder(self, info: MailboxInfo) -> None:
        mailbox = await settled(self._account.open_mailbox(info.id))
        status = await settled(mailbox.status())
        self.report.folders += 1
        self.report.listed += status.messages
        if self._selection.dry_run:
            self._tell(Progress("counted", info.name, status.messages, status.messages))
            return
        keywords = tuple(await settled(mailbox.keywords(())))
        await self._tree.enter(info.name, status.uidvalidity, keywords, self.report)
        last = await self._copy(mailbox, info.name, keywords, status.messages)
        await self._compare(mailbox, info.name, keywords, last, status.messages)

    async def _copy(self, mailbox: IMailbox, name: str, keywords: Sequence[str], total: int) -> int:
        """The last UID that was looked at."""
        done = last = 0
        while page := await self._page(mailbox, keywords, last + 1, MAX_UID):
            last = page[-1].uid
            wanted = set(self._tree.missing([one.uid for one in page]))
            self.report.already += len(page) - len(wanted)
            for message in page:
                if message.uid in wanted:
                    await self._one(mailbox, name, message)
            done += len(page)
            self._tell(Progress("copying", name, done, max(total, done), self.report.octets))
        await self._tree.flush()
        return last

    async def _page(self, mailbox: IMailbox, keywords: Sequence[str], first: int, last: int) -> list[Outgoing]:
        if first > last:
            return []
        rows = await settled(mailbox.rows([(first, last)], _PAGE, _FIELDS))
        await self._breath.take()
        return [Outgoing(uid, Meta(tuple(flag_names(flags, keywords)), date), size)
                for uid, flags, date, size in zip(rows.uids, rows.flags, rows.dates, rows.sizes)]

    async def _one(self, mailbox: IMailbox, name: str, message: Outgoing) -> None:
        try:
            octets = await settled(mailbox.read(message.uid, 0, SLICE_OCTETS))
            end = octets if len(octets) >= message.size else await settled(mailbox.read(message.uid, max(message.size - 2, 0), 2))
            cut = message.size > 0 and not end.endswith(b"\n")
            await self._tree.start(Outgoing(message.uid, message.meta, message.size, cut))
            offset = 0
            while octets:
                await self._tree.write(octets)
                await self._breath.take()
                offset += len(octets)
                octets = await settled(mailbox.read(message.uid, offset, SLICE_OCTETS)) if offset < message.size else b""
        except NoSuchMessage:
            await self._tree.drop()
            self.report.note(f"{name}: a message was removed meanwhile")
            return
        await self._tree.finish()
        await self._breath.take()
        self.report.copied += 1
        self.report.octets += message.size

    async def _compare(self, mailbox: IMailbox, name: str, keywords: Sequence[str], last: int, total: int) -> None:
        done = after = 0
        while page := await self._page(mailbox, keywords, after + 1, last):
            after = page[-1].uid
            for message in page:
                there, here = await self._tree.digest(message), await self._digest(mailbox, message)
                if here is None or here == there:
                    self.report.verified += here is not None
                else:
                    what = "is missing among the files" if there is None else "is not what was written"
                    self.report.problem(f"{name}: the message with UID {message.uid} {what}")
            done += len(page)
            self._tell(Progress("verifying", name, done, max(total, done)))

    async def _digest(self, mailbox: IMailbox, message: Outgoing) -> bytes | None:
        digest, form = hashlib.sha256(), Canonical()
        try:
            for offset in range(0, message.size, SLICE_OCTETS):
                digest.update(form.feed(await settled(mailbox.read(message.uid, offset, SLICE_OCTETS))))
                await self._breath.take()
        except NoSuchMessage:
            return None
        digest.update(form.end())
        return digest.digest()
