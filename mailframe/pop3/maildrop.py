"""The maildrop as one session sees it: INBOX at the moment of login, and what is marked to go (RFC 1939 section 4)."""

from __future__ import annotations

from array import array
from collections.abc import Awaitable, Callable, Iterator

from mailframe.interfaces.finding import found
from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IAccount, IMailbox
from mailframe.model.mailbox import INBOX, MAX_UID, Field
from mailframe.model.refusal import NoSuchMailbox

_BATCH = 4096                        # rows from one await, and lines of a listing between two looks at the client


class Maildrop:
    """Message number n is ``uids[n - 1]`` for the whole session, whatever others do to the mailbox meanwhile."""

    def __init__(self, mailbox: IMailbox, uidvalidity: int, uids: array[int], sizes: array[int]) -> None:
        self.mailbox = mailbox
        self.uidvalidity = uidvalidity
        self.uids = uids
        self.sizes = sizes
        self._marked = bytearray(len(uids))
        self.count = len(uids)       # of those not marked, as all totals
        self.octets = sum(sizes)

    def find(self, argument: bytes) -> int | None:
        """The index of the message with this number (``1*DIGIT``); None when there is none, or it is marked as deleted.

        A blank too many is no harm: some clients send one behind every command.
        """
        argument = argument.strip(b" ")
        if not argument.isdigit() or len(argument) > 10:
            return None
        index = int(argument) - 1
        if not 0 <= index < len(self._marked) or self._marked[index]:
            return None
        return index

    def unique_id(self, index: int) -> bytes:
        """Lasting (RFC 1939 section 7): UIDs are never used again under one UIDVALIDITY."""
        return b"%d.%d" % (self.uidvalidity, self.uids[index])

    def mark(self, index: int) -> None:
        self._marked[index] = 1
        self.count -= 1
        self.octets -= self.sizes[index]

    def reset(self) -> None:
        self._marked = bytearray(len(self.uids))
        self.count, self.octets = len(self.uids), sum(self.sizes)

    def marked_uids(self) -> list[int]:
        return [uid for uid, mark in zip(self.uids, self._marked) if mark]

    def sizes_listed(self) -> Iterator[bytes]:
        """LIST's lines, some thousands at a time."""
        for numbers in self._batches():
            yield b"".join([b"%d %d\r\n" % (index + 1, self.sizes[index]) for index in numbers if not self._marked[index]])

    def unique_ids_listed(self) -> Iterator[bytes]:
        """UIDL's lines, some thousands at a time."""
        for numbers in self._batches():
            yield b"".join([b"%d %b\r\n" % (index + 1, self.unique_id(index)) for index in numbers if not self._marked[index]])

    def _batches(self) -> Iterator[range]:
        for first in range(0, len(self.uids), _BATCH):
            yield range(first, min(first + _BATCH, len(self.uids)))


async def open_maildrop(account: IAccount, breathe: Callable[[], Awaitable[None]]) -> Maildrop:
    """INBOX as it is now. `breathe` is awaited between batches, so that a large one keeps nobody waiting (I2)."""
    info = await found(account, INBOX)
    if info is None:
        raise NoSuchMailbox(detail="the account has no INBOX")
    mailbox = await settled(account.open_mailbox(info.id))
    status = await settled(mailbox.status())
    uids, sizes = array("I"), array("Q")
    while not uids or uids[-1] < MAX_UID:
        first = uids[-1] + 1 if uids else 1
        rows = await settled(mailbox.rows(((first, MAX_UID),), _BATCH, Field.SIZE))
        uids.extend(rows.uids)
        sizes.extend(rows.sizes)
        if len(rows) < _BATCH:
            break
        await breathe()
    return Maildrop(mailbox, status.uidvalidity, uids, sizes)
