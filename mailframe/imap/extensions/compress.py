"""COMPRESS=DEFLATE (RFC 4978): after the command everything is compressed, in both directions, within TLS if that is on."""

from __future__ import annotations

from mailframe.model.refusal import Refusal

from ..cursor import BadSyntax, Cursor
from ..registry import Command, Completion, Context, Effect, Extension, State


class CompressionActive(Refusal):
    public, imap_code = "Compression is on already", b"COMPRESSIONACTIVE"


def parse(args: Cursor) -> None:
    """``compress = "COMPRESS" SP "DEFLATE"`` (section 5)."""
    args.space()
    algorithm = args.keyword()
    args.end()
    if algorithm != b"DEFLATE":
        raise BadSyntax("Only DEFLATE is known")


async def run(context: Context, _: None) -> Completion:
    if context.compressed:
        raise CompressionActive
    context.compress()
    return Completion(b"DEFLATE begins")


EXTENSION = Extension(
    capability=b"COMPRESS=DEFLATE", rfc="4978", announced=State.LOGGED_IN, when=lambda context: not context.compressed,
    commands=(Command(b"COMPRESS", State.LOGGED_IN, parse, run, Effect.NONE),),
)
