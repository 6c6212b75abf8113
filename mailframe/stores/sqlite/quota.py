"""What an account holds and may hold (RFC 9208), as the writer's jobs ask for it."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from mailframe.model.mailbox import Quota
from mailframe.model.refusal import OverQuota
from mailframe.sqlite.rows import fetch

from .counting import Counted
from .settings import SqliteSettings

NO_LIMIT = -1       # in the account's row, where NULL is "as the settings say"

#: Octets and messages of an account's mailboxes, few rows along an index.
USED = "SELECT coalesce(sum(size), 0), coalesce(sum(messages), 0) FROM mailbox WHERE account = ? AND name IS NOT NULL"
LIMITS = "SELECT max_octets, max_messages FROM account WHERE id = ?"

Own = tuple[int | None, int | None]     # max_octets, max_messages as an account's row has them


def limits(own: Own, settings: SqliteSettings) -> tuple[int | None, int | None]:
    """What counts for an account: most octets and messages, None without a limit."""
    return _limit(own[0], settings.max_octets), _limit(own[1], settings.max_messages)


def too_much(
    con: apsw.Connection, counted: Counted, settings: SqliteSettings, sizes: Sequence[int],
) -> list[int]:
    """Which of the messages (their places) that were just counted up are too much, taken in their order.

    Costs nothing where there is no limit, and one statement where there is one."""
    if counted.max_octets is None and counted.max_messages is None and not settings.limited:
        return []
    max_octets, max_messages = limits((counted.max_octets, counted.max_messages), settings)
    if max_octets is None and max_messages is None:
        return []
    octets, messages = fetch(con, USED, (counted.account,))[0]
    octets_left = (octets if max_octets is None else max_octets) - octets
    messages_left = (messages if max_messages is None else max_messages) - messages
    if octets_left >= 0 and messages_left >= 0:
        return []
    # a dimension without a limit has room for all: what is left of it is what all of these take
    octets_left += sum(sizes)
    messages_left += len(sizes)
    refused = []
    for place, size in enumerate(sizes):
        if size <= octets_left and messages_left > 0:
            octets_left -= size
            messages_left -= 1
        else:
            refused.append(place)
    return refused


def refusal(con: apsw.Connection, account: int) -> OverQuota:
    """For the log with the account's name."""
    name = fetch(con, "SELECT name FROM account WHERE id = ?", (account,))[0][0]
    return OverQuota(detail=f"account {name} would hold more than it may")


def quota(used: Sequence[int], own: Own, settings: SqliteSettings) -> Quota:
    """For people."""
    return Quota(int(used[0]), int(used[1]), *limits(own, settings))


def set_limits(con: apsw.Connection, account: int, max_octets: int | None, max_messages: int | None) -> None:
    values = [NO_LIMIT if value is None else value for value in (max_octets, max_messages)]
    con.execute("UPDATE account SET max_octets = ?, max_messages = ? WHERE id = ?", (*values, account))


def _limit(own: int | None, default: int | None) -> int | None:
    return default if own is None else own if own >= 0 else None
