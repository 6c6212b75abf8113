"""Opening a mailbox into a view, and keeping the view true to the store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from functools import reduce
from operator import or_

from twisted.logger import Logger

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IMailbox, IRecent
from mailframe.model.flags import FIRST_KEYWORD_BIT, MAX_KEYWORDS
from mailframe.model.mailbox import MAX_UID, Changes, Field, MailboxInfo, MailboxStatus, Rows
from mailframe.model.refusal import Refusal
from mailframe.model.rights import flags_by, has

from . import writer
from .permission import rights_in
from .registry import Selected
from .view import NONE_RECENT, Telling, View
from .writer import Writer

_log = Logger()

SLICE = 2_000           # changes taken in without a pause
BATCH = 10_000          # messages listed at once: a few milliseconds of work

Breathe = Callable[[], Awaitable[None]]


async def listed(mailbox: IMailbox, fields: Field, breathe: Breathe) -> Rows:
    """Uids and `fields` (of FLAGS, MODSEQ) of the whole mailbox."""
    found = Rows()
    first = 1
    while True:
        rows: Rows = await settled(mailbox.rows([(first, MAX_UID)], BATCH, fields))
        found.uids += rows.uids
        found.flags += rows.flags
        found.modseqs += rows.modseqs
        if len(rows) < BATCH or rows.uids[-1] == MAX_UID:
            return found
        first = rows.uids[-1] + 1
        await breathe()


async def opened(
    mailbox: IMailbox, info: MailboxInfo, read_only: bool, breathe: Breathe, *, claims: bool,
) -> tuple[Selected, MailboxStatus]:
    """Raises NoSuchMailbox. The status is taken first: what comes after its cursor is told as news, so nothing is missed.
    `claims`: whether messages are \\Recent in this session."""
    status: MailboxStatus = await settled(mailbox.status())
    fields = Field.FLAGS | Field.MODSEQ if status.highest_modseq else Field.FLAGS
    rows = await listed(mailbox, fields, breathe)
    recent = await _claim(mailbox) if claims else NONE_RECENT
    keywords: tuple[str, ...] = await settled(mailbox.keywords(()))
    view = View(rows, recent)
    selected = Selected(info, mailbox, view, read_only, keywords, status.cursor, uidnext=status.uidnext,
                        heard_below=status.uidnext, rights=await rights_in(mailbox))
    selected.seen_modseq = selected.told_modseq = status.highest_modseq
    return selected, status


async def _claim(mailbox: IMailbox) -> int:
    """Not for EXAMINE, which takes \\Recent from nobody (RFC 3501 section 6.3.2), nor in IMAP4rev2, which has none.
    A store that cannot write just now still lets people read."""
    if not IRecent.providedBy(mailbox):
        return NONE_RECENT
    recent: IRecent = mailbox
    try:
        return await settled(recent.claim_recent())
    except Refusal as refusal:
        if not refusal.temporary:
            raise
        _log.warn("messages stay recent for another session: {detail}", detail=refusal.detail or refusal.public)
        return NONE_RECENT


async def catch_up(selected: Selected, breathe: Breathe, *, claims: bool) -> None:
    """Ask the store what happened; the view then has news to tell. Raises NoSuchMailbox when the mailbox was deleted."""
    selected.dirty = False              # first: a hint that comes while we ask is a hint to ask again
    mailbox, view = selected.mailbox, selected.view
    changes: Changes | None = await settled(mailbox.changes(selected.cursor))
    known = len(view)
    if changes is not None:
        selected.cursor = changes.cursor
        rows = changes.rows
        await _apply(view, rows, changes.vanished, breathe)
    else:
        status: MailboxStatus = await settled(mailbox.status())
        fields = Field.FLAGS | Field.MODSEQ if status.highest_modseq else Field.FLAGS
        rows, vanished = view.differs(await listed(mailbox, fields, breathe))
        await _apply(view, rows, vanished, breathe)
        selected.cursor = status.cursor
    if rows.modseqs:
        selected.seen_modseq = max(selected.seen_modseq, max(rows.modseqs))
    if claims and len(view) != known:
        view.claim(await _claim(mailbox))


async def _apply(view: View, rows: Rows, vanished: Sequence[int], breathe: Breathe) -> None:
    """In slices: another session may have flagged or expunged a hundred thousand messages at once (I2)."""
    if len(rows) + len(vanished) <= SLICE:
        view.apply(rows, vanished)
        return
    for start in range(0, max(len(rows), len(vanished)), SLICE):
        stop = start + SLICE
        view.apply(Rows(rows.uids[start:stop], rows.flags[start:stop], rows.modseqs[start:stop]), vanished[start:stop])
        await breathe()


async def tell(selected: Selected, out: Writer, pause: Breathe, how: Telling, expunge: bool) -> None:
    """Write what the view has to tell, and what followers say of it."""
    if not selected.followers:
        await _tell_view(selected, out, pause, how, expunge)
        return
    gone = selected.view.gone if expunge else []
    for follower in tuple(selected.followers.values()) if gone else ():
        await follower.leaving(gone)
    await _tell_view(selected, out, pause, how, expunge)
    touched = sorted(selected.view.touched or ())
    for follower in tuple(selected.followers.values()):
        await follower.changed(touched)
    if selected.view.touched:
        selected.view.touched.difference_update(touched)


async def count(selected: Selected, out: Writer, how: Telling) -> None:
    """Write how many there are, for a command that is about to tell flags itself; `tell` does the rest when it has."""
    await know_keywords(selected, out, (selected.view.changed_mask(),))
    out.write(b"".join(selected.view.tell(how, False)))


async def _tell_view(selected: Selected, out: Writer, pause: Breathe, how: Telling, expunge: bool) -> None:
    """New keywords before the flags that use them; `pause` between long pieces."""
    view = selected.view
    if not view.has_news:
        selected.told_modseq = selected.seen_modseq
        return
    known = FIRST_KEYWORD_BIT + len(selected.keywords)
    if (how.flags or view.last_told != (view.uids[-1] if view.uids else 0)) and view.changed_mask() >> known:
        how = replace(how, keywords=await refresh_keywords(selected, out))
    pieces = 0
    for lines in view.telling(how, expunge):
        if lines:
            if pieces:
                await pause()
            out.write(b"".join(lines))
            pieces += 1
    if how.flags and not view.owes_expunge:
        selected.told_modseq = selected.seen_modseq


async def refresh_keywords(selected: Selected, out: Writer, add: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The mailbox's keyword table as it is now, told to the client when it grew."""
    keywords: tuple[str, ...] = await settled(selected.mailbox.keywords(add))
    if keywords != selected.keywords:
        selected.keywords = keywords
        for line in flag_lines(selected):
            out.untagged(line)
    return keywords


