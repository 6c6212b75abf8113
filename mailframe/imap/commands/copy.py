"""COPY and UID COPY (RFC 3501 sections 6.4.7 and 6.4.8), with COPYUID (RFC 4315)."""

from __future__ import annotations

from dataclasses import dataclass

from mailframe.model.refusal import NoSuchMessage

from ..copying import copy, copy_uid, find_target
from ..cursor import Cursor
from ..limits import check_copy
from ..newcomers import heard_of
from ..numset import MessageSet
from ..registry import Command, Completion, Context, Effect, Extension, State


@dataclass(frozen=True, slots=True)
class CopyRequest:
    messages: MessageSet
    target: str


def parse(args: Cursor) -> CopyRequest:
    """``"COPY" SP sequence-set SP mailbox``."""
    args.space()
    messages = args.message_set()
    args.space()
    target = args.mailbox()
    args.end()
    return CopyRequest(messages, target)


async def run(context: Context, request: CopyRequest) -> Completion | None:
    await heard_of(context, request.messages)
    uids = context.view.resolve(request.messages)
    check_copy(context, uids)
    target = await find_target(context, request.target)
    if not uids:
        return None
    pairs = await copy(context, uids, target)
    if not pairs[0] and not request.messages.by_uid:
        raise NoSuchMessage("The messages are gone")
    return Completion(code=await copy_uid(target, pairs))


EXTENSION = Extension(
    capability=None, rfc="3501",
    commands=(
        Command(b"COPY", State.SELECTED, parse, run, Effect.READS_SEQ | Effect.MAY_EXPUNGE),
        Command(b"UID COPY", State.SELECTED, parse, run, Effect.MAY_EXPUNGE),
    ),
)
