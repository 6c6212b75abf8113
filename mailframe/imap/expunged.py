"""What a command answers when another session has expunged some of its messages (RFC 2180 section 4, RFC 5530 section 3)."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IMailbox
from mailframe.model.refusal import NoSuchMessage

from .registry import Completion


def expunge_issued(missing: int, by_uid: bool) -> Completion | None:
    """The end of a command that found `missing` messages gone: NO where the client named them by numbers that it still
    believes in; a UID that is not there is no error (RFC 3501 section 6.4.8), so there the code is only a hint to ask."""
    if not missing:
        return None
    if by_uid:
        return Completion(b"Completed, but some messages are gone", b"EXPUNGEISSUED")
    raise NoSuchMessage("Some of the messages are gone")


async def expunged(mailbox: IMailbox, uids: Sequence[int] | None, *, only_deleted: bool) -> array[int]:
    """`IMailbox.expunge`, and what is gone because of it."""
    gone: array[int] = await settled(mailbox.expunge(uids, only_deleted))
    return gone
