"""IDLE (RFC 2177): news as it happens, the same as between commands after NOTIFY (RFC 5465 section 4)."""

from __future__ import annotations

from contextlib import suppress

from mailframe.model.refusal import NoSuchMailbox

from ..commands.anytime import no_arguments
from ..cursor import BadSyntax
from ..registry import Command, Completion, Context, Effect, Extension, State


async def idle(context: Context, _: None) -> Completion:
    """Until DONE."""
    context.out.write(b"+ idling\r\n")
    line, spoke = None, context.clock.seconds()
    while line is None:
        if context.selected_or_none is not None:
            with suppress(NoSuchMailbox):       # the client has been told; in IMAP4rev2 it may idle on
                await context.sync(True)
        if context.watcher is not None:
            await context.watcher.tell(context)
        if context.out.pending:
            spoke = context.clock.seconds()
        elif context.clock.seconds() - spoke >= context.settings.idle_keepalive_s:
            spoke = context.clock.seconds()
            context.out.untagged(b"OK Still here")
        line = await context.news()
    if line.upper() != b"DONE":
        raise BadSyntax("DONE expected")
    return Completion(b"IDLE completed")


EXTENSION = Extension(
    capability=b"IDLE", rfc="2177", announced=State.LOGGED_IN,
    commands=(Command(b"IDLE", State.LOGGED_IN, no_arguments, idle, Effect.MAY_EXPUNGE),),
)
