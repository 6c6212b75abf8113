"""LIST-MYRIGHTS (RFC 8440): LIST with RETURN (MYRIGHTS), which saves a program a question for each mailbox."""

from __future__ import annotations

from mailframe.interfaces.sharing import IAcl
from mailframe.model.mailbox import MailboxInfo

from ..commands.listing import ListReturn, Teller
from ..registry import Context, Extension, State
from .acl import rights_line


async def _teller(context: Context, _: None) -> Teller:
    async def tell(info: MailboxInfo) -> bytes:
        return rights_line(info.name, info.rights, context)

    return tell


EXTENSION = Extension(
    capability=b"LIST-MYRIGHTS", rfc="8440", needs=(IAcl,), announced=State.LOGGED_IN,
    list_returns=(ListReturn(b"MYRIGHTS", teller=_teller),))
