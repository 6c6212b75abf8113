"""CAPABILITY, NOOP, LOGOUT: allowed in any state (RFC 3501 section 6.1)."""

from __future__ import annotations

from ..cursor import Cursor
from ..registry import Command, Completion, Context, Effect, Extension, State


def no_arguments(args: Cursor) -> None:
    """The grammar of a command that is its name alone."""
    args.end()


async def capability(context: Context, _: None) -> None:
    context.out.untagged(context.capability_line())


async def noop(context: Context, _: None) -> None:
    """Its Effect does all there is to do."""


async def logout(context: Context, _: None) -> Completion:
    context.unselect()
    context.bye("Good bye")
    return Completion(b"LOGOUT completed")


EXTENSION = Extension(
    capability=b"IMAP4rev1", rfc="3501",
    commands=(
        Command(b"CAPABILITY", State.ANY, no_arguments, capability),
        Command(b"NOOP", State.ANY, no_arguments, noop, Effect.POLLS | Effect.MAY_EXPUNGE),
        Command(b"LOGOUT", State.ANY, no_arguments, logout, Effect.NONE),
    ),
)
