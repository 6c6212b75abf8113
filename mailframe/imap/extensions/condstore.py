"""CONDSTORE (RFC 7162 section 3.1): what changed since, and changes only of what is as it was believed to be."""

from __future__ import annotations

import re

from mailframe.interfaces.store import IMailbox, IModSequenced
from mailframe.model.mailbox import MailboxStatus
from mailframe.model.query import Numbers, Query

from ..commands.status import StatusItem
from ..conditional import CONDSTORE, Since, turn_on
from ..items.item import FetchItem
from ..items.modseq import Modseq
from ..registry import Context, Extension, State
from ..search.searchkeys import KeyReader, SearchKey

_ENTRY = re.compile(rb'"/flags/(?:[^"\\\r\n]|\\[\\"])+" (?:priv|shared|all) ', re.IGNORECASE)


def _search_key(reader: KeyReader) -> Query:
    """``"MODSEQ" [SP entry-name SP entry-type-req] SP mod-sequence-valzer``. A message has one mod-sequence for all its
    flags here, so naming one flag asks the same (RFC 7162 section 3.1.5 allows it)."""
    cursor = reader.cursor
    cursor.space()
    if cursor.peek() == b'"':
        cursor.match(_ENTRY, "Flag entry")
    return Numbers(Since(cursor.number64()))


async def _highest(context: Context, mailbox: IMailbox, status: MailboxStatus) -> bytes:
    turn_on(context)
    return b"%d" % status.highest_modseq


EXTENSION = Extension(
    capability=CONDSTORE, rfc="7162", needs=(IModSequenced,), announced=State.LOGGED_IN, enables=(CONDSTORE,),
    items=(FetchItem(b"MODSEQ", lambda cursor: Modseq()),),
    search_keys=(SearchKey(b"MODSEQ", _search_key),),
    status_items=(StatusItem(b"HIGHESTMODSEQ", _highest),),
)
