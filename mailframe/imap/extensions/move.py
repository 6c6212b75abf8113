"""MOVE and UID MOVE (RFC 6851): in one step where the store can, else a durable copy, then an expunge."""

from __future__ import annotations

from array import array

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IMovable
from mailframe.model.refusal import NoSuchMailbox, NoSuchMessage

from ..commands.copy import CopyRequest, parse
from ..conditional import expunge_completion
from ..copying import LARGE, Pairs, Target, copy, copy_uid, direct, find_target, try_create
from ..expunged import expunged
from ..limits import last_of
from ..permission import must
from ..registry import Command, Completion, Context, Effect, Extension, State
from ..writable import writable


async def run(context: Context, request: CopyRequest) -> Completion | None:
    """COPYUID goes out untagged, before the EXPUNGEs that the session tells (RFC 6851 section 4.3)."""
    selected = writable(context)
    await must(selected.mailbox, "te")          # COPY, STORE and EXPUNGE in one: never half of it (RFC 6851 section 4)
    uids = context.view.uids_in(last_of(context, context.view.spans(request.messages)))
    target = await find_target(context, request.target)
    if not uids:
        return None
    if IMovable.providedBy(selected.mailbox) and target.info.id != selected.info.id and direct(selected.info, target.info):
        movable: IMovable = selected.mailbox
        if len(uids) >= LARGE:
            context.progress(0, len(uids))
        pairs = await _move(movable, uids, target)
    else:
        pairs = await copy(context, uids, target)
        if pairs[0]:
            await expunged(selected.mailbox, pairs[0], only_deleted=False)
    if pairs[0]:
        code = await copy_uid(target, pairs)
        if code:
            context.out.untagged(b"OK [%b] Moved" % code)
    elif not request.messages.by_uid:
        raise NoSuchMessage("The messages are gone")
    return await expunge_completion(context, b"MOVE")


async def _move(mailbox: IMovable, uids: array[int], target: Target) -> Pairs:
    try:
        return await settled(mailbox.move(uids, target.info.id))
    except NoSuchMailbox as error:
        raise try_create(error) from None


EXTENSION = Extension(
    capability=b"MOVE", rfc="6851", announced=State.LOGGED_IN,
    commands=(
        Command(b"MOVE", State.SELECTED, parse, run, Effect.READS_SEQ | Effect.MAY_EXPUNGE | Effect.CHANGES),
        Command(b"UID MOVE", State.SELECTED, parse, run, Effect.MAY_EXPUNGE | Effect.CHANGES),
    ),
)
