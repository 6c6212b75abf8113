"""A mailbox's row as messages arrive: their UIDs and mod-sequence, the counts, and whether the account may hold them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import apsw

from mailframe.model.flags import DELETED, SEEN
from mailframe.model.mailbox import INBOX, New, NewMailbox
from mailframe.model.refusal import NoSuchMailbox
from mailframe.sqlite.rows import fetch

from .tree import account_id

# With negative counts it takes back what the same transaction has counted: nobody has seen it.
_COUNT = """
    UPDATE mailbox SET uidnext = uidnext + ?1, modseq = modseq + sign(?1), messages = messages + ?1, unseen = unseen + ?2,
        deleted = deleted + ?3, size = size + ?4"""
_RETURN = """AND name IS NOT NULL RETURNING id, account, uidnext, modseq,
    (SELECT max_octets FROM account WHERE id = mailbox.account), (SELECT max_messages FROM account WHERE id = mailbox.account)"""
_BY_NUMBER = f"{_COUNT} WHERE id = ?5 {_RETURN}"
_BY_NAME = f"{_COUNT} WHERE account = (SELECT id FROM account WHERE name = ?5) AND name = ?6 {_RETURN}"


#: What arrives, together: messages, of these unseen and deleted ones, octets.
Counts = tuple[int, int, int, int]


def counts_of(messages: Sequence[New], sizes: Sequence[int]) -> Counts:
    """`sizes` are of head and content together."""
    unseen = deleted = 0
    for message in messages:
        flags = message.flags
        unseen += not flags & SEEN
        deleted += bool(flags & DELETED)
    return len(messages), unseen, deleted, sum(sizes)


class Counted(NamedTuple):
    """A mailbox after it was counted up, with the limits in its account's row."""

    mailbox: int
    account: int
    uidnext: int
    modseq: int
    max_octets: int | None
    max_messages: int | None


def count(con: apsw.Connection, mailbox: int, counts: Counts) -> Counted:
    """Raises NoSuchMailbox."""
    return _counted(con, _BY_NUMBER, (*counts, mailbox))


def uncount(con: apsw.Connection, mailbox: int, counts: Counts) -> None:
    """As if `count` or `count_in_folder` had never been called; in the same job."""
    _counted(con, _BY_NUMBER, (*(-number for number in counts), mailbox))


def count_in_folder(
    con: apsw.Connection, name: str, folder: str, fresh: Sequence[NewMailbox], now: int, counts: Counts,
) -> Counted:
    """As `count`; an account never seen before is made, and a missing folder is INBOX."""
    for attempt in (folder, folder, INBOX):
        try:
            return _counted(con, _BY_NAME, (*counts, name, attempt))
        except NoSuchMailbox:
            account_id(con, name, fresh, now)
    raise NoSuchMailbox(detail=f"account {name!r} has no INBOX")


def _counted(con: apsw.Connection, sql: str, parameters: Sequence[int | str]) -> Counted:
    found = fetch(con, sql, parameters)
    if not found:
        raise NoSuchMailbox()
    return Counted(*found[0])
