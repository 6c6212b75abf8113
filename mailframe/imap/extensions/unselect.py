"""UNSELECT (RFC 3691): leave the mailbox and expunge nothing."""

from __future__ import annotations

from ..commands.anytime import no_arguments
from ..registry import Command, Context, Effect, Extension, State


async def unselect(context: Context, _: None) -> None:
    context.unselect()


EXTENSION = Extension(
    capability=b"UNSELECT", rfc="3691", announced=State.LOGGED_IN,
    commands=(Command(b"UNSELECT", State.SELECTED, no_arguments, unselect, Effect.NONE),),
)
