"""IMAP4rev2 (RFC 9051), for clients that ENABLE it; what it asks for besides is there for everybody.

Enabled it means: names and quoted strings are UTF-8; SEARCH answers as ESEARCH; nothing is said of \\Recent messages nor,
by SELECT, of the first unseen one; SELECT shows the mailbox's LIST line, and says when another was left; a LIST line tells
what a mailbox was called before RENAME, or before its name was brought into Unicode's form C (RFC 9051 appendix E).
"""

from __future__ import annotations

from dataclasses import replace

from mailframe.interfaces.finding import found
from mailframe.interfaces.maybe import settled
from mailframe.model.mailbox import MailboxList

from .. import writer
from ..commands.listing import Lister, ListRequest
from ..names import Tree
from ..registry import REV2, Context, Extension, State


async def list_line(context: Context, name: str, old: str | None = None) -> None:
    """Tell the mailbox's LIST line (RFC 9051 section 7.3.1), and under which name the client knew it."""
    known: MailboxList = await settled(context.account.mailboxes())
    if context.watcher is not None:
        await context.watcher.listing(context, known)
    if not any(info.name == name for info in known.mailboxes) and (info := await found(context.account, name)) is not None:
        known = replace(known, mailboxes=(*known.mailboxes, info))      # may be selected, though LIST does not show it
    line = Lister(context, Tree(known), ListRequest("", (name,), returns={b"SUBSCRIBED": None}, extended=True)).line(name)
    if line is not None:
        before = b"" if old is None else b' ("OLDNAME" (%b))' % writer.mailbox(old, context.utf8)
        context.out.untagged(line + before)


EXTENSION = Extension(capability=REV2, rfc="9051", announced=State.ANY, enables=(REV2,))
