"""LIST-STATUS (RFC 5819): LIST with RETURN (STATUS (...))."""

from __future__ import annotations

from collections.abc import Sequence

from mailframe.model.mailbox import MailboxInfo

from ..commands.listing import ListReturn, Teller
from ..commands.status import known_items, status_line
from ..cursor import Cursor
from ..registry import Context, Extension, State


def _read(args: Cursor) -> list[bytes]:
    """``SP "(" status-att *(SP status-att) ")"``"""
    args.space()
    return args.list_of(args.keyword)


async def _teller(context: Context, words: Sequence[bytes]) -> Teller:
    items = known_items(context, words)

    async def tell(info: MailboxInfo) -> bytes:
        return await status_line(context, info, items)

    return tell


EXTENSION = Extension(
    capability=b"LIST-STATUS", rfc="5819", announced=State.LOGGED_IN, list_returns=(ListReturn(b"STATUS", _read, _teller),))
