"""REPLACE and UID REPLACE (RFC 8508): a message takes another's place, in one step where the store can."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IReplaces
from mailframe.model.mailbox import Field, MailboxStatus, New
from mailframe.model.refusal import NoSuchMailbox, NoSuchMessage
from mailframe.model.rights import has

from ..append import appending
from ..append.appending import Heading, parse_heading, taken
from ..conditional import expunge_completion
from ..copying import Target, direct, find_target, try_create
from ..cursor import BadSyntax, Cursor
from ..expunged import expunged
from ..newcomers import heard_of
from ..numset import STAR, MessageSet, NumSet
from ..permission import must
from ..registry import Command, Completion, Context, Effect, Extension, State
from ..writable import writable


@dataclass(frozen=True, slots=True)
class ReplaceRequest:
    message: MessageSet                     # the one that goes
    name: str
    heading: Heading
    rest: Cursor                            # what follows the heading, up to the first literal


def parse(args: Cursor) -> ReplaceRequest:
    """``replace = "REPLACE" SP seq-number SP mailbox append-message`` (section 5), up to the message's octets."""
    args.space()
    message = _number(args)
    args.space()
    return ReplaceRequest(message, args.mailbox(), parse_heading(args), args)


def _number(args: Cursor) -> MessageSet:
    number = STAR if args.take(b"*") else args.nz_number()
    return MessageSet(NumSet(((number, number),)), args.by_uid)


def streams(args: Cursor) -> bool:
    """As APPEND's, behind the number."""
    args.space()
    _number(args)
    return appending.streams(args)


async def run(context: Context, request: ReplaceRequest) -> Completion | None:
    """Which message goes is settled before the new one has come. APPENDUID is told before EXPUNGE or VANISHED (section 4.3)."""
    selected = writable(context)
    await must(selected.mailbox, "te")          # as MOVE, for the message that goes
    await heard_of(context, request.message)
    uids = context.view.resolve(request.message)
    target = await find_target(context, request.name)
    if not uids:
        if request.message.by_uid:
            raise NoSuchMessage("No message has that UID", imap_code=b"NONEXISTENT")
        raise BadSyntax("No message with that number")
    message, = await taken(context, target.mailbox, request.heading, request.rest, 1)
    uid = await _replaced(Target(selected.info, selected.mailbox), uids[0], target, message)
    if has(target.info.rights, "r"):            # else nothing is told of what it then holds (RFC 4315 section 3)
        status: MailboxStatus = await settled(target.mailbox.status())
        context.out.untagged(b"OK [APPENDUID %d %d] Replacement is there" % (status.uidvalidity, uid))
    return await expunge_completion(context, b"UID REPLACE" if request.message.by_uid else b"REPLACE")


async def _replaced(source: Target, uid: int, target: Target, message: New) -> int:
    """The new UID, once the new message is there and the old one gone. Raises NoSuchMessage when somebody else was first."""
    mailbox = source.mailbox
    try:
        if IReplaces.providedBy(mailbox) and direct(source.info, target.info):
            replaces: IReplaces = mailbox
            return await settled(replaces.replace(uid, target.info.id, message))
        if not len(await settled(mailbox.rows(((uid, uid),), 1, Field.NONE))):
            raise NoSuchMessage
        new: array[int] = await settled(target.mailbox.append([message]))
    except NoSuchMailbox as error:
        raise try_create(error) from None
    await expunged(mailbox, (uid,), only_deleted=False)
    return new[0]


EXTENSION = Extension(
    capability=b"REPLACE", rfc="8508", announced=State.LOGGED_IN,
    commands=(
        Command(b"REPLACE", State.SELECTED, parse, run, Effect.READS_SEQ | Effect.MAY_EXPUNGE | Effect.CHANGES, streams),
        Command(b"UID REPLACE", State.SELECTED, parse, run, Effect.MAY_EXPUNGE | Effect.CHANGES, streams),
    ),
)
