"""What a sender asked about time: when a message may leave, must be there, and is late (RFC 4865, RFC 2852) [pure]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mailframe.model.envelope import Envelope, Recipient
from mailframe.model.handed import Handed

from .item import RELAYED, TRACED, UNTIMED, Message, Problem, Waiting
from .schedule import RetrySettings, expires, warn_at

_LATE = "4.4.7"
UNDER_WAY = Problem("It is being handed on, and that takes long", 451, _LATE)
NOT_IN_TIME = Problem("It could not be handed on in time", 451, _LATE)      # before the first try


def since(message: Message) -> float:
    """From when its age counts: its coming, or, for one that was to be held, its release."""
    return max(message.created, message.envelope.hold_until or 0.0)


def returns_at(envelope: Envelope) -> float | None:
    """The deadline of by-mode R, after which it is never delivered, but returned."""
    by = envelope.deliver_by
    return by.at if by is not None and not by.notify else None


def gives_up_at(settings: RetrySettings, message: Message) -> float:
    """When there are no more tries."""
    end = expires(settings, since(message), message.envelope.sender is None)
    deadline = returns_at(message.envelope)
    return end if deadline is None else min(end, deadline)


def announces_delay_at(envelope: Envelope, notify: frozenset[str]) -> float | None:
    """The deadline of by-mode N, at which its sender is told that it is late: unless an earlier server has done that
    (the time it gave us was negative), or NOTIFY leaves out DELAY."""
    by = envelope.deliver_by
    if by is None or not by.notify or by.at <= envelope.received_at or (notify and "DELAY" not in notify):
        return None
    return by.at


def late_ones(message: Message, group: Sequence[Waiting], at: float) -> list[Waiting]:
    """Who of `group` is late by then by his sender's own deadline, and is on the way to another host: word of that is due at the
    deadline, and waits for no hand-over to end (RFC 2852 section 4.1.3)."""
    found = []
    for one in group:
        asked = announces_delay_at(message.envelope, one.recipient.notify)
        if asked is not None and asked <= at and not (one.warned or one.recipient.account or one.recipient.expanded):
            found.append(one)
    return found


def warns_at(settings: RetrySettings, message: Message, notify: frozenset[str]) -> float | None:
    """When the sender hears of a delay. A sender who said when has said it for this message."""
    asked = announces_delay_at(message.envelope, notify)
    return warn_at(settings, since(message), notify) if asked is None else asked


def tries_at(settings: RetrySettings, message: Message, recipient: Recipient, later: float, now: float) -> float:
    """`later`, or the next deadline if that comes before."""
    asked = announces_delay_at(message.envelope, recipient.notify)
    deadlines = [gives_up_at(settings, message)] if asked is None or asked <= now else [gives_up_at(settings, message), asked]
    return min(later, *deadlines)


def delayed(envelope: Envelope, notify: frozenset[str], problem: Problem, now: float) -> Problem:
    """`problem` as a report of the delay states it: past a deadline of the sender's, that is what is wrong."""
    asked = announces_delay_at(envelope, notify)
    return problem if asked is None or now < asked else replace(problem, status=_LATE)


def handed_on(envelope: Envelope, recipient: Recipient, handed: Handed, now: float) -> Problem | None:
    """What the sender is to be told of a successful hand-over to another host; None: nothing."""
    by, notify = envelope.deliver_by, recipient.notify
    if envelope.sender is None or "NEVER" in notify:
        return None
    host, said, timed = handed.hosts.get(recipient, ""), handed.said.get(recipient, ""), recipient in handed.timed
    if "SUCCESS" in notify and recipient not in handed.reporting:
        return replace(RELAYED, mta=host, diagnostic=said)
    untimed = by is not None and by.notify and not timed and now < by.at        # later its sender knows already that it is late
    if by is None or not (by.trace or untimed):        # RFC 2852 sections 4.1.4, 4.1.4.2
        return None
    return replace(TRACED if timed else UNTIMED, mta=host, diagnostic=said)
