"""What a URL of a client's names: octets of a message in one of the account's mailboxes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IMailbox
from mailframe.model.mailbox import Field, MailboxStatus, Rows
from mailframe.model.refusal import NoSuchMailbox, NoSuchMessage, Refusal, TryAgainLater
from mailframe.pacing.breath import Breath

from ..cursor import BadSyntax, Cursor
from ..items.item import Span
from ..items.message import SLICE, Message
from ..items.sections import Octets, section
from ..registry import Context
from . import url
from .url import MessageUrl, Server


class BadUrl(Refusal):
    """A URL that names nothing that can be had here (RFC 4469 section 4)."""

    def __init__(self, text: bytes, public: str) -> None:
        super().__init__(public, imap_code=b"BADURL " + url.told(text))


@dataclass(frozen=True, slots=True)
class Referred:
    """The octets that a URL names: those of `item` in `message`. `pieces` may raise BadUrl, when the message goes meanwhile."""

    text: bytes
    message: Message
    item: Octets
    where: Span | bytes

    @property
    def size(self) -> int:
        return len(self.where) if isinstance(self.where, bytes) else self.where.size

    async def pieces(self) -> AsyncIterator[bytes]:
        where = self.where
        if isinstance(where, bytes):
            yield where
            return
        offset, end = where.offset, where.offset + where.size
        while offset < end:
            try:
                octets = await self.message.read(offset, min(SLICE, end - offset))
            except NoSuchMessage:
                raise gone(self.text) from None
            if not octets:
                raise TryAgainLater(detail=f"message {self.message.uid} ends before the size that was told")
            offset += len(octets)
            yield octets
            await self.message.breathe()


async def refer(context: Context, text: bytes, breath: Breath) -> Referred:
    """What the client's `text` names in its own mailboxes. Raises BadUrl."""
    try:
        found = url.parse(text)
    except url.NotOfThisKind as fault:
        raise BadUrl(text, str(fault)) from None
    if found.server is not None and not ours(context, found.server):
        raise BadUrl(text, "The URL is another server's, or another user's")
    try:
        mailbox = await _mailbox(context, found)
    except NoSuchMailbox:
        mailbox = None
    if mailbox is None:
        raise gone(text)
    return await referred(text, found, mailbox, breath)


async def referred(text: bytes, found: MessageUrl, mailbox: IMailbox, breath: Breath) -> Referred:
    """What `found`, which `text` says, names in this mailbox. Raises BadUrl."""
    try:
        item = _item(found)
    except BadSyntax:
        raise BadUrl(text, "Bad section in the URL") from None
    try:
        message = await _message(found, mailbox, breath)
        where = await item.find(message) if message is not None else None
    except (NoSuchMailbox, NoSuchMessage):
        where = None
    if where is None or message is None:
        raise gone(text)
    return Referred(text, message, item, where)


def gone(text: bytes) -> BadUrl:
    """It is the URL of something that is not, or is no more."""
    return BadUrl(text, "The URL names nothing that is there")


def ours(context: Context, server: Server) -> bool:
    """Whether it is this server, as the client's user sees it."""
    return here(context, server) and server.user in (None, context.account_name)


def here(context: Context, server: Server) -> bool:
    """Whether it is this server."""
    return server.host == context.settings.hostname.lower()


def _item(found: MessageUrl) -> Octets:
    """The same as FETCH has for ``BODY[section]<partial>``. Raises BadSyntax."""
    cursor = Cursor(b"[%b]" % found.section)
    item = section(cursor, False)
    cursor.end()
    return item if found.partial is None else replace(item, partial=found.partial)


async def _message(found: MessageUrl, mailbox: IMailbox, breath: Breath) -> Message | None:
    """None: it is not there."""
    if found.uidvalidity is not None:
        status: MailboxStatus = await settled(mailbox.status())
        if status.uidvalidity != found.uidvalidity:
            return None
    rows: Rows = await settled(mailbox.rows(((found.uid, found.uid),), 1, Field.SIZE | Field.INDEX))
    return Message(mailbox, found.uid, breath, size=rows.sizes[0], index=rows.indexes[0]) if len(rows) else None


async def _mailbox(context: Context, found: MessageUrl) -> IMailbox | None:
    if found.mailbox is not None:
        return await context.open(await context.find(found.mailbox))
    selected = context.selected_or_none
    return None if selected is None else selected.mailbox
