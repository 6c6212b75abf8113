"""One mailbox: reads at once, changes as jobs of the writer, a hint to listeners after the commit."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

import apsw
from twisted.internet.task import deferLater
from zope.interface import implementer

from mailframe.interfaces.store import (
    IAttributeCache,
    ICopyable,
    IMailbox,
    IModSequenced,
    IMovable,
    IObjectIds,
    IRecent,
    IReplaces,
    ISaveDates,
)
from mailframe.model.flags import FlagChange
from mailframe.model.mailbox import Attributes, Changes, Field, FlagsStored, MailboxStatus, New, Rows, UidRanges
from mailframe.model.refusal import NoSuchMailbox, NoSuchMessage, Refusal
from mailframe.sqlite.errors import EngineError
from mailframe.sqlite.pieces import PIECE, PIECE_BITS
from mailframe.sqlite.rows import Row
from mailframe.stores import keywords

from . import arrivals, copies, departures, flagging, replacing
from .columns import SERVES
from .keywordtable import grow, table
from .listing import flag_columns, listing
from .parts import Parts
from .schema import BY_CHANGE, MAX_INTEGER
from .tree import mailbox_number, require

# Scalar subqueries: 8 us for 10 KiB, where the same as LEFT JOINs takes 13.
_READ = f"""
    SELECT (SELECT h.octets FROM head AS h WHERE h.mailbox = m.mailbox AND h.uid = m.uid), m.content,
        (SELECT p.octets FROM piece AS p WHERE p.id = m.content << {PIECE_BITS} AND m.size <= {PIECE})
    FROM message AS m WHERE m.mailbox = ? AND m.uid = ?"""
#: (NULL, forgotten, modseq) of the mailbox, then (uid, flags, modseq) of what changed, then (uid, NULL, NULL) of what is gone.
_CHANGES = f"""
    SELECT NULL, forgotten, modseq FROM mailbox WHERE id = ?1 AND name IS NOT NULL
    UNION ALL SELECT uid, flags, modseq FROM {BY_CHANGE.replace("?", "?1")} AND modseq > ?2
    UNION ALL SELECT uid, NULL, NULL FROM vanished WHERE mailbox = ?1 AND modseq > ?2"""
_INLINE = 1_000             # changes read in the reactor's thread
_SLICE = 5_000              # of more, so many are made columns in one of the reactor's turns: some 2 ms


@implementer(IMailbox, ICopyable, IMovable, IReplaces, IModSequenced, IAttributeCache, IRecent, IObjectIds, ISaveDates)
class SqliteMailbox:
    """Holds nothing but its number: any number of these may stand for one mailbox."""

    def __init__(self, parts: Parts, account: int, number: int) -> None:
        self.id = str(number)
        self._parts = parts
        self._engine = parts.engine
        self._account = account
        self._number = number

    async def status(self) -> MailboxStatus:
        found = await self._engine.query("""
            SELECT uidvalidity, uidnext, messages, unseen, deleted, size, modseq, modseq FROM mailbox
            WHERE id = ? AND name IS NOT NULL""", (self._number,))
        if not found:
            raise NoSuchMailbox()
        return MailboxStatus(*found[0])

    async def keywords(self, add: Sequence[str]) -> tuple[str, ...]:
        found = await self._engine.query("SELECT word FROM keyword WHERE mailbox = ? ORDER BY number", (self._number,))
        words = tuple(row[0] for row in found)
        if not keywords.missing(words, add):
            return words

        def job(con: apsw.Connection) -> tuple[str, ...]:
            require(con, self._account, self._number)
            old = table(con, self._number)
            new = keywords.grown(old, add)
            grow(con, self._number, old, new)
            return new
        return await self._engine.submit(job)

    async def rows(self, ranges: UidRanges, limit: int, fields: Field) -> Rows:
        if not fields & ~SERVES and not self._engine.slow:
            known = self._parts.columns.of(self._number).rows(ranges, limit, fields)
            if known is not None:
                return known
        return await listing(self._engine, self._number, ranges, limit, fields, self._parts.attributes_version)

    async def read(self, uid: int, offset: int, size: int) -> bytes:
        engine, where = self._engine, (self._number, uid)
        found = await engine.read_async(_READ, where) if engine.slow else engine.read(_READ, where)
        if not found:
            found = await self._engine.query("""
                SELECT h.octets, l.content, NULL FROM lingering AS l LEFT JOIN head AS h USING (mailbox, uid)
                WHERE mailbox = ? AND uid = ?""", (self._number, uid))
            if not found:
                raise NoSuchMessage(detail=f"mailbox {self._number} uid {uid}")
        head, content, octets = found[0]
        head = head or b""
        if octets is not None:
            whole: bytes = head + octets
            return whole if offset == 0 and size >= len(whole) else whole[offset:offset + size]
        part: bytes = head[offset:offset + size]
        rest = size - len(part)
        if rest:
            part += await self._parts.content.read(content, max(offset - len(head), 0), rest)
        return part

    async def append(self, messages: Sequence[New]) -> array[int]:
        if self._parts.adopt is not None:
            messages = await self._parts.adopt(messages)
        links = [arrivals.links_of(message) for message in messages]
        uids = await self._change(lambda con: arrivals.append(
            con, self._parts.content, self._parts.settings, self._number, messages, links), _in_hand(messages))
        return array("I", uids)

    async def set_flags(self, uids: Sequence[int], change: FlagChange, unchanged_since: int | None) -> FlagsStored:
        rows, refused, modseq = await self._engine.submit(
            flagging.job(flagging.Flagging(self._number, uids, change, unchanged_since)))
        if modseq:
            self._parts.tell_up_to(self._account, self._number, modseq)
        return FlagsStored(flag_columns(rows), array("I", refused))

    async def expunge(self, uids: Sequence[int] | None, only_deleted: bool) -> array[int]:
        now = self._parts.clock.seconds()
        return array("I", await self._change(lambda con: departures.expunge(con, self._number, uids, only_deleted, now)))

    async def changes(self, cursor: object) -> Changes | None:
        return await self._parts.crowd.changes(self._number, cursor, self._changes)

    async def _changes(self, cursor: object) -> Changes | None:
        """All after `cursor`, as one statement and so at one instant: no change is told without the expunges before it."""
        since = cursor if isinstance(cursor, int) else MAX_INTEGER
        found = await self._engine.query(f"{_CHANGES} LIMIT {_INLINE}", (self._number, since))
        if len(found) == _INLINE:
            found = await self._engine.query(_CHANGES, (self._number, since), bulk=True)
        if not found or found[0][0] is not None:
            raise NoSuchMailbox()
        _, forgotten, modseq = found.pop(0)
        if not isinstance(cursor, int) or cursor > modseq:      # not ours, or the file was put back from a backup
            return None
        if forgotten > cursor:
            return None                 # some expunges since then are no longer in the log
        gone = len(found)
        while gone and found[gone - 1][1] is None:
            gone -= 1
        vanished = array("I", sorted([row[0] for row in found[gone:]]))
        del found[gone:]
        found.sort()
        return Changes(modseq, await self._sliced(found), vanished)

    async def copy(self, uids: Sequence[int], target_id: str) -> tuple[array[int], array[int]]:
        target, saved = mailbox_number(target_id), int(self._parts.clock.seconds())
        old, new = await self._engine.submit(
            lambda con: copies.copy(con, self._account, self._number, uids, target, saved, self._parts.settings))
        return await self._copied(old, target, new)

    async def move(self, uids: Sequence[int], target_id: str) -> tuple[array[int], array[int]]:
        target, now = mailbox_number(target_id), self._parts.clock.seconds()
        old, new = await self._engine.submit(
            lambda con: copies.move(con, self._account, self._number, uids, target, now))
        if old:
            self._tell(self._number)
        return await self._copied(old, target, new)

    async def replace(self, uid: int, target_id: str, message: New) -> int:
        target, now = mailbox_number(target_id), self._parts.clock.seconds()
        messages: Sequence[New] = (message,)
        if self._parts.adopt is not None:
            messages = await self._parts.adopt(messages)
        links = [arrivals.links_of(each) for each in messages]
        new = await self._engine.submit(lambda con: replacing.replace(
            con, self._parts, (self._account, self._number, uid), target, messages, links, now), _in_hand(messages))
        self._tell(self._number)
        if target != self._number:
            self._tell(target)
        return new

    async def _copied(self, old: Sequence[int], target: int, new: range) -> tuple[array[int], array[int]]:
        if old:
            self._tell(target)
        if len(old) > copies.SLICE:
            with suppress(Refusal, EngineError):        # the copy itself is durable, and what is missing is made anew
                for start in range(0, len(old), copies.SLICE):
                    await self._engine.submit(partial(
                        copies.copy_attributes, source=self._number, old=old[start:start + copies.SLICE], target=target,
                        first=new[start]))
        return array("I", old), array("I", new)

    async def remember(self, uids: Sequence[int], attributes: Sequence[Attributes]) -> None:
        rows = [(self._number, uid, known.version, known.envelope, known.structure, known.index, known.preview)
                for uid, known in zip(uids, attributes, strict=True)]

        def job(con: apsw.Connection) -> None:
            con.executemany("""
                INSERT OR REPLACE INTO attributes SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
                WHERE EXISTS (SELECT 1 FROM message WHERE mailbox = ?1 AND uid = ?2)""", rows)
        await self._engine.submit(job, sum(sum(map(len, row[3:])) for row in rows))

    async def recent_from(self) -> int:
        return await self._parts.crowd.recent_from(self._number)

    async def claim_recent(self) -> int:
        return await self._parts.crowd.claim_recent(self._number)

    async def _sliced(self, found: list[Row]) -> Rows:
        """Rows of UID, flags and mod-sequence as columns. `found` is emptied: to free a million tuples at once takes long, too."""
        slices = [found[start:start + _SLICE] for start in range(0, len(found), _SLICE)]
        found.clear()
        rows = Rows()
        for number, some in enumerate(slices):
            if number:
                await deferLater(self._parts.clock, 0)
            part = flag_columns(some)
            rows.uids += part.uids
            rows.flags += part.flags
            rows.modseqs += part.modseqs
            some.clear()
        return rows

    async def _change(self, job: Callable[[apsw.Connection], Sequence[int]], size: int = 0) -> Sequence[int]:
        """Run a job that yields the UIDs it has touched, and hint at the change if there are any."""
        uids = await self._engine.submit(job, size)
        if uids:
            self._tell(self._number)
        return uids

    def _tell(self, number: int) -> None:
        self._parts.tell(self._account, str(number))


def _in_hand(messages: Sequence[New]) -> int:
    """Octets that the writer has to write."""
    return sum(len(message.content) + len(message.head) for message in messages if isinstance(message.content, bytes))
