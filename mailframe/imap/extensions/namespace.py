"""NAMESPACE (RFC 2342): one personal namespace, without prefix."""

from __future__ import annotations

from ..commands.anytime import no_arguments
from ..registry import Command, Context, Extension, State


async def namespace(context: Context, _: None) -> None:
    context.out.untagged(b'NAMESPACE (("" "/")) NIL NIL')


EXTENSION = Extension(
    capability=b"NAMESPACE", rfc="2342", announced=State.LOGGED_IN,
    commands=(Command(b"NAMESPACE", State.LOGGED_IN, no_arguments, namespace),),
)
