"""FUTURERELEASE (RFC 4865): an own user's message that is to leave later; read here, kept by the queue until then."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from ..extension import Extension
from ..situation import MailDraft, Situation
from ..syntax import SyntaxFault, timestamp

_SECONDS = re.compile(r"[1-9][0-9]{0,8}")


def keywords(situation: Situation) -> tuple[str, ...]:
    """``FUTURERELEASE seconds date-time``: the longest hold, and when it would end that began now. For submission alone."""
    longest = situation.settings.max_hold_s
    if not longest or situation.settings.role != "submission" or "FUTURERELEASE" not in situation.honours:
        return ()
    return (f"FUTURERELEASE {longest} {date_time(situation.now + longest)}",)


def hold_for(draft: MailDraft, value: str | None) -> None:
    """Seconds from now: 1 to 9 digits, no zero in front."""
    if value is None or not _SECONDS.fullmatch(value):
        raise SyntaxFault("HOLDFOR wants a number of seconds")
    _hold(draft, draft.now + int(value))


def hold_until(draft: MailDraft, value: str | None) -> None:
    """An instant, with its offset from UTC. One that has passed is kept to by sending at once."""
    try:
        at = timestamp(value)
    except ValueError:
        raise SyntaxFault("HOLDUNTIL wants a time as in 2031-01-01T08:00:00Z") from None
    _hold(draft, at)


def _hold(draft: MailDraft, until: float) -> None:
    if draft.hold_until is not None:
        raise SyntaxFault("HOLDFOR and HOLDUNTIL exclude each other")
    longest = draft.situation.settings.max_hold_s
    if until > draft.now + longest:
        raise SyntaxFault(f"A message is held for at most {longest} seconds, until {date_time(draft.now + longest)}")
    draft.hold_until = max(until, draft.now)
    agree(draft)


def agree(draft: MailDraft) -> None:
    """A message cannot be due before it may leave: said now, rather than in a report later."""
    if draft.hold_until is not None and draft.deliver_by is not None and draft.deliver_by.at <= draft.hold_until:
        raise SyntaxFault("The message is to be held until after the time by which it is to be delivered")


def date_time(at: float) -> str:
    """Epoch seconds as RFC 3339 has them, whole seconds of UTC."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


EXTENSION = Extension(
    "FUTURERELEASE", "4865", keywords=keywords, mail_parameters={"HOLDFOR": hold_for, "HOLDUNTIL": hold_until},
)
