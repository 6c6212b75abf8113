"""What a crowd of sessions in one mailbox asks at the same time, answered once: a delivery wakes them all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import apsw

from mailframe.model.mailbox import Changes
from mailframe.sqlite.engine import Engine
from mailframe.sqlite.rows import fetch

NONE_RECENT = 1 << 32
_MODSEQ = "SELECT modseq FROM mailbox WHERE id = ? AND name IS NOT NULL"
_RECENT = "SELECT recent FROM mailbox WHERE id = ? AND recent < uidnext"
_KEPT = 64              # answers, of whatever mailboxes: a crowd asks for the same one within some milliseconds
_MOST = 1_000           # messages in one that is kept; so all of them together are 2 MiB at worst


class Crowd:
    """For all mailboxes of one store.

      C1  An answer is kept by mailbox and cursor, and given only to who stands at that cursor while nothing has been committed
          since it was made, or the mailbox's row, read for him, still has the mod-sequence up to which the answer tells all. So it
          has every commit that was answered, as one made for him alone, and needs no hint to be forgotten. Who comes first asks
          no more than if he were alone.
      C2  Of what is recent each message goes to one claim: one that comes while another waits for the writer is told that
          there is nothing only as long as the row, read for it, shows that the other has not been written, and will take all.

    Answers are shared and must not be changed.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._kept: dict[tuple[int, int], tuple[Changes, int]] = {}     # with how many commits there had been
        self._claiming: dict[int, int] = {}         # by mailbox: from which UID on

    async def changes(
        self, number: int, cursor: object, ask: Callable[[object], Awaitable[Changes | None]],
    ) -> Changes | None:
        """What `ask` says of `cursor`, or said to another session (C1)."""
        if type(cursor) is not int:
            return await ask(cursor)
        known, kept_at = self._kept.get((number, cursor), (None, 0))
        commits = self._engine.commits      # before anything is read: the engine's lock keeps out who else might write the file
        if known is not None and (kept_at == commits or await self._engine.query(_MODSEQ, (number,)) == [(known.cursor,)]):
            if kept_at != commits:
                self._kept[number, cursor] = known, commits
            return known
        answer = await ask(cursor)
        if answer is not None and 0 < len(answer.rows) + len(answer.vanished) <= _MOST:
            if len(self._kept) >= _KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[number, cursor] = answer, commits
        return answer

    async def claim_recent(self, number: int) -> int:
        """See IRecent (C2)."""
        found = await self._engine.query(_RECENT, (number,))
        if not found or self._claiming.get(number) == found[0][0]:
            return NONE_RECENT
        first = self._claiming[number] = found[0][0]

        def job(con: apsw.Connection) -> int:
            found = fetch(con, _RECENT, (number,))      # again: another process may have been first
            con.execute("UPDATE mailbox SET recent = uidnext WHERE id = ?", (number,))
            return int(found[0][0]) if found else NONE_RECENT
        try:
            return await self._engine.submit(job)
        finally:
            if self._claiming.get(number) == first:
                del self._claiming[number]

    async def recent_from(self, number: int) -> int:
        """See IRecent."""
        found = await self._engine.query(_RECENT, (number,))
        return int(found[0][0]) if found else NONE_RECENT
