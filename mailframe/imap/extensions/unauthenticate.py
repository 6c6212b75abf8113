"""UNAUTHENTICATE (RFC 8437): back to before the login on the same connection; TLS and compression stay."""

from __future__ import annotations

from ..commands.anytime import no_arguments
from ..registry import Command, Completion, Context, Effect, Extension, State


async def run(context: Context, _: None) -> Completion:
    """Nothing of the user is left: no mailbox, nothing enabled, nothing an extension remembered (section 3)."""
    context.log_out()
    return Completion(b"Log in again", context.capability_line())


EXTENSION = Extension(
    capability=b"UNAUTHENTICATE", rfc="8437", announced=State.LOGGED_IN,
    commands=(Command(b"UNAUTHENTICATE", State.LOGGED_IN, no_arguments, run, Effect.NONE),),
)
