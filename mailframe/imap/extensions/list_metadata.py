"""LIST-METADATA (RFC 9590): LIST with RETURN (METADATA (...)), for programs that show each mailbox in its colour."""

from __future__ import annotations

from mailframe.interfaces.metadata import IMetadata
from mailframe.model.mailbox import MailboxInfo

from ..annotations import chosen, entry, limited, meant, read, responses
from ..commands.listing import ListReturn, Teller
from ..cursor import Cursor
from ..registry import Context, Extension, State


def _read(args: Cursor) -> list[str]:
    """``SP "(" entry *(SP entry) ")"``"""
    args.space()
    return args.list_of(lambda: entry(args))


async def _teller(context: Context, asked: list[str]) -> Teller:
    limited(context, len(asked))
    meanings = meant(context, False)

    async def tell(info: MailboxInfo) -> bytes:
        """All that was asked for, also what is NIL."""
        return b"\r\n* ".join(responses(info.name, chosen(await read(context, info, meanings), asked, 0), context.utf8))

    return tell


EXTENSION = Extension(
    capability=b"LIST-METADATA", rfc="9590", needs=(IMetadata,), announced=State.LOGGED_IN,
    list_returns=(ListReturn(b"METADATA", _read, _teller),),
)
