"""APPEND (RFC 3501 section 6.3.11) of one message or several (RFC 3502)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mailframe.interfaces.maybe import settled
from mailframe.model.mailbox import MailboxInfo, MailboxStatus
from mailframe.model.refusal import NoSuchMailbox
from mailframe.model.rights import has

from .. import numset
from ..append.appending import LITERAL_DATA, Heading, parse_heading, streams, taken
from ..copying import find_target, try_create
from ..cursor import Cursor
from ..registry import Command, Completion, Context, Effect, Extension, State


@dataclass(frozen=True, slots=True)
class AppendRequest:
    name: str
    heading: Heading
    rest: Cursor                            # what follows the heading, up to the first literal


def parse(args: Cursor) -> AppendRequest:
    """``append = "APPEND" SP mailbox 1*append-message``, up to the first message's octets."""
    args.space()
    name = args.mailbox()
    return AppendRequest(name, parse_heading(args), args)


async def run(context: Context, request: AppendRequest) -> Completion:
    target = await find_target(context, request.name)
    messages = await taken(context, target.mailbox, request.heading, request.rest)
    try:
        uids = await settled(target.mailbox.append(messages))
    except NoSuchMailbox as error:          # deleted while they came
        raise try_create(error) from None
    if not has(target.info.rights, "r"):
        return Completion(b"APPEND completed")          # nothing is told of what it then holds (RFC 4315 section 3)
    status: MailboxStatus = await settled(target.mailbox.status())
    await _show(context, target.info, uids)
    code = b"APPENDUID %d %b" % (status.uidvalidity, numset.render_numbers(uids))     # RFC 4315 section 3
    return Completion(b"APPEND completed", code)


async def _show(context: Context, info: MailboxInfo, uids: Sequence[int]) -> None:
    """The client is told of its own message at once when it has that mailbox selected (RFC 3501 section 6.3.11)."""
    selected = context.selected_or_none
    if selected is not None and selected.info.id == info.id:
        selected.put(info, uids)
        await context.sync(True)


EXTENSION = Extension(
    capability=None, rfc="3501, 3502", append_data=(LITERAL_DATA,),
    commands=(Command(b"APPEND", State.LOGGED_IN, parse, run, Effect.MAY_EXPUNGE, streams),),
)
