"""Copying messages to another mailbox of the account: by the store where it can, else by reading and appending."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TypeAlias

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import ICopyable, IMailbox
from mailframe.model.flags import FIRST_KEYWORD_BIT, keyword_bit
from mailframe.model.mailbox import Field, MailboxInfo, MailboxStatus, New, Rows, uid_ranges
from mailframe.model.refusal import LimitReached, NoSuchMailbox, NoSuchMessage, Refusal
from mailframe.model.rights import flags_by, has
from mailframe.pacing.breath import Breath
from mailframe.staging.intake import Intake

from .items.message import SLICE
from .numset import render_numbers
from .paging import Pager
from .registry import Context

LARGE = 2_000                   # messages whose copying the store may take seconds for
PAGE = 500                      # messages whose flags and dates are read at once
MAX_HELD = 128 * 1_048_576      # octets of one COPY in memory, for a store that can neither copy nor stage content
SYSTEM_MASK = (1 << FIRST_KEYWORD_BIT) - 1

Pairs: TypeAlias = "tuple[array[int], array[int]]"


@dataclass(frozen=True, slots=True)
class Target:
    """The mailbox that messages go to, or come from."""

    info: MailboxInfo
    mailbox: IMailbox


async def find_target(context: Context, name: str) -> Target:
    """Raises NoSuchMailbox with TRYCREATE (RFC 3501 section 6.4.7)."""
    try:
        info = await context.find(name, "i")
        return Target(info, await settled(context.account.open_mailbox(info.id)))
    except NoSuchMailbox as error:
        raise try_create(error) from None


def try_create(error: NoSuchMailbox) -> Refusal:
    return NoSuchMailbox(error.public, detail=error.detail, imap_code=b"TRYCREATE")


async def copy(context: Context, uids: array[int], target: Target) -> Pairs:
    """`copy_from` the selected mailbox."""
    selected = context.selected
    if len(uids) >= LARGE:
        context.progress(0, len(uids))
    pairs = await copy_from(context, Target(selected.info, selected.mailbox), uids, target)
    selected.put(target.info, pairs[1])
    return pairs


def direct(source: MailboxInfo, target: MailboxInfo) -> bool:
    """Whether a store may do it by itself: within one account, and with the right to set whatever flags go along."""
    return source.owner == target.owner and has(target.rights, "istw")


async def copy_from(context: Context, place: Target, uids: array[int], target: Target) -> Pairs:
    """(UIDs that existed, their new UIDs), pairwise; all or none, durable on return. Raises NoSuchMailbox with TRYCREATE."""
    source = place.mailbox
    try:
        if ICopyable.providedBy(source) and direct(place.info, target.info):
            copyable: ICopyable = source
            return await settled(copyable.copy(uids, target.info.id))
        return await _Emulated(context, source, target).copy(uids)
    except NoSuchMailbox as error:
        raise try_create(error) from None


async def copy_uid(target: Target, pairs: Pairs) -> bytes:
    """The COPYUID response code (RFC 4315 section 3); b"" when nothing was copied, or the user may not look in there."""
    if not pairs[0] or not has(target.info.rights, "r"):
        return b""
    status: MailboxStatus = await settled(target.mailbox.status())
    return b"COPYUID %d %b %b" % (status.uidvalidity, render_numbers(pairs[0]), render_numbers(pairs[1]))


class _Emulated:
    """One COPY over a store that has no `ICopyable`."""

    def __init__(self, context: Context, source: IMailbox, target: Target) -> None:
        self._context, self._mailbox, self._target = context, source, target
        self._breath = Breath(context.clock.seconds, context.breathe)
        self._held = 0
        self._bits: dict[int, int] = {}

    async def copy(self, uids: Sequence[int]) -> Pairs:
        pager = Pager(self._mailbox, uid_ranges(uids), PAGE, Field.FLAGS | Field.DATE)
        copied, messages = array("I"), list[New]()
        while (rows := await pager.next()) is not None:
            if copied:
                self._context.progress(len(copied), len(uids))
            await self._know_keywords(rows)
            for uid, flags, date in zip(rows.uids, rows.flags, rows.dates):
                try:
                    message = await self._take(uid, self._translated(flags), date)
                except NoSuchMessage:
                    continue
                copied.append(uid)
                messages.append(message)
        return copied, await settled(self._target.mailbox.append(messages)) if messages else array("I")

    async def _take(self, uid: int, flags: int, date: int) -> New:
        intake = Intake(self._context.content, max_octets=MAX_HELD - self._held, scan=False)
        offset = 0
        while True:
            octets: bytes = await settled(self._mailbox.read(uid, offset, SLICE))
            await intake.write(octets)
            offset += len(octets)
            await self._breath.take()
            if len(octets) < SLICE:
                break
        if intake.in_memory:
            self._held += offset
            if self._held > MAX_HELD:
                raise LimitReached("Too much to copy at once")
        return (await intake.finish()).new(flags, date)

    async def _know_keywords(self, rows: Rows) -> None:
        """Make the keywords that these messages carry in the target, and know which bit there is which bit here."""
        used = reduce(or_, rows.flags, 0) & flags_by(self._target.info.rights)
        if not used & ~SYSTEM_MASK & ~sum(self._bits):
            return
        here: tuple[str, ...] = await settled(self._mailbox.keywords(()))
        names = [name for index, name in enumerate(here) if used & keyword_bit(index)]
        table: tuple[str, ...] = await settled(self._target.mailbox.keywords(names))
        there = [name.lower() for name in table]
        for name in names:
            self._bits[keyword_bit(here.index(name))] = keyword_bit(there.index(name.lower()))

    def _translated(self, flags: int) -> int:
        mask = flags & SYSTEM_MASK & flags_by(self._target.info.rights)       # of the others it gets none (RFC 4314 section 4)
        if flags & ~SYSTEM_MASK:
            for here, there in self._bits.items():
                if flags & here:
                    mask |= there
        return mask
