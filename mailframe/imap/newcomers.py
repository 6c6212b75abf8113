"""UIDs that a client was told by another of its sessions (APPENDUID, COPYUID) before this one has heard of the messages."""

from __future__ import annotations

from .numset import MessageSet
from .registry import Context


async def heard_of(context: Context, messages: MessageSet) -> bool:
    """Ask the store for news, and tell it, when a UID command names such a UID. Whether it did."""
    selected = context.selected
    if not (messages.by_uid and selected.dirty and messages.numbers.highest > selected.view.last_told):
        return False
    await context.sync(False)
    return True
