"""STARTTLS (RFC 3501 section 6.2.1)."""

from __future__ import annotations

from ..commands.anytime import no_arguments
from ..registry import Bad, Command, Completion, Context, Effect, Extension, State


async def starttls(context: Context, _: None) -> Completion:
    if not context.tls_available:
        raise Bad("TLS is on already" if context.secure else "TLS is not available")
    context.start_tls()
    return Completion(b"Begin TLS now")


EXTENSION = Extension(
    capability=b"STARTTLS", rfc="3501", announced=State.NOT_AUTHENTICATED, when=lambda context: context.tls_available,
    commands=(Command(b"STARTTLS", State.NOT_AUTHENTICATED, no_arguments, starttls, Effect.NONE),),
)
