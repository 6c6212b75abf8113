"""From what became of recipients to one report to the sender: whom to tell, what to send back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from mailframe.interfaces.spool import ISpool
from mailframe.mime.header import split_header
from mailframe.model.envelope import Envelope, Peer, Recipient

from .bounce import Report, render
from .item import Entry, Message, Waiting
from .schedule import RetrySettings
from .terms import delayed, gives_up_at, warns_at

MAX_HEADER = 65_536          # octets of the header that are sent back
_PIECE = 262_144
_NO_LINE = re.compile(rb"\r(?!\n)|(?<!\r)\n|\0")        # what a binary message's header may hold, and no line of a report


def entry_for(one: Waiting, message: Message, settings: RetrySettings, now: float) -> Entry | None:
    """What the sender is to be told about `one` now, by its NOTIFY (RFC 3461 section 4.1); None: nothing."""
    problem, notify = one.problem, one.recipient.notify
    if problem is None or message.envelope.sender is None:
        return None
    if problem.served:
        return Entry(one.recipient, _success(one.recipient), problem, one.tried_at) if "NEVER" not in notify else None
    if problem.final:
        return Entry(one.recipient, "failed", problem, one.tried_at) if not notify or "FAILURE" in notify else None
    late = warns_at(settings, message, notify)
    if late is None or late > now or one.warned:
        return None
    problem = delayed(message.envelope, notify, problem, now)
    return Entry(one.recipient, "delayed", problem, one.tried_at, gives_up_at(settings, message))


def _success(recipient: Recipient) -> str:
    """RFC 3464 section 2.3.3."""
    if recipient.expanded:
        return "expanded"
    return "relayed" if recipient.account is None else "delivered"


async def compose(
    message: Message, entries: Sequence[Entry], spool: ISpool, hostname: str, now: float, new_id: Callable[[], str], most: int,
) -> tuple[Envelope, bytes]:
    """The report's envelope and octets; a message of at most `most` octets comes back whole where that was asked for.

    Of one that requires TLS only the header does (RFC 8689 section 5), and of a binary one: a report goes by lines, to any
    host, and what is no line in it could end it there (I5). Raises Refusal when it cannot be read.
    """
    asked = message.envelope.ret == "FULL" and not message.envelope.require_tls and message.envelope.body != "BINARYMIME"
    whole = asked and message.size <= most and any(entry.action == "failed" for entry in entries)
    original = message.head + await _read(spool, message, message.size if whole else MAX_HEADER)
    if not whole:
        original = _NO_LINE.sub(b"?", _lines(original[:split_header(original)]))
    report = Report(new_id(), hostname, message.envelope, message.created, now, tuple(entries), original, whole)
    octets = render(report)
    sender = message.envelope.sender
    envelope = Envelope(
        report.id, None, Peer("", helo=hostname), now, body="7BIT" if octets.isascii() else "8BITMIME",
        smtputf8=sender is not None and sender.needs_smtputf8, priority=message.envelope.priority,      # RFC 6710 section 4
        require_tls=message.envelope.require_tls)
    return envelope, octets


def _lines(header: bytes) -> bytes:
    """Whole lines of a header block that may have been cut in the middle of one, at most MAX_HEADER octets."""
    if len(header) > MAX_HEADER:
        header = header[:MAX_HEADER]
    return header if header.endswith(b"\n") else header[:header.rfind(b"\n") + 1]


async def _read(spool: ISpool, message: Message, size: int) -> bytes:
    pieces = [await spool.read(message.content, at, min(_PIECE, size - at)) for at in range(0, min(size, message.size), _PIECE)]
    return b"".join(pieces)


def about(entries: Iterable[Entry]) -> str:
    """For the log."""
    return ", ".join(f"{entry.recipient} {entry.action} {entry.problem.status}" for entry in entries)
