"""OBJECTID (RFC 8474): ids of mailboxes, messages and conversations that outlive renaming, copying and UIDVALIDITY."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from mailframe.interfaces.store import IMailbox, IObjectIds
from mailframe.model.mailbox import Field, MailboxStatus, Rows
from mailframe.model.query import HasId, Query

from ..commands.status import StatusItem
from ..items.item import FetchItem, Scene
from ..registry import Context, Extension, State
from ..search.searchkeys import KeyReader, SearchKey

MAX_ID = 255        # RFC 8474 section 7


@dataclass(frozen=True, slots=True)
class EmailId:
    label: bytes = b"EMAILID"
    fields: Field = Field.EMAILID

    def values(self, rows: Rows, scene: Scene) -> Iterable[bytes]:
        return [b"(%b)" % each.encode("ascii") for each in rows.email_ids]


@dataclass(frozen=True, slots=True)
class ThreadId:
    label: bytes = b"THREADID"
    fields: Field = Field.THREADID

    def values(self, rows: Rows, scene: Scene) -> Iterable[bytes]:
        return [b"(%b)" % each.encode("ascii") if each else b"NIL" for each in rows.thread_ids]


def mailbox_id(identifier: str) -> bytes:
    """``MAILBOXID (F...)``: of a store's own id what RFC 8474 section 7 does not allow is spelled in hexadecimal; of one that
    would be longer than 255 characters, as another account's may be, a sum stands for it."""
    plain = identifier.isascii() and identifier.replace("-", "").replace("_", "").isalnum() and len(identifier) < 200
    told = f"F{identifier}" if plain else f"X{identifier.encode().hex()}"
    if len(told) > MAX_ID:
        told = f"H{hashlib.sha256(identifier.encode()).hexdigest()}"
    return b"MAILBOXID (%b)" % told.encode("ascii")


async def _status(context: Context, mailbox: IMailbox, status: MailboxStatus) -> bytes:
    return mailbox_id(mailbox.id).partition(b" ")[2]


def _key(reader: KeyReader, thread: bool) -> Query:
    reader.cursor.space()
    return HasId(reader.cursor.atom().decode("ascii"), thread)


EXTENSION = Extension(
    capability=b"OBJECTID", rfc="8474", needs=(IObjectIds,), announced=State.LOGGED_IN,
    items=(FetchItem(b"EMAILID", lambda cursor: EmailId()), FetchItem(b"THREADID", lambda cursor: ThreadId())),
    search_keys=(SearchKey(b"EMAILID", partial(_key, thread=False)), SearchKey(b"THREADID", partial(_key, thread=True))),
    status_items=(StatusItem(b"MAILBOXID", _status),),
)
