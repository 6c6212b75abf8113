"""What the writer does when one message takes another's place."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from mailframe.model.mailbox import Links, New
from mailframe.model.refusal import NoSuchMessage

from . import arrivals
from .departures import expunge
from .parts import Parts
from .tree import require


def replace(
    con: apsw.Connection, parts: Parts, old: tuple[int, int, int], target: int, messages: Sequence[New], links: Sequence[Links],
    now: float,
) -> int:
    """The new UID of the one message. `old` is (account, mailbox, UID). Raises NoSuchMailbox, NoSuchMessage, OverQuota.

    The old one goes first, so that its place counts as free; when the new one is refused, the job is undone as a whole."""
    account, source, uid = old
    require(con, account, source)
    require(con, account, target)
    if not expunge(con, source, (uid,), False, now):
        raise NoSuchMessage(detail=f"mailbox {source} uid {uid}")
    return arrivals.append(con, parts.content, parts.settings, target, messages, links)[0]
