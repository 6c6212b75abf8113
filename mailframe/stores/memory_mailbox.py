"""One mailbox of the store in memory: a dictionary of messages by UID, and the log of what went."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from zope.interface import implementer

from mailframe.interfaces.store import (
    IAttributeCache,
    ICopyable,
    IMailbox,
    IModSequenced,
    IMovable,
    IRecent,
    IReplaces,
    ISaveDates,
)
from mailframe.model.flags import DELETED, SEEN, FlagChange
from mailframe.model.mailbox import Attributes, Changes, Field, FlagsStored, MailboxStatus, New, Rows, UidRanges
from mailframe.model.refusal import NoSuchMailbox, NoSuchMessage

from . import keywords

_GRACE_S = 600.0            # an expunged message is readable for so long
_UNKNOWN = Attributes(0, b"", b"", b"")


@dataclass(slots=True)
class _Message:
    flags: int
    modseq: int
    date: int
    saved: int
    octets: bytes
    email_id: str
    attributes: Attributes | None


@implementer(IMailbox, ICopyable, IMovable, IReplaces, IModSequenced, ISaveDates, IAttributeCache, IRecent)
class MemoryMailbox:
    """`siblings` are the account's mailboxes by id; `tell` hints at a change of one; `need_room` refuses messages of some sizes,
    where others of some sizes leave."""

    def __init__(
        self, mailbox_id: str, uidvalidity: int, siblings: Mapping[str, MemoryMailbox],
        octets: Callable[[bytes | str], bytes], now: Callable[[], float], tell: Callable[[str], None],
        need_room: Callable[[Sequence[int], Sequence[int]], None],
    ) -> None:
        self.id = mailbox_id
        self.deleted = False
        self._uidvalidity = uidvalidity
        self._siblings = siblings
        self._octets = octets
        self._now = now
        self._tell = tell
        self._need_room = need_room
        self.size = 0                   # octets of all messages
        self._uids = array("I")
        self._messages: dict[int, _Message] = {}
        self._gone: dict[int, tuple[float, bytes]] = {}
        self._vanished: list[tuple[int, int]] = []      # (modseq, uid)
        self._words: tuple[str, ...] = ()
        self._uidnext = 1
        self._recent = 1
        self._modseq = 1

    def __len__(self) -> int:
        return len(self._uids)

    async def status(self) -> MailboxStatus:
        self._require()
        messages = self._messages.values()
        return MailboxStatus(
            self._uidvalidity, self._uidnext, len(messages), sum(not message.flags & SEEN for message in messages),
            sum(bool(message.flags & DELETED) for message in messages), self.size,
            self._modseq, self._modseq)

    async def keywords(self, add: Sequence[str]) -> tuple[str, ...]:
        self._require()
        self._words = keywords.grown(self._words, add)
        return self._words

    async def rows(self, ranges: UidRanges, limit: int, fields: Field) -> Rows:
        found: list[int] = []
        for first, last in ranges:
            found += self._uids[bisect_left(self._uids, first):bisect_right(self._uids, last)][:limit - len(found)]
            if len(found) >= limit:
                break
        return self._columns(found, fields)

    async def read(self, uid: int, offset: int, size: int) -> bytes:
        if uid in self._messages:
            return self._messages[uid].octets[offset:offset + size]
        if uid in self._gone:
            return self._gone[uid][1][offset:offset + size]
        raise NoSuchMessage()

    async def append(self, messages: Sequence[New]) -> array[int]:
        self._require()
        made = [self._made(message) for message in messages]
        self._need_room([len(each.octets) for each in made], ())
        return self._add(made)

    def _made(self, message: New) -> _Message:
        octets = message.head + self._octets(message.content)
        return _Message(message.flags, 0, message.date, int(self._now()), octets, "", message.attributes)

    async def set_flags(self, uids: Sequence[int], change: FlagChange, unchanged_since: int | None) -> FlagsStored:
        self._require()
        stored, refused, modseq = array("I"), array("I"), self._modseq + 1
        for uid in uids:
            message = self._messages.get(uid)
            if message is None:
                continue
            if unchanged_since is not None and message.modseq > unchanged_since:
                refused.append(uid)
                continue
            stored.append(uid)
            flags = change.apply(message.flags)
            if flags != message.flags:
                message.flags, message.modseq, self._modseq = flags, modseq, modseq
        if self._modseq == modseq:
            self._tell(self.id)
        return FlagsStored(self._columns(stored, Field.FLAGS | Field.MODSEQ), refused)

    async def expunge(self, uids: Sequence[int] | None, only_deleted: bool) -> array[int]:
        self._require()
        return self._remove(uid for uid in (self._uids if uids is None else uids)
                            if uid in self._messages and (not only_deleted or self._messages[uid].flags & DELETED))

    async def changes(self, cursor: object) -> Changes | None:
        self._require()
        since = cursor if isinstance(cursor, int) else 0
        changed = [uid for uid, message in self._messages.items() if message.modseq > since]
        vanished = array("I", sorted(uid for modseq, uid in self._vanished if modseq > since))
        return Changes(self._modseq, self._columns(changed, Field.FLAGS | Field.MODSEQ), vanished)

    async def copy(self, uids: Sequence[int], target_id: str) -> tuple[array[int], array[int]]:
        self._need_room([len(self._messages[uid].octets) for uid in uids if uid in self._messages], ())
        return self._copied(uids, target_id)

    def _copied(self, uids: Sequence[int], target_id: str) -> tuple[array[int], array[int]]:
        self._require()
        if target_id not in self._siblings:
            raise NoSuchMailbox()
        target = self._siblings[target_id]
        existing = array("I", [uid for uid in uids if uid in self._messages])
        originals = [self._messages[uid] for uid in existing]
        target._words = keywords.carried(self._words, [message.flags for message in originals], target._words)
        saved = int(self._now())
        return existing, target._add([
            replace(message, flags=keywords.translate(message.flags, self._words, target._words), saved=saved)
            for message in originals])

    async def move(self, uids: Sequence[int], target_id: str) -> tuple[array[int], array[int]]:
        existing, new = self._copied(uids, target_id)
        self._remove(existing)
        return existing, new

    async def replace(self, uid: int, target_id: str, message: New) -> int:
        self._require()
        if target_id not in self._siblings:
            raise NoSuchMailbox()
        if uid not in self._messages:
            raise NoSuchMessage()
        made = self._made(message)
        self._need_room([len(made.octets)], [len(self._messages[uid].octets)])
        self._remove([uid])
        return self._siblings[target_id]._add([made])[0]

    async def remember(self, uids: Sequence[int], attributes: Sequence[Attributes]) -> None:
        for uid, found in zip(uids, attributes, strict=True):
            if uid in self._messages:
                self._messages[uid].attributes = found

    async def claim_recent(self) -> int:
        first, self._recent = await self.recent_from(), self._uidnext
        return first

    async def recent_from(self) -> int:
        return self._recent if self._recent < self._uidnext else 2**32

    def _add(self, messages: list[_Message]) -> array[int]:
        if not messages:
            return array("I")
        self._modseq += 1
        new = array("I", range(self._uidnext, self._uidnext + len(messages)))
        self._uidnext += len(messages)
        for uid, message in zip(new, messages, strict=True):
            message.modseq = self._modseq
            message.email_id = message.email_id or f"M{self._uidvalidity}-{uid}"
            self._messages[uid] = message
            self.size += len(message.octets)
        self._uids += new
        self._tell(self.id)
        return new

    def _remove(self, uids: Iterable[int]) -> array[int]:
        gone, now = array("I", uids), self._now()
        if not gone:
            return gone
        self._modseq += 1
        self._gone = {uid: kept for uid, kept in self._gone.items() if kept[0] > now - _GRACE_S}
        for uid in gone:
            self._gone[uid] = now, self._messages.pop(uid).octets
            self.size -= len(self._gone[uid][1])
            self._vanished.append((self._modseq, uid))
        self._uids = array("I", self._messages)
        self._tell(self.id)
        return gone

    def _columns(self, uids: Sequence[int], fields: Field) -> Rows:
        messages = [self._messages[uid] for uid in uids]
        known = [message.attributes or _UNKNOWN for message in messages]
        return Rows.of(uids, fields, {
            Field.FLAGS: (message.flags for message in messages), Field.MODSEQ: (message.modseq for message in messages),
            Field.SIZE: (len(message.octets) for message in messages), Field.DATE: (message.date for message in messages),
            Field.SAVED: (message.saved for message in messages), Field.ENVELOPE: (each.envelope for each in known),
            Field.STRUCTURE: (each.structure for each in known), Field.INDEX: (each.index for each in known),
            Field.PREVIEW: (each.preview for each in known), Field.EMAILID: (message.email_id for message in messages)})

    def _require(self) -> None:
        if self.deleted:
            raise NoSuchMailbox()
