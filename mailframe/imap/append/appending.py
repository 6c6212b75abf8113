"""Messages on their way in with APPEND or REPLACE: streamed into staged content as they come, whatever they are made of."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IMailbox
from mailframe.model.flags import flag_mask, system_bit
from mailframe.model.mailbox import New
from mailframe.model.refusal import LimitReached, MessageTooBig, Refusal
from mailframe.pacing.breath import Breath
from mailframe.staging.intake import MEMORY_OCTETS, Intake

from ..cursor import BadSyntax, Cursor
from ..limits import check_append
from ..permission import rights_in, settable
from ..registry import Context, Literal, Named

OVERHEAD = 2_048            # octets that a message costs besides its own, until it is appended
MAX_MEMORY_OCTETS = 67_108_864      # of one APPEND's messages held together, before all of them are appended at once
MAX_COPIED = 4              # of the largest message's size: what one command may copy from messages that are here already
LITERAL = b""               # the name of `AppendData` that is announced by no word: a message in one literal


class EmptyMessage(Refusal):
    public, imap_code = "An empty message cannot be appended", b"CANNOT"


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands in front of a message: ``[SP flag-list] [SP date-time] SP [label SP]``."""

    flags: tuple[bytes, ...] = ()
    date: int | None = None
    label: bytes = LITERAL                  # which `AppendData` follows


@dataclass(frozen=True, slots=True)
class AppendData:
    """One kind of ``append-data`` (RFC 4466 section 2.5): a word, and what follows it. `take` reads that and adds the octets to
    the message; it raises BadSyntax or Refusal, and leaves the cursor behind what it has read."""

    name: bytes
    take: Callable[[Incoming, Intake], Awaitable[None]]


class Incoming:
    """What is still to be read of a command whose literals stream: `cursor`, whose end is the command's or where `literal`
    begins."""

    def __init__(self, context: Context, cursor: Cursor) -> None:
        self.context = context
        self.cursor = cursor
        self._copied = 0                    # octets that came from elsewhere than the client

    @property
    def literal(self) -> Literal | None:
        """The literal at the cursor's end."""
        return self.context.literal

    @property
    def ended(self) -> bool:
        """Whether all of the command has been read."""
        return self.cursor.at_end and self.literal is None

    async def copy(self, size: int, pieces: AsyncIterator[bytes], intake: Intake) -> None:
        """Add `size` octets that are here already to a message. They cost the client nothing, so a command has a limit."""
        most = self.context.settings.max_message_octets
        if intake.size() + size > most:
            raise MessageTooBig
        self._copied += size
        if self._copied > MAX_COPIED * most:
            raise LimitReached("Too much to copy in one command")
        async for octets in pieces:
            await intake.write(octets)

    def next_literal(self) -> Literal:
        """The literal that begins here. Raises BadSyntax where none does."""
        literal = self.literal
        if literal is None or not self.cursor.at_end:
            raise BadSyntax("A literal is expected")
        return literal

    async def pour(self, intake: Intake) -> None:
        """Add the literal that begins here to a message, as it comes."""
        literal = self.next_literal()
        if intake.size() + literal.size > self.context.settings.max_message_octets:
            raise MessageTooBig
        literal.accept()
        while octets := await literal.read():
            if not literal.binary and b"\0" in octets:
                raise BadSyntax("NUL in a literal that is no literal8")      # RFC 9051 section 9, CHAR8
            waiting = intake.add(octets)
            if waiting is not None:
                await waiting
        self.cursor = await literal.rest()

    async def astring(self, max_octets: int) -> bytes:
        """A short string, which may be a literal."""
        if not self.cursor.at_end:
            found = self.cursor.astring()
            if len(found) > max_octets:
                raise BadSyntax("String too long")
            return found
        literal = self.next_literal()
        if literal.binary or literal.size > max_octets:
            raise BadSyntax("String too long" if literal.size > max_octets else "No literal8 here")
        literal.accept()
        found = b""
        while octets := await literal.read():
            found += octets
        if b"\0" in found:
            raise BadSyntax("NUL in a string")
        self.cursor = await literal.rest()
        return found


def parse_heading(args: Cursor) -> Heading:
    """``append-message = append-opts SP append-data``, up to the first literal or behind the word of the data and its space."""
    args.space()
    flags: list[bytes] = []
    date = None
    if args.peek() == b"(":
        flags = args.flag_list()
        args.space()
    if args.peek() == b'"':
        date = args.date_time()
        args.space()
    for flag in flags:
        if flag.startswith(b"\\") and system_bit(flag) is None:
            raise BadSyntax("Unknown system flag")
    if args.at_end:
        return Heading(tuple(flags), date)
    label = args.keyword()
    args.space()
    return Heading(tuple(flags), date, label)


def streams(args: Cursor) -> bool:
    """Whether the mailbox name has come, behind which all literals are streamed (`Command.streams`)."""
    args.space()
    if args.at_end:
        return False                        # the name itself is the literal
    args.mailbox()
    return args.peek() == b" "


async def taken(context: Context, mailbox: IMailbox, heading: Heading, rest: Cursor, most: int = 0) -> list[New]:
    """Every message of the command, staged or in memory: all are appended at once or none (RFC 3502 section 5).

    `rest` is what follows `heading`. With more than `most` messages (0: any number) the command is none of its kind."""
    incoming = Incoming(context, rest)
    messages: list[New] = []
    intakes: list[Intake] = []
    memory = 0
    breath = Breath(context.clock.seconds, context.breathe)     # what came with one read may be a hundred messages
    try:
        while True:
            intake = Intake(context.content, max_octets=context.settings.max_message_octets)
            intakes.append(intake)
            messages.append(await _one(incoming, mailbox, heading, intake))
            size = messages[-1].size
            memory += OVERHEAD + (size if context.content is None else min(size, MEMORY_OCTETS))
            if incoming.ended:
                return messages
            heading = parse_heading(incoming.cursor)
            check_append(context.settings, len(intakes) + 1)
            if len(intakes) == most:
                raise BadSyntax("Too many arguments")
            if memory > MAX_MEMORY_OCTETS:
                raise LimitReached("Too many messages in one command")
            await breath.take()
    except BaseException:
        for intake in intakes:
            intake.abort()
        raise


async def _one(incoming: Incoming, mailbox: IMailbox, heading: Heading, intake: Intake) -> New:
    data = _kind(incoming.context, heading.label)
    mask = await _mask(mailbox, settable(await rights_in(mailbox), heading.flags))
    date = int(incoming.context.clock.seconds()) if heading.date is None else heading.date
    await data.take(incoming, intake)
    if not intake.size():
        raise EmptyMessage
    return (await intake.finish()).new(mask, date)


def _kind(context: Context, label: bytes) -> AppendData:
    found: Named | None = context.registry.append_data.get(label)
    if not isinstance(found, AppendData):
        raise BadSyntax("The message must be a literal")
    return found


async def _mask(mailbox: IMailbox, flags: tuple[bytes, ...]) -> int:
    """Keywords are made where the mailbox lacks them."""
    words = [flag.decode("ascii") for flag in flags if not flag.startswith(b"\\")]
    if not words:
        return flag_mask(flags, ())
    table: tuple[str, ...] = await settled(mailbox.keywords(words))
    return flag_mask(flags, table)


async def _literal(incoming: Incoming, intake: Intake) -> None:
    """One literal or literal8; a client that means none is refused before it sends it (RFC 3502 section 6.3.11)."""
    if not incoming.next_literal().size:
        raise EmptyMessage
    await incoming.pour(intake)


LITERAL_DATA = AppendData(LITERAL, _literal)
