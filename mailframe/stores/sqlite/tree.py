"""What the writer does to accounts and their mailboxes."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from mailframe.model.mailbox import INBOX, MailboxInfo, NewMailbox
from mailframe.model.refusal import MailboxExists, NoSuchMailbox
from mailframe.sqlite.rows import fetch

from .schema import MAX_INTEGER


def account_id(con: apsw.Connection, name: str, fresh: Sequence[NewMailbox], now: int) -> int:
    """The account's row, made with `fresh` and INBOX where there is none."""
    found = fetch(con, "SELECT id FROM account WHERE name = ?", (name,))
    if found:
        return int(found[0][0])
    con.execute("INSERT INTO account (name, uidvalidity) VALUES (?, ?)", (name, now))
    account = con.last_insert_rowid()
    made: set[str] = set()
    for mailbox in (*fresh, NewMailbox(INBOX)):
        if mailbox.name not in made:
            made.add(mailbox.name)
            create(con, account, mailbox, now)
    return account


def create(con: apsw.Connection, account: int, mailbox: NewMailbox, now: int) -> MailboxInfo:
    """Raises MailboxExists. UIDVALIDITY grows over the account's life, so that no name meets an old one again."""
    if fetch(con, "SELECT 1 FROM mailbox WHERE account = ? AND name = ?", (account, mailbox.name)):
        raise MailboxExists()
    uidvalidity = fetch(
        con, "UPDATE account SET uidvalidity = max(uidvalidity + 1, ?) WHERE id = ? RETURNING uidvalidity", (now, account))[0][0]
    con.execute("INSERT INTO mailbox (account, name, special_use, uidvalidity) VALUES (?, ?, ?, ?)",
                (account, mailbox.name, mailbox.special_use, uidvalidity))
    mailbox_id = con.last_insert_rowid()
    if mailbox.subscribed:
        set_subscribed(con, account, mailbox.name, True)
    return MailboxInfo(str(mailbox_id), mailbox.name, mailbox.special_use)


def delete(con: apsw.Connection, account: int, mailbox: int, now: int) -> None:
    """Without a name it is gone for everybody; its rows go in slices later. INBOX comes again, empty."""
    con.execute("UPDATE mailbox SET name = NULL WHERE id = ?", (require(con, account, mailbox),))
    _ensure_inbox(con, account, now)


def rename(con: apsw.Connection, account: int, moves: Sequence[tuple[int, str]], now: int) -> None:
    """All or none; a renamed INBOX leaves an empty one behind (RFC 3501 section 6.3.5)."""
    for mailbox, _ in moves:
        require(con, account, mailbox)
        con.execute("UPDATE mailbox SET name = NULL WHERE id = ?", (mailbox,))     # so that names may change places
    for mailbox, name in moves:
        if fetch(con, "SELECT 1 FROM mailbox WHERE account = ? AND name = ?", (account, name)):
            raise MailboxExists()
        con.execute("UPDATE mailbox SET name = ? WHERE id = ?", (name, mailbox))
    _ensure_inbox(con, account, now)


def set_special_uses(con: apsw.Connection, account: int, uses: Sequence[tuple[int, str | None]]) -> None:
    for mailbox, use in uses:
        con.execute("UPDATE mailbox SET special_use = ? WHERE id = ?", (use, require(con, account, mailbox)))


def set_subscribed(con: apsw.Connection, account: int, name: str, subscribed: bool) -> None:
    if subscribed:
        con.execute("INSERT OR IGNORE INTO subscription VALUES (?, ?)", (account, name))
    else:
        con.execute("DELETE FROM subscription WHERE account = ? AND name = ?", (account, name))


def require(con: apsw.Connection, account: int, mailbox: int) -> int:
    """`mailbox`, which the account has. Raises NoSuchMailbox."""
    if not fetch(con, "SELECT 1 FROM mailbox WHERE id = ? AND account = ? AND name IS NOT NULL", (mailbox, account)):
        raise NoSuchMailbox()
    return mailbox


def mailbox_number(mailbox_id: str) -> int:
    """The row that an id at the seam means. Raises NoSuchMailbox for what never was one."""
    if not (mailbox_id.isascii() and mailbox_id.isdigit()) or int(mailbox_id) > MAX_INTEGER:
        raise NoSuchMailbox()
    return int(mailbox_id)


def _ensure_inbox(con: apsw.Connection, account: int, now: int) -> None:
    if not fetch(con, "SELECT 1 FROM mailbox WHERE account = ? AND name = ?", (account, INBOX)):
        create(con, account, NewMailbox(INBOX), now)
