"""UIDBATCHES (RFC 10022): UID ranges that cut a mailbox into batches of equally many messages, the newest first.

Counted off in the view's column: a million messages cost as many steps as there are batches.
"""

from __future__ import annotations

from dataclasses import dataclass

from mailframe.model.refusal import LimitReached, Refusal

from .. import writer
from ..cursor import Cursor
from ..registry import Bad, Command, Context, Effect, Extension, Selected, State

LEAST = 500             # messages of a batch: batches are no way to learn message numbers (section 3.1.3.2)
MOST = 100_000          # messages that a range of batches may span (section 3.1.5)
MAX_REMEMBERED = 100    # requests of one session in one mailbox


class TooFew(Refusal):
    public, imap_code = f"The least batch is of {LEAST}", b"TOOFEW"


class TooMany(Refusal):
    public, imap_code = f"A range of batches spans at most {MOST} messages", b"TOOMANY"


class BadRange(Bad):
    code = b"CLIENTBUG"


@dataclass(frozen=True, slots=True)
class BatchesRequest:
    """Batches of `size` messages, of which `first` to `last`; None: all."""

    size: int
    wanted: tuple[int, int] | None = None


def parse(args: Cursor) -> BatchesRequest:
    """``"UIDBATCHES" SP nz-number [SP nz-number ":" nz-number]``."""
    args.space()
    size = args.nz_number()
    wanted = None
    if args.take(b" "):
        first = args.nz_number()
        args.expect(b":")
        wanted = first, args.nz_number()
    args.end()
    return BatchesRequest(size, wanted)


async def run(context: Context, request: BatchesRequest) -> None:
    """The result is none of SEARCH's: "$" stays what it was (section 3.4)."""
    first, last = request.wanted or (1, 1)
    if first > last:
        raise BadRange("The batches are named from the first to the last")
    if request.size < LEAST:
        raise TooFew
    if request.wanted is not None and (last - first + 1) * request.size > MOST:
        raise TooMany
    if context.selected.dirty or context.view.owes_expunge:
        await context.sync(True)        # a sequence number plays no part here
    _once(context.selected, request)
    ranges = context.view.batches(request.size, *request.wanted or (1, None))
    told = b",".join(b"%d:%d" % pair for pair in ranges)
    context.out.untagged(b"UIDBATCHES (TAG %b)" % writer.quoted(context.tag) + (b" " + told if told else b""))


def _once(selected: Selected, request: BatchesRequest) -> None:
    """Refuse what was asked before, unless half a batch has come or gone since (section 3.1.1)."""
    asked: dict[BatchesRequest, tuple[int, int]] = selected.extra.setdefault("UIDBATCHES", {})
    now = len(selected.view)
    if request in asked:
        before, last = asked[request]
        arrived = selected.view.above(last)
        if max(arrived, before + arrived - now) <= request.size // 2:
            raise LimitReached("The batches have hardly changed since you asked")
    if len(asked) >= MAX_REMEMBERED:
        asked.clear()
    asked[request] = now, selected.view.uids[-1] if now else 0


EXTENSION = Extension(
    capability=b"UIDBATCHES", rfc="10022", announced=State.LOGGED_IN,
    commands=(Command(b"UIDBATCHES", State.SELECTED, parse, run, Effect.MAY_EXPUNGE),),
)
