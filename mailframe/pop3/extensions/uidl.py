"""UIDL (RFC 1939 section 7)."""

from __future__ import annotations

from ..extension import Command, Conversation, Extension
from ..machine import State
from ..reply import ok
from .base import NO_SUCH_MESSAGE, listing


async def uidl(conversation: Conversation, argument: bytes) -> bytes:
    drop = conversation.maildrop
    if not argument.strip(b" "):
        return await listing(conversation, ok(), drop.unique_ids_listed())
    index = drop.find(argument)
    return NO_SUCH_MESSAGE if index is None else ok(b"%d %b" % (index + 1, drop.unique_id(index)))


EXTENSION = Extension(rfc="1939", capability=b"UIDL", commands=(Command(b"UIDL", State.TRANSACTION, uidl),))
