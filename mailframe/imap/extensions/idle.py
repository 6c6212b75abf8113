"""IDLE (RFC 2177): news as it happens, after NOTIFY the same as between commands (RFC 5465 section 4), and where there is none
a sign of life, which also shows who is no longer there."""

from __future__ import annotations

from contextlib import suppress

from mailframe.model.refusal import NoSuchMailbox

from ..commands.anytime import no_arguments
from ..cursor import BadSyntax
from ..registry import Command, Completion, Context, Effect, Extension, State


async def idle(context: Context, _: None) -> Completion:
    """Until DONE. One timer serves the sign of life, and asking a store whose hints may be lost."""
    context.out.write(b"+ idling\r\n")
    keepalive_s = context.settings.idle_keepalive_s
    quiet_since = context.clock.seconds()
    line = None
    while line is None:
        if context.selected_or_none is not None:
            with suppress(NoSuchMailbox):       # the client has been told; in IMAP4rev2 it may idle on
                await _tell(context)
        if context.watcher is not None:
            await context.watcher.tell(context)
        await context.tell_others()
        now = context.clock.seconds()
        if keepalive_s and not context.out.pending and now - quiet_since >= keepalive_s:
            context.out.untagged(b"OK Still here")
        if context.out.pending:
            quiet_since = now
        line = await context.news(quiet_since + keepalive_s - now if keepalive_s else None)
    if line.upper() != b"DONE":
        raise BadSyntax("DONE expected")
    return Completion(b"IDLE completed")


async def _tell(context: Context) -> None:
    """The news, and EXISTS once more when a message came to the client's ears in the middle of another command.

    Thunderbird fetches what it hears of in IDLE or NOOP; an EXISTS among the answers to its STORE it does not act upon, and the
    message would not be seen until it asks by itself, ten minutes later.
    """
    selected = context.selected
    before = selected.view.uids[-1:]
    await context.sync(True)
    if context.selected_or_none is not selected:
        return
    last = selected.view.uids[-1:]
    if last and last == before and selected.heard_below <= last[0] <= selected.view.last_told:
        context.out.untagged(b"%d EXISTS" % len(selected.view))
    selected.listened()


EXTENSION = Extension(
    capability=b"IDLE", rfc="2177", announced=State.LOGGED_IN,
    commands=(Command(b"IDLE", State.LOGGED_IN, no_arguments, idle, Effect.MAY_EXPUNGE),),
)
