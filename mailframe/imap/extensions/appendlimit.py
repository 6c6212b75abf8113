"""APPENDLIMIT (RFC 7889): the largest message that can be appended, the same for every mailbox."""

from __future__ import annotations

from collections.abc import Iterable

from mailframe.interfaces.store import IMailbox
from mailframe.model.mailbox import MailboxStatus

from ..commands.status import StatusItem
from ..registry import Context, Extension, State


def _announced(context: Context) -> Iterable[bytes]:
    return (b"APPENDLIMIT=%d" % context.settings.max_message_octets,)


async def _limit(context: Context, _m: IMailbox, _: MailboxStatus) -> bytes:
    return b"%d" % context.settings.max_message_octets


EXTENSION = Extension(
    capability=None, rfc="7889", announced=State.LOGGED_IN, capabilities=_announced,
    status_items=(StatusItem(b"APPENDLIMIT", _limit),),
)
