"""RETR and TOP (RFC 1939 sections 5 and 7): the message, small ones in one piece, large ones in slices."""

from __future__ import annotations

from mailframe.model.refusal import NoSuchMessage

from ..data import DotStuffer, TopCutter, stuff
from ..extension import Command, Conversation, Extension
from ..machine import State
from ..reply import TEMPORARY, err, ok
from .base import NO_SUCH_MESSAGE

_SLICE = 256 * 1024                   # also the largest message that is sent in one piece
_FIRST_OF_TOP = 16 * 1024             # most headers with a few lines of text
_MAX_DIGITS = 10

GONE = err(b"Another session has removed this message", TEMPORARY)


async def retr(conversation: Conversation, argument: bytes) -> bytes:
    drop = conversation.maildrop
    index = drop.find(argument)
    if index is None:
        return NO_SUCH_MESSAGE
    size = drop.sizes[index]
    try:
        octets: bytes = await conversation.answered(drop.mailbox.read(drop.uids[index], 0, _SLICE))
    except NoSuchMessage:
        return GONE
    first = b"+OK %d octets\r\n" % size
    if size <= _SLICE:
        return first + stuff(octets)
    await conversation.write(first)
    return await _rest(conversation, drop.uids[index], octets)


async def _rest(conversation: Conversation, uid: int, octets: bytes) -> bytes:
    """Slice after slice from the first, `octets`, on; returns the end of the answer."""
    read, stuffer, offset = conversation.maildrop.mailbox.read, DotStuffer(), 0
    while octets:
        await conversation.write(stuffer.feed(octets))
        offset += len(octets)
        octets = await conversation.answered(read(uid, offset, _SLICE))
    return stuffer.end()


async def top(conversation: Conversation, argument: bytes) -> bytes:
    number, _, lines = argument.strip(b" ").partition(b" ")
    lines = lines.lstrip(b" ")
    if not lines.isdigit() or len(lines) > _MAX_DIGITS:
        return err(b"TOP wants a message number and a number of lines")
    drop = conversation.maildrop
    index = drop.find(number)
    if index is None:
        return NO_SUCH_MESSAGE
    uid, size = drop.uids[index], drop.sizes[index]
    try:
        octets = await conversation.answered(drop.mailbox.read(uid, 0, _FIRST_OF_TOP))
    except NoSuchMessage:
        return GONE
    cutter = TopCutter(int(lines))
    wanted = cutter.feed(octets)
    if cutter.done or size <= _FIRST_OF_TOP:
        return ok() + stuff(wanted)
    await conversation.write(ok())
    return await _rest_of_top(conversation, uid, len(octets), wanted, cutter)


async def _rest_of_top(conversation: Conversation, uid: int, offset: int, wanted: bytes, cutter: TopCutter) -> bytes:
    read, stuffer = conversation.maildrop.mailbox.read, DotStuffer()
    while True:
        await conversation.write(stuffer.feed(wanted))
        octets = b"" if cutter.done else await conversation.answered(read(uid, offset, _SLICE))
        if not octets:
            return stuffer.end()
        offset += len(octets)
        wanted = cutter.feed(octets)


EXTENSIONS = (
    Extension(rfc="1939", commands=(Command(b"RETR", State.TRANSACTION, retr),)),
    Extension(rfc="1939", capability=b"TOP", commands=(Command(b"TOP", State.TRANSACTION, top),)),
)
