"""What must be true of the queue's rows; nothing is ever sent on whose octets are not all there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import apsw

from mailframe.sqlite.checking import Check
from mailframe.sqlite.contentcheck import Keep, Referrer, broken

from .codec import load_envelope, load_problem, load_recipient

QUEUED = Referrer("queue", "SELECT content, size AS want, id AS a, 0 AS b FROM queue_message", "'queued message ' || {a}")
_HOLD = "UPDATE queue_recipient SET held = 1 WHERE message = :id"


def lost(columns: Sequence[str]) -> Check:
    """Before its content is filled up: what is not whole is never sent, for lines about lost octets would be taken for its own."""
    return Check(
        f"SELECT a AS id, place FROM ({broken([QUEUED], columns)}) WHERE a IN (SELECT message FROM queue_recipient WHERE held = 0)",
        "{place}: is not whole and must not be sent", "put it on hold", _HOLD)


def checks(keep: Keep) -> tuple[Check, ...]:
    """`keep` makes a message of a content that nobody refers to."""
    def no_recipient(con: apsw.Connection, row: Mapping[str, Any]) -> None:
        con.execute("DELETE FROM queue_message WHERE id = ?", (row["id"],))
        keep(con, row)

    return (
        Check("""
            SELECT group_concat(id) AS ids, message, count(*) AS n, min(recipient) AS recipient FROM queue_recipient
            WHERE message NOT IN (SELECT id FROM queue_message) GROUP BY message""",
              "queued message {message}: is not there, and {n} recipients wait for it ({recipient})", "remove them",
              "DELETE FROM queue_recipient WHERE message = :message"),
        Check("""
            SELECT id, content, head FROM queue_message WHERE id NOT IN (SELECT message FROM queue_recipient)""",
              "queued message {id}: has no recipient", "keep it as a message of the account for what was found", no_recipient),
    )


def unreadable(con: apsw.Connection) -> list[Check]:
    """A check for each queued message whose envelope or recipients cannot be read and that is not on hold."""
    ids: set[int] = set()
    for message, envelope, recipient, problem in con.execute("""
            SELECT queue_message.id, envelope, recipient, problem FROM queue_message
            JOIN queue_recipient ON message = queue_message.id WHERE held = 0"""):
        try:
            load_envelope(envelope)
            load_recipient(recipient)
            load_problem(problem)
        except (ValueError, TypeError, KeyError, IndexError):
            ids.add(message)
    return [
        Check(f"SELECT id FROM queue_message WHERE id = {number}", "queued message {id}: its envelope cannot be read",
              "put it on hold", _HOLD)
        for number in sorted(ids)]
