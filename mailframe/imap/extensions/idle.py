"""IDLE (RFC 2177): news as it happens."""

from __future__ import annotations

from ..commands.anytime import no_arguments
from ..cursor import BadSyntax
from ..registry import Command, Completion, Context, Effect, Extension, State


async def idle(context: Context, _: None) -> Completion:
    """Until DONE."""
    context.out.write(b"+ idling\r\n")
    line = None
    while line is None:
        if context.selected_or_none is not None:
            await context.sync(True)
            if context.selected_or_none is None:        # deleted; BYE was said
                return Completion(b"IDLE ended")
        await context.tell_others()
        line = await context.news()
    if line.upper() != b"DONE":
        raise BadSyntax("DONE expected")
    return Completion(b"IDLE completed")


EXTENSION = Extension(
    capability=b"IDLE", rfc="2177", announced=State.LOGGED_IN,
    commands=(Command(b"IDLE", State.LOGGED_IN, no_arguments, idle, Effect.MAY_EXPUNGE),),
)
