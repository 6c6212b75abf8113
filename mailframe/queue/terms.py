"""What a sender asked about time: when a message may leave, must be there, and is late (RFC 4865, RFC 2852) [pure]."""

from __future__ import annotations

from dataclasses import replace

from mailframe.model.envelope import Envelope, Recipient
from mailframe.model.handed import Handed

from .item import RELAYED, TRACED, UNTIMED, Message, Problem
from .schedule import RetrySettings, expires, warn_at

_LATE = "4.4.7"
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


def handed_on(envelope: Envelope, recipient: Recipient, handed: Handed) -> Problem | None:
    """What the sender is to be told of a successful hand-over to another host; None: nothing."""
    by, notify = envelope.deliver_by, recipient.notify
    if envelope.sender is None or "NEVER" in notify:
        return None
    host, timed = handed.hosts.get(recipient, ""), recipient in handed.timed
    if "SUCCESS" in notify and recipient not in handed.reporting:
        return replace(RELAYED, mta=host)
    if by is None or not (by.trace or (by.notify and not timed)):      # RFC 2852 sections 4.1.4, 4.1.4.2
        return None
    return replace(TRACED if timed else UNTIMED, mta=host)