async def refresh_rights(selected: Selected, out: Writer) -> None:
    """Somebody may have granted more, or less: the flags that are kept are told anew (RFC 4314 section 5.1.1)."""
    rights = await rights_in(selected.mailbox)
    if rights != selected.rights:
        selected.rights = rights
        for line in flag_lines(selected):
            out.untagged(line)


async def know_keywords(selected: Selected, out: Writer, flags: Iterable[int]) -> bool:
    """Before `flags` are told: another session may have made the keywords in them. Whether the table had to be asked for."""
    if not reduce(or_, flags, 0) >> FIRST_KEYWORD_BIT + len(selected.keywords):
        return False
    await refresh_keywords(selected, out)
    return True


def flag_lines(selected: Selected) -> list[bytes]:
    """FLAGS and PERMANENTFLAGS, as SELECT tells them (RFC 3501 section 7.1, 7.2.6)."""
    every = (1 << FIRST_KEYWORD_BIT + len(selected.keywords)) - 1
    kept = writer.flags(0 if selected.read_only else every & flags_by(selected.rights), selected.keywords)
    if not selected.read_only and has(selected.rights, "w") and len(selected.keywords) < MAX_KEYWORDS:
        kept = kept[:-1] + b" \\*)"
    return [b"FLAGS " + writer.flags(every, selected.keywords), b"OK [PERMANENTFLAGS " + kept + b"] Flags that are kept"]
