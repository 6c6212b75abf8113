"""STAT LIST DELE RSET NOOP QUIT (RFC 1939 sections 5 and 6)."""

from __future__ import annotations

from collections.abc import Iterator

from ..data import END
from ..extension import Command, Conversation, Extension
from ..machine import Event, State
from ..reply import err, ok

NO_SUCH_MESSAGE = err(b"No such message")


async def stat(conversation: Conversation, _: bytes) -> bytes:
    drop = conversation.maildrop
    return ok(b"%d %d" % (drop.count, drop.octets))


async def list_(conversation: Conversation, argument: bytes) -> bytes:
    drop = conversation.maildrop
    if not argument.strip(b" "):
        return await listing(conversation, ok(b"%d messages (%d octets)" % (drop.count, drop.octets)), drop.sizes_listed())
    index = drop.find(argument)
    return NO_SUCH_MESSAGE if index is None else ok(b"%d %d" % (index + 1, drop.sizes[index]))


async def listing(conversation: Conversation, first: bytes, blocks: Iterator[bytes]) -> bytes:
    """A multi-line answer in blocks, each sent when the client has room for it."""
    pending = first
    for block in blocks:
        if pending is not first:
            await conversation.write(pending)
            pending = block
        else:
            pending = first + block
    return pending + END


async def dele(conversation: Conversation, argument: bytes) -> bytes:
    drop = conversation.maildrop
    index = drop.find(argument)
    if index is None:
        return NO_SUCH_MESSAGE
    drop.mark(index)
    return ok(b"Marked as deleted")


async def rset(conversation: Conversation, _: bytes) -> bytes:
    drop = conversation.maildrop
    drop.reset()
    return ok(b"%d messages (%d octets)" % (drop.count, drop.octets))


async def noop(_: Conversation, __: bytes) -> bytes:
    return ok()


async def quit_(conversation: Conversation, _: bytes) -> bytes:
    """Only after a login is there anything to update (RFC 1939 section 6)."""
    logged_in = conversation.machine.state is State.TRANSACTION
    conversation.machine.step(Event.QUIT)
    return await conversation.update() if logged_in else ok(b"Bye")


EXTENSION = Extension(
    rfc="1939",
    commands=(
        Command(b"STAT", State.TRANSACTION, stat, bare=True),
        Command(b"LIST", State.TRANSACTION, list_),
        Command(b"DELE", State.TRANSACTION, dele),
        Command(b"RSET", State.TRANSACTION, rset, bare=True),
        Command(b"NOOP", State.TRANSACTION, noop, bare=True),
        Command(b"QUIT", State.ANY, quit_, bare=True),
    ),
)
