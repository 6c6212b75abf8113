"""APPEND (RFC 3501 section 6.3.11) of one message or several (RFC 3502), streamed into staged content as they come."""

from __future__ import annotations

from dataclasses import dataclass

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IMailbox
from mailframe.model.flags import flag_mask, system_bit
from mailframe.model.mailbox import MailboxInfo, MailboxStatus, New
from mailframe.model.refusal import LimitReached, MessageTooBig, NoSuchMailbox, Refusal
from mailframe.model.rights import has
from mailframe.pacing.breath import Breath
from mailframe.staging.intake import MEMORY_OCTETS, Intake

from .. import numset
from ..copying import Target
from ..cursor import BadSyntax, Cursor
from ..limits import check_append
from ..permission import settable
from ..registry import Command, Completion, Context, Effect, Extension, Literal, State

OVERHEAD = 2_048            # octets that a message costs besides its own, until it is appended
MAX_MEMORY_OCTETS = 67_108_864      # of one APPEND's messages held together, before all of them are appended at once


class EmptyMessage(Refusal):
    public, imap_code = "An empty message cannot be appended", b"CANNOT"


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands in front of a message's literal."""

    flags: tuple[bytes, ...] = ()
    date: int | None = None
    utf8: bool = False                      # ``UTF8 (~{n} ...)``: its headers are UTF-8 (RFC 6855 section 4)


@dataclass(frozen=True, slots=True)
class AppendRequest:
    name: str
    heading: Heading


def parse(args: Cursor) -> AppendRequest:
    """``append = "APPEND" SP mailbox 1*append-message``, up to the first literal."""
    args.space()
    name = args.mailbox()
    heading = parse_heading(args)
    if not args.at_end:
        raise BadSyntax("The message must be a literal")
    return AppendRequest(name, heading)


def parse_heading(args: Cursor) -> Heading:
    """``append-message = [SP flag-list] [SP date-time] SP (literal / "UTF8" SP "(" literal8 ")")``, up to the literal."""
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
    utf8 = args.take(b"UTF8 (") or args.take(b"utf8 (")
    if utf8 and not args.utf8:
        raise BadSyntax("ENABLE UTF8=ACCEPT comes first")
    return Heading(tuple(flags), date, utf8)


def streams(args: Cursor, again: bool) -> bool:
    """Whether what came so far is all but the message; a literal within it is the mailbox name."""
    if args.data.count(b" ", args.position) < 2 and not again:
        return False
    if again:
        args.take(b")")                     # of UTF8 (...); `run` sees to it that it belongs there
        parse_heading(args)
        return args.at_end
    args.space()
    args.mailbox()
    parse_heading(args)
    return args.at_end


async def run(context: Context, request: AppendRequest) -> Completion:
    literal = context.literal
    if literal is None:
        raise BadSyntax("The message must be a literal")
    try:
        info = await context.find(request.name, "i")
        mailbox = await context.open(info)
    except NoSuchMailbox:
        raise NoSuchMailbox(imap_code=b"TRYCREATE") from None
    messages = await _taken(context, Target(info, mailbox), literal, request.heading)
    uids = await settled(mailbox.append(messages))
    if not has(info.rights, "r"):
        return Completion(b"APPEND completed")          # nothing is told of what it then holds (RFC 4315 section 3)
    status: MailboxStatus = await settled(mailbox.status())
    await _show(context, info)
    code = b"APPENDUID %d %b" % (status.uidvalidity, numset.render_numbers(uids))     # RFC 4315 section 3
    return Completion(b"APPEND completed", code)


async def _taken(context: Context, target: Target, literal: Literal | None, heading: Heading) -> list[New]:
    """Every message of the command, staged or in memory: all are appended at once or none (RFC 3502 section 5)."""
    messages: list[New] = []
    intakes: list[Intake] = []
    memory = 0
    breath = Breath(context.clock.seconds, context.breathe)     # what came with one read may be a hundred messages
    try:
        while literal is not None:
            check_append(context.settings, len(intakes) + 1)
            if memory > MAX_MEMORY_OCTETS:
                raise LimitReached("Too many messages in one APPEND")
            intake = Intake(context.content, max_octets=context.settings.max_message_octets)
            intakes.append(intake)
            messages.append(await _one(context, target, literal, heading, intake))
            size = messages[-1].size
            memory += OVERHEAD + (size if context.content is None else min(size, MEMORY_OCTETS))
            rest = await literal.rest()
            if heading.utf8:
                rest.expect(b")")
            literal = context.literal
            if literal is not None:
                heading = parse_heading(rest)
            rest.end()
            await breath.take()
    except BaseException:
        for intake in intakes:
            intake.abort()
        raise
    return messages


async def _one(context: Context, target: Target, literal: Literal, heading: Heading, intake: Intake) -> New:
    if literal.size > context.settings.max_message_octets:
        raise MessageTooBig
    if not literal.size:
        raise EmptyMessage
    mask = await _mask(target.mailbox, settable(target.info.rights, heading.flags))
    date = int(context.clock.seconds()) if heading.date is None else heading.date
    literal.accept()
    while octets := await literal.read():
        waiting = intake.add(octets)
        if waiting is not None:
            await waiting
    return (await intake.finish()).new(mask, date)


async def _mask(mailbox: IMailbox, flags: tuple[bytes, ...]) -> int:
    """Keywords are made where the mailbox lacks them."""
    words = [flag.decode("ascii") for flag in flags if not flag.startswith(b"\\")]
    if not words:
        return flag_mask(flags, ())
    table: tuple[str, ...] = await settled(mailbox.keywords(words))
    return flag_mask(flags, table)


async def _show(context: Context, info: MailboxInfo) -> None:
    """The client is told of its own message at once when it has that mailbox selected (RFC 3501 section 6.3.11)."""
    selected = context.selected_or_none
    if selected is not None and selected.info.id == info.id:
        await context.sync(True)


EXTENSION = Extension(
    capability=None, rfc="3501, 3502",
    commands=(Command(b"APPEND", State.LOGGED_IN, parse, run, Effect.MAY_EXPUNGE, streams),),
)

