"""QRESYNC (RFC 7162 section 3.2): a client that comes back is told at once what is gone and what has changed.

No log of expunges is asked of a store: of the UIDs that the client may know, those that do not exist are told as vanished,
which the RFC allows and which takes ranges, not a record for each message that ever was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IModSequenced
from mailframe.model.mailbox import MailboxStatus

from .. import numset
from ..conditional import QRESYNC
from ..cursor import BadSyntax, Cursor
from ..registry import Context, Extension, State
from ..view import Telling, View


@dataclass(frozen=True, slots=True)
class Resync:
    """What the client knew: the mailbox's UIDVALIDITY, the mod-sequence, and the UIDs (None: any)."""

    uidvalidity: int
    modseq: int
    uids: numset.NumSet | None = None
    by_number: bool = False         # it told message numbers, too: a hint for shorter answers, and not needed here


def parse(args: Cursor) -> Resync:
    """``"(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")"`` (RFC 7162 section 7)."""
    args.expect(b"(")
    uidvalidity = args.nz_number()
    args.space()
    modseq = args.number64()
    uids, by_number = None, False
    if args.take(b" "):
        if args.peek() != b"(":
            uids = args.sequence_set()
            if uids.saved or any(numset.STAR in pair for pair in uids.pairs):
                raise BadSyntax("Known UIDs are numbers")
        if uids is None or args.take(b" "):
            args.list_of(args.sequence_set)
            by_number = True
    args.expect(b")")
    return Resync(uidvalidity, modseq, uids, by_number)


async def resync(context: Context, known: Resync, status: MailboxStatus) -> None:
    """Part of SELECT: what happened since. Nothing when UIDVALIDITY is another one (the client then starts afresh)."""
    view, selected = context.view, context.selected
    if known.uidvalidity != status.uidvalidity:
        return
    now: MailboxStatus = await settled(selected.mailbox.status())
    if known.modseq >= now.highest_modseq:      # as of now: between the status and the listing something may have gone
        return
    chosen = [(1, max(status.uidnext - 1, 1))] if known.uids is None else known.uids.resolve(0)
    tell_vanished(context, chosen, status.uidnext)
    spans = view.changed_since(numset.spans(chosen, view.uids), known.modseq)
    for lines in view.describing(spans, Telling(selected.keywords, True, True)):
        context.out.write(b"".join(lines))
        await context.drained()


def tell_vanished(context: Context, chosen: Sequence[tuple[int, int]], below: int) -> None:
    """Of these UIDs (under `below`) those that do not exist, in one line."""
    gone = missing(chosen, context.view, below)
    if gone:
        context.out.untagged(b"VANISHED (EARLIER) " + numset.render(gone))


def missing(chosen: Sequence[tuple[int, int]], view: View, below: int) -> list[tuple[int, int]]:
    """The ranges of `chosen` (ascending, disjoint), under `below`, without the view's UIDs."""
    found: list[tuple[int, int]] = []
    for low, high in chosen:
        high = min(high, below - 1)
        here = [view.uids[start:stop] for start, stop in numset.spans([(low, high)], view.uids)] if low <= high else []
        for first, last in (pair for uids in here for pair in numset.ranges_of(uids)):
            if low < first:
                found.append((low, first - 1))
            low = last + 1
        if low <= high:
            found.append((low, high))
    return found


EXTENSION = Extension(
    capability=QRESYNC, rfc="7162", needs=(IModSequenced,), announced=State.LOGGED_IN, enables=(QRESYNC,),
)
