"""A session's Context around a mailbox in memory, and the means to run a command's coroutine to its end at once."""

from __future__ import annotations

from array import array
from collections.abc import Coroutine, Sequence
from types import SimpleNamespace
from typing import Any

from mailframe.imap.builtin import default_registry
from mailframe.imap.commands.fetch import read_plan
from mailframe.imap.cursor import Cursor
from mailframe.imap.fetching import Fetching
from mailframe.imap.numset import MessageSet, parse
from mailframe.imap.registry import Selected
from mailframe.imap.view import View
from mailframe.imap.writer import Writer
from mailframe.interfaces.store import IMailbox
from mailframe.model.mailbox import FRESH_ACCOUNT, MAX_UID, Field, MailboxInfo, New
from mailframe.stores.memory import MemoryStore


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine that waits for nothing comes to."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waited")


def inbox(messages: Sequence[New] = ()) -> IMailbox:
    """INBOX of a new account in a new store, with `messages`."""

    async def make() -> IMailbox:
        account = await MemoryStore().open_account("alice", FRESH_ACCOUNT)
        listed = await account.mailboxes()
        mailbox = await account.open_mailbox(next(info.id for info in listed.mailboxes if info.name == "INBOX"))
        if messages:
            await mailbox.append(messages)
        return mailbox

    mailbox: IMailbox = run(make())
    return mailbox


class StubContext(SimpleNamespace):
    """Enough of `registry.Context` for FETCH; `sent` is what went out."""

    def __init__(self, mailbox: IMailbox, read_only: bool = False, keywords: tuple[str, ...] = ()) -> None:
        sent: list[bytes] = []
        rows = run(mailbox.rows([(1, MAX_UID)], MAX_UID, Field.FLAGS))
        view = View(rows)
        super().__init__(
            sent=sent, out=Writer(sent.append), view=view, by_uid=False,
            selected=Selected(MailboxInfo("1", "INBOX"), mailbox, view, read_only, keywords, None),
            clock=SimpleNamespace(seconds=lambda: 0.0),
        )

    async def drained(self) -> None:
        self.out.flush()

    async def breathe(self) -> None:
        pass


def fetch(context: StubContext, items: bytes, numbers: bytes = b"1:*", by_uid: bool = False) -> bytes:
    """The untagged answer of a FETCH."""
    plan = read_plan(Cursor(items, by_uid=by_uid), default_registry().items)
    fetching = Fetching(context, plan)  # type: ignore[arg-type]
    run(fetching.run(context.view.spans(MessageSet(parse(numbers), by_uid))))
    context.out.flush()
    answer = b"".join(context.sent)
    context.sent.clear()
    context.missing = fetching.missing
    return answer


def uids(numbers: Sequence[int]) -> array[int]:
    return array("I", numbers)
