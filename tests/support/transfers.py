"""Mail stores to move mail into and out of, and what is in them afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from mailframe.interfaces.store import IAccount
from mailframe.mime.attributes import VERSION
from mailframe.model.flags import flag_mask, flag_names
from mailframe.model.mailbox import MAX_UID, Field, New, NewMailbox
from mailframe.sqlite.engine import Engine
from mailframe.stores.sqlite.store import SqliteStore
from mailframe.transfer.importer import Importer, Selection
from mailframe.transfer.journal import Journal, path_for
from mailframe.transfer.source import Progress, Report, Source

ALL = Selection()
FRESH = (NewMailbox("INBOX", None, True), NewMailbox("Sent", "\\Sent", True))


@dataclass(frozen=True)
class Kept:
    """A message as a store has it."""

    octets: bytes
    flags: frozenset[bytes] = frozenset()
    date: int = 0


class TransferCase(TestCase):
    """Has a store on the disk, and journals beside it."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.told: list[Progress] = []

    async def store(self, name: str = "store") -> SqliteStore:
        """Opened, and closed at the test's end."""
        store = SqliteStore(Engine(self.folder / f"{name}.db", reactor), reactor, attributes_version=VERSION)  # type: ignore[arg-type]
        await store.start()
        self.addCleanup(store.close)
        return store

    async def imported(
        self, store: Any, source: Source, selection: Selection = ALL, kind: str = "maildir", journal: Any = None,
    ) -> Report:
        account = await store.open_account("alice", FRESH)
        journal = journal or Journal(path_for(self.folder, kind, source.title, "alice", selection.into), reactor)
        await journal.start()
        try:
            return await Importer(store, account, source, journal, reactor, selection, self.told.append).run()
        finally:
            await journal.close()


async def append(account: IAccount, name: str, messages: Sequence[Kept], use: str | None = None) -> None:
    """Into the mailbox of that name, which is made when there is none."""
    found = [info for info in (await account.mailboxes()).mailboxes if info.name == name]
    info = found[0] if found else await account.create(NewMailbox(name, use, True))
    mailbox = await account.open_mailbox(info.id)
    words = sorted({flag.decode() for one in messages for flag in one.flags if not flag.startswith(b"\\")})
    table = await mailbox.keywords(words)
    await mailbox.append([New(one.octets, b"", flag_mask(one.flags, table), one.date, len(one.octets)) for one in messages])


async def contents(account: IAccount, *, all_folders: bool = False) -> dict[str, list[Kept]]:
    """Every mailbox with something in it (or every one), its messages in order."""
    answer = {}
    for info in (await account.mailboxes()).mailboxes:
        mailbox = await account.open_mailbox(info.id)
        table = await mailbox.keywords(())
        rows = await mailbox.rows([(1, MAX_UID)], 100_000, Field.FLAGS | Field.DATE | Field.SIZE)
        kept = [Kept(await mailbox.read(uid, 0, size + 1), frozenset(flag_names(flags, table)), date)
                for uid, flags, date, size in zip(rows.uids, rows.flags, rows.dates, rows.sizes)]
        if kept or all_folders:
            answer[info.name] = kept
    return answer
