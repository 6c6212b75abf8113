"""THREAD and UID THREAD (RFC 5256), by references and by subject."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from mailframe.interfaces.store import IMailbox
from mailframe.mime.casemap import fold
from mailframe.mime.header import decode_words
from mailframe.mime.links import MESSAGE_ID
from mailframe.mime.tokens import unescape
from mailframe.model.mailbox import Field, uid_ranges
from mailframe.model.refusal import NoSuchMessage
from mailframe.pacing.breath import Breath

from ..commands.search import find
from ..cursor import BadSyntax, Cursor
from ..headings import first_fields, reduced, sent
from ..items.message import Message
from ..paging import Pager
from ..progress import Passed, untold
from ..registry import Command, Completion, Context, Effect, Extension, State
from ..search.threads import Forest, Post, by_references, by_subject, render

_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*+)"(?=@)')
PAGE = 500                  # messages whose dates are asked for at once
MAX_REFERENCES = 100        # the last ones of a message; what is deeper hangs together all the same
ALGORITHMS: dict[bytes, Callable[[Sequence[Post]], Generator[None, None, Forest]]] = {
    b"REFERENCES": by_references, b"ORDEREDSUBJECT": by_subject,
}


@dataclass(frozen=True, slots=True)
class ThreadRequest:
    """The search keys are read by `run`, as SEARCH does."""

    algorithm: bytes
    charset: bytes
    rest: Cursor


def parse(args: Cursor) -> ThreadRequest:
    """``"THREAD" SP thread-alg SP charset SP search-key *(SP search-key)``."""
    args.space()
    algorithm = args.keyword()
    if algorithm not in ALGORITHMS:
        raise BadSyntax("Unknown algorithm")
    args.space()
    charset = args.astring().upper()
    args.space()
    return ThreadRequest(algorithm, charset, args)


async def run(context: Context, request: ThreadRequest) -> Completion | None:
    found = (await find(context, request.charset, request.rest, whole=True)).found
    breath = Breath(context.clock.seconds, context.breathe)
    number = _itself if context.by_uid else context.view.number
    posts = await read_posts(
        context.selected.mailbox, found, number, breath, lambda done: context.progress(done, len(found)))
    forest = await breath.through(ALGORITHMS[request.algorithm](posts))
    threads = await breath.through(render(forest))
    context.out.untagged(b"THREAD " + threads if threads else b"THREAD")
    return None


def _itself(uid: int) -> int:
    return uid


async def read_posts(
    mailbox: IMailbox, uids: Sequence[int], number: Callable[[int], int], breath: Breath, passed: Passed = untold,
) -> list[Post]:
    """What is to be known of these messages, without those that are gone."""
    pager = Pager(mailbox, uid_ranges(uids), PAGE, Field.DATE)
    posts: list[Post] = []
    while (rows := await pager.next()) is not None:
        if posts:
            passed(len(posts))
        for uid, date in zip(rows.uids, rows.dates):
            try:
                block = await Message(mailbox, uid, breath).header()
            except NoSuchMessage:
                continue
            posts.append(post(block, number(uid), date))
            await breath.take()
    return posts


def post(block: bytes, number: int, arrival: int) -> Post:
    """Of a header block: References, else the first id of In-Reply-To (RFC 5256 section 3)."""
    header = first_fields(block)
    subject, replies = reduced(decode_words(header.get(b"subject", b"")))
    own = _ids(header.get(b"message-id", b""))[:1]
    references = _ids(header.get(b"references", b""))[-MAX_REFERENCES:] or _ids(header.get(b"in-reply-to", b""))[:1]
    return Post(number, sent(header, arrival), fold(subject), replies, own[0] if own else b"", tuple(references))


def _ids(value: bytes) -> list[bytes]:
    """A quoted id is the same as a plain one."""
    found = MESSAGE_ID.findall(value)
    return [unescape(_QUOTED.sub(rb"\1", each)) for each in found] if b'"' in value else found


EXTENSION = Extension(
    capability=b"THREAD=ORDEREDSUBJECT THREAD=REFERENCES", rfc="5256", announced=State.LOGGED_IN,
    commands=(
        Command(b"THREAD", State.SELECTED, parse, run, Effect.READS_SEQ),
        Command(b"UID THREAD", State.SELECTED, parse, run, Effect.MAY_EXPUNGE | Effect.MAY_READ_SEQ),
    ),
)
