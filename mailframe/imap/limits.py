"""How many messages one command may work on (RFC 9738); without a limit in the settings nothing is counted."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from mailframe.model.flags import DELETED
from mailframe.model.refusal import LimitReached

from .registry import Context
from .search.returning import window_of
from .settings import ImapSettings
from .view import View

Spans = list[tuple[int, int]]


class TooManyMessages(LimitReached):
    """`lowest`: the last UID that the limit would have reached, counted from the highest; 0: not known."""

    def __init__(self, limit: int, lowest: int = 0) -> None:
        super().__init__("Too many messages at once, try fewer", imap_code=code(limit, lowest))


def code(limit: int, lowest: int = 0) -> bytes:
    return b"MESSAGELIMIT %d %d" % (limit, lowest) if lowest else b"MESSAGELIMIT %d" % limit


def save_limit(settings: ImapSettings) -> int:
    """Of COPY and APPEND."""
    return settings.message_limit or settings.save_limit


def last_of(context: Context, spans: Spans) -> Spans:
    """What a command may work on: all of these index spans, or the last of them, which the client is then told. It then goes
    through them from the last to the first (RFC 9738 section 3.1)."""
    limit = context.settings.message_limit
    if not limit or sum(stop - start for start, stop in spans) <= limit:
        return spans
    kept = window_of(spans, (-1, -limit))
    context.limited = code(limit, context.view.uids[kept[0][0]])
    return kept


def none_too_many(context: Context, spans: Spans) -> None:
    """Raises TooManyMessages where a part would be of no use."""
    limit = context.settings.message_limit
    if limit and sum(stop - start for start, stop in spans) > limit:
        raise TooManyMessages(limit)


def check_copy(context: Context, uids: Sequence[int]) -> None:
    """COPY does all or nothing (RFC 9738 section 3.1)."""
    limit = save_limit(context.settings)
    if limit and len(uids) > limit:
        raise TooManyMessages(limit, uids[-limit])


def check_append(settings: ImapSettings, count: int) -> None:
    """So does APPEND (RFC 3502 section 5)."""
    limit = save_limit(settings)
    if limit and count > limit:
        raise TooManyMessages(limit)


def check_window(settings: ImapSettings, window: tuple[int, int] | None) -> None:
    """A window wider than the limit gets no part of it (RFC 9738 section 3.1)."""
    limit = settings.message_limit
    if limit and window is not None and abs(window[1] - window[0]) >= limit:
        raise TooManyMessages(limit)


def last_deleted(context: Context, view: View, spans: Spans) -> array[int]:
    """The UIDs that UID EXPUNGE may look at: of those flagged \\Deleted the last ones count."""
    limit = context.settings.message_limit
    uids = view.uids_in(spans)
    if not limit or len(uids) <= limit:
        return uids
    deleted = array("I", (uid for uid, flags in zip(uids, view.rows(spans).flags) if flags & DELETED))
    if len(deleted) <= limit:
        return uids
    lowest = deleted[-limit]
    context.limited = code(limit, lowest)
    return array("I", (uid for uid in uids if uid >= lowest))
