"""What a database of mail holds, in numbers: from counts that are kept anyway where there are some, else from narrow scans."""

from __future__ import annotations

from typing import Any

import apsw

from mailframe.sqlite.rows import fetch

_LARGEST = 10


def mail(con: apsw.Connection) -> dict[str, Any]:
    """Accounts, mailboxes, messages, their octets, the log of expunges, and who has most."""
    mailboxes, messages, octets, unseen = fetch(con, """
        SELECT count(*), coalesce(sum(messages), 0), coalesce(sum(size), 0), coalesce(sum(unseen), 0) FROM mailbox
        WHERE name IS NOT NULL""")[0]
    return {
        "accounts": _count(con, "account"), "mailboxes": mailboxes, "messages": messages, "octets": octets, "unseen": unseen,
        "deleted_mailboxes": fetch(con, "SELECT count(*) FROM mailbox INDEXED BY mailbox_deleted WHERE name IS NULL")[0][0],
        "expunged_lately": _count(con, "lingering"), "expunge_log": _count(con, "vanished"),
        "largest_accounts": [
            {"account": name, "messages": count, "octets": size} for name, count, size in fetch(con, f"""
                SELECT account.name, sum(messages), sum(size) AS octets FROM mailbox JOIN account ON account.id = account
                WHERE mailbox.name IS NOT NULL GROUP BY account.id HAVING octets > 0 ORDER BY octets DESC LIMIT {_LARGEST}""")],
        "largest_mailboxes": [
            {"account": account, "mailbox": name, "messages": count, "octets": size}
            for account, name, count, size in fetch(con, f"""
                SELECT account.name, mailbox.name, messages, size FROM mailbox JOIN account ON account.id = account
                WHERE mailbox.name IS NOT NULL AND size > 0 ORDER BY size DESC LIMIT {_LARGEST}""")],
    }


def content(con: apsw.Connection) -> dict[str, Any]:
    """Octets kept, octets that sharing saves (each reference beyond the first), and what waits to be swept."""
    kept, octets, saved = fetch(con, """
        SELECT count(*), coalesce(sum(size), 0), coalesce(sum(size * (refs - 1)), 0) FROM content WHERE refs > 0""")[0]
    waiting, waiting_octets = fetch(
        con, "SELECT count(*), coalesce(sum(size), 0) FROM content INDEXED BY content_idle WHERE refs = 0")[0]
    return {"contents": kept, "content_octets": octets, "saved_by_sharing": saved, "to_be_swept": waiting,
            "to_be_swept_octets": waiting_octets}


def _count(con: apsw.Connection, table: str) -> int:
    return int(fetch(con, f"SELECT count(*) FROM {table}")[0][0])
