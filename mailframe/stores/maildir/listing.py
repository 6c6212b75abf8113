"""What an account's folders mean for its list of mailboxes, and how the index is told."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import apsw
from twisted.logger import Logger

from mailframe.model.mailbox import INBOX, NewMailbox
from mailframe.sqlite.rows import Row, fetch
from mailframe.stores.sqlite import tree as rows_of

from . import schema, tree

_log = Logger()


@dataclass(frozen=True, slots=True)
class ListChanges:
    """What the index is to be told of the list: ids that are gone, (id, name, folder), (id or None: new, name, folder, inode)."""

    gone: Sequence[int]
    renamed: Sequence[tuple[int, str, str]]
    placed: Sequence[tuple[int | None, str, str, int]]


def changes_of(
    rows: Sequence[Row], difference: tree.Difference, there: Mapping[str, int], labels: Mapping[str, str],
) -> ListChanges:
    """A folder whose name would be that of another mailbox is left alone: two spellings of one name, or a folder called INBOX."""
    going = set(difference.gone) | {mailbox for mailbox, _ in difference.renamed}
    taken = {row[1] for row in rows if row[0] not in going}
    by_name = {row[1]: row[0] for row in rows if row[0] not in going}
    gone, renamed = list(difference.gone), []
    placed: list[tuple[int | None, str, str, int]] = []
    for mailbox, folder in difference.renamed:
        name = labels[folder]
        if name in taken or (folder and name == INBOX):
            gone.append(mailbox)
        else:
            taken.add(name)
            renamed.append((mailbox, name, folder))
            placed.append((mailbox, name, folder, there[folder]))
    placed += [(mailbox, "", folder, there[folder]) for mailbox, folder in difference.replaced]
    for folder in difference.arrived:
        name = labels[folder]
        if folder and (name in taken or name == INBOX or not name):
            _log.debug("folder {folder} is passed over: there is a mailbox {name} already", folder=folder, name=name)
            continue
        taken.add(name)
        placed.append((by_name.get(name), name, folder, there[folder]))
    return ListChanges(gone, renamed, placed)


def apply(con: apsw.Connection, account: int, changes: ListChanges, uses: Mapping[str, str], now: int) -> None:
    """What the writer does; new mailboxes get their special use from `uses`."""
    for mailbox in changes.gone:
        rows_of.delete(con, account, mailbox, now)
        schema.drop_folder(con, mailbox)
    if changes.renamed:
        rows_of.rename(con, account, [(mailbox, name) for mailbox, name, _ in changes.renamed], now)
    for number, name, folder, inode in changes.placed:
        if number is None:
            number = _existing_or_new(con, account, NewMailbox(name, uses.get(name)), now)
        schema.put_folder(con, number, os.fsencode(folder), inode)


def _existing_or_new(con: apsw.Connection, account: int, mailbox: NewMailbox, now: int) -> int:
    """INBOX is made by what takes the old one away."""
    found = fetch(con, "SELECT id FROM mailbox WHERE account = ? AND name = ?", (account, mailbox.name))
    return int(found[0][0]) if found else int(rows_of.create(con, account, mailbox, now).id)
