"""EXPUNGE and UID EXPUNGE (RFC 3501 section 6.4.3, RFC 4315 section 2.1)."""

from __future__ import annotations

from ..conditional import expunge_completion
from ..cursor import Cursor
from ..expunged import expunged
from ..limits import last_deleted
from ..newcomers import heard_of
from ..numset import MessageSet
from ..registry import Command, Completion, Context, Effect, Extension, State
from ..writable import writable


def parse(args: Cursor) -> None:
    args.end()


async def run(context: Context, request: None) -> Completion | None:
    """The session tells what is gone, with everything else that the mailbox says by then."""
    await expunged(writable(context).mailbox, None, only_deleted=True)
    return await expunge_completion(context, b"EXPUNGE")


def parse_uids(args: Cursor) -> MessageSet:
    args.space()
    messages = args.message_set()
    args.end()
    return messages


async def run_uids(context: Context, messages: MessageSet) -> Completion | None:
    mailbox = writable(context).mailbox
    await heard_of(context, messages)
    uids = last_deleted(context, context.view, context.view.spans(messages))
    if uids:
        await expunged(mailbox, uids, only_deleted=True)
    return await expunge_completion(context, b"UID EXPUNGE")


EXTENSION = Extension(
    capability=None, rfc="3501, 4315",
    commands=(
        Command(b"EXPUNGE", State.SELECTED, parse, run, Effect.MAY_EXPUNGE | Effect.CHANGES),
        Command(b"UID EXPUNGE", State.SELECTED, parse_uids, run_uids, Effect.MAY_EXPUNGE | Effect.CHANGES),
    ),
)
