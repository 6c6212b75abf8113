"""ENABLE (RFC 5161): the client says which extensions it understands."""

from __future__ import annotations

from ..cursor import Cursor
from ..registry import Command, Context, Extension, State


def parse(args: Cursor) -> tuple[bytes, ...]:
    """``enable = "ENABLE" 1*(SP capability)``"""
    words = []
    while True:
        args.space()
        words.append(args.keyword())
        if args.at_end:
            return tuple(words)


async def run(context: Context, words: tuple[bytes, ...]) -> None:
    """Unknown words are passed over; told is what became enabled by this."""
    offered = [extension for extension in context.registry.extensions if context.registry.offers(extension, context)]
    known = {word.upper(): word for extension in offered for word in extension.enables}
    fresh = context.enable(*(known[word] for word in dict.fromkeys(words) if word in known))
    for extension in offered:
        if extension.on_enable is not None and not set(extension.enables).isdisjoint(fresh):
            await extension.on_enable(context)
    context.out.untagged(b" ".join([b"ENABLED", *fresh]))


EXTENSION = Extension(
    capability=b"ENABLE", rfc="5161", announced=State.LOGGED_IN,
    commands=(Command(b"ENABLE", State.AUTHENTICATED | State.SELECTED, parse, run),),
)
