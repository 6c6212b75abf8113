"""An import from its beginning to its verification: list the source, copy what is new, read it back."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IAccount, IMailbox, IMailStore
from mailframe.model.mailbox import INBOX, SEPARATOR, MailboxInfo, NewMailbox
from mailframe.model.refusal import MailboxExists, NoSuchMailbox

from .filing import Filing
from .journal import Journal
from .source import Breath, Progress, Report, Source, SourceFolder, Tell

_UNWANTED = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_PAGE = 100


@dataclass(frozen=True, slots=True)
class Selection:
    """What of the source is wanted, and where it goes."""

    folders: tuple[str, ...] = ()       # names or patterns with * and ?; empty: all. Sub-folders come along
    skip: tuple[str, ...] = ()          # the same, for what is not wanted
    into: str = ""                      # a folder under which everything is put; "": where it was
    dry_run: bool = False               # list and count only

    def chosen(self, name: str) -> bool:
        """Whether the folder of this name is wanted."""
        return (not self.folders or _any(name, self.folders)) and not _any(name, self.skip)


def _any(name: str, patterns: Sequence[str]) -> bool:
    return any(_matches(name, pattern) or (pattern.upper() == INBOX and name == INBOX) for pattern in patterns)


def _matches(name: str, pattern: str) -> bool:
    """Whether it is what `pattern` says, or below; brackets are brackets, as in "[Gmail]"."""
    wild = "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)
    return re.fullmatch(f"{wild}(?:{SEPARATOR}.*)?", name, re.DOTALL) is not None


class Importer:
    """One run. The store and `source` are not started or closed here beyond the source's own open and close."""

    def __init__(
        self, store: IMailStore, account: IAccount, source: Source, journal: Journal, reactor: Any,
        selection: Selection = Selection(), tell: Tell = lambda progress: None,
    ) -> None:
        self._store = store
        self._account = account
        self._source = source
        self._journal = journal
        self._selection = selection
        self._tell = tell
        self._breath = Breath(reactor)
        self.report = Report()

    async def run(self) -> Report:
        """Raises TransferError when it cannot go on; a later run goes on then."""
        await self._source.open()
        try:
            await self._journal.begin()
            folders = [one for one in await self._source.folders() if self._selection.chosen(one.name)]
            for pattern in self._selection.folders:
                if not any(_any(one.name, (pattern,)) for one in folders):
                    self.report.problem(f"The source has no folder {pattern}", 0)
            numbers = [await self._list(folder) for folder in folders]
            if not self._selection.dry_run:
                for folder, number in zip(folders, numbers):
                    await self._copy(folder, number)
        finally:
            await self._source.close()
        return self.report

    async def _list(self, folder: SourceFolder) -> int:
        number = await self._journal.number(folder.key)
        await self._source.enter(folder)
        listed = 0
        while page := await self._source.page():
            await self._journal.note(number, page, self._source.numbered)
            listed += len(page)
            self._tell(Progress("listing", folder.name, listed, 0))
        if listed:
            self._tell(Progress("listing", folder.name, listed, listed))
        listed, already = await self._journal.counts(number)
        self.report.folders += 1
        self.report.listed += listed
        self.report.already += already
        if self._selection.dry_run:
            self._tell(Progress("found", folder.name, already, listed))
        return number

    async def _copy(self, folder: SourceFolder, number: int) -> None:
        mailbox, name = await self._target(folder, number)
        filing = Filing(self._store, mailbox, name, self._journal, number, self.report, self._breath)
        recovered = await filing.recover()
        self.report.already += recovered
        total, done = await self._journal.counts(number)
        before = self.report.copied - done
        try:
            if done < total:
                await self._source.enter(folder)
            after = None
            while wanted := await self._journal.pending(number, after, _PAGE):
                await self._source.read(wanted, filing)
                after = wanted[-1]
                self._tell(Progress("copying", name, self.report.copied - before, total, self.report.octets))
            await filing.flush()
        except BaseException:
            filing.abort()
            raise
        if total:
            self._tell(Progress("copying", name, self.report.copied - before, total, self.report.octets))
        await self._verify(filing, name, number)

    async def _verify(self, filing: Filing, name: str, number: int) -> None:
        to_do, read = await self._journal.count_unverified(number), 0

        def tell(messages: int) -> None:
            nonlocal read
            read += messages
            self._tell(Progress("verifying", name, read, to_do))

        await filing.verify(tell)
        listed, there = await self._journal.counts(number)
        if there + filing.accounted < listed:
            self.report.problem(f"{name}: the source has {listed} messages, of which {there} arrived", listed - there)

    async def _target(self, folder: SourceFolder, number: int) -> tuple[IMailbox, str]:
        """(the mailbox that its messages go into, its name); what an earlier run chose, while it is there."""
        known = await settled(self._account.mailboxes())
        before = await self._journal.folder(folder.key)
        if before is not None and before[1]:
            for info in known.mailboxes:
                if info.id == before[1]:
                    mailbox = await self._opened(info)
                    if mailbox is not None and (await settled(mailbox.status())).uidvalidity == before[2]:
                        return mailbox, info.name
        info = await self._ensured(folder, known.mailboxes)
        mailbox = await settled(self._account.open_mailbox(info.id))
        await self._journal.aim(number, info.id, (await settled(mailbox.status())).uidvalidity)
        if folder.subscribed and info.name not in known.subscribed:
            await settled(self._account.set_subscribed(info.name, True))
        return mailbox, info.name

    async def _opened(self, info: MailboxInfo) -> IMailbox | None:
        try:
            return await settled(self._account.open_mailbox(info.id))
        except NoSuchMailbox:
            return None

    async def _ensured(self, folder: SourceFolder, known: Sequence[MailboxInfo]) -> MailboxInfo:
        """By name; else by special use, so that "Sent Items" of one server joins "Sent" of the other; else made."""
        name = target_name(folder.name, self._selection.into)
        use = None if self._selection.into else folder.special_use
        for info in known:
            if info.name == name:
                return info
        for info in known:
            if use is not None and info.special_use == use:
                return info
        try:
            return await settled(self._account.create(NewMailbox(name, use, folder.subscribed)))
        except MailboxExists:
            for info in (await settled(self._account.mailboxes())).mailboxes:
                if info.name == name:
                    return info
            raise


def target_name(name: str, into: str = "") -> str:
    """A name that our mailboxes may have (NFC, no control characters, no empty level), under `into`."""
    levels = [_UNWANTED.sub("_", unicodedata.normalize("NFC", level)) for level in name.split(SEPARATOR)]
    levels = [level if level.strip() else "_" for level in levels]
    if levels[0].upper() == INBOX and not into:
        levels[0] = INBOX
    return SEPARATOR.join((*([into.strip(SEPARATOR)] if into.strip(SEPARATOR) else []), *levels))
