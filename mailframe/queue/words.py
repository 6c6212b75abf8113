"""What a report says to people [pure]: plain, short, and with what to do next."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

from mailframe.mime.date import mail_date

from .item import Entry, Problem

_SUBJECTS = (
    ("failed", "Your message could not be delivered"),
    ("delayed", "Your message is delayed"),
    ("delivered", "Your message was delivered"),
    ("relayed", "Your message was handed on"),
    ("expanded", "Your message was passed on to several addresses"),
)
_INTRODUCTIONS = {
    "failed": "Your message from {date} could not be delivered to:",
    "delayed": "Your message from {date} has not reached the following yet. You need do nothing: we keep trying until {until}.",
    "delivered": "Your message from {date} is in the mailbox of:",
    "relayed": "Your message from {date} was handed on to the next mail server for:",
    "expanded": "Your message from {date} was passed on by:",
}
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


def subject(actions: Iterable[str]) -> str:
    """The gravest news first."""
    found = set(actions)
    return next((words for action, words in _SUBJECTS if action in found), "About your message")


def explanation(hostname: str, arrived: float, entries: Sequence[Entry], whole: bool) -> str:
    """The report's first part, lines ending with LF."""
    date = mail_date(arrived)
    blocks = [f"This is the mail server at {hostname}."]
    for action, _ in _SUBJECTS:
        some = [entry for entry in entries if entry.action == action]
        if not some:
            continue
        until = max((entry.retry_until or 0.0 for entry in some), default=0.0)
        blocks.append(textwrap.fill(_INTRODUCTIONS[action].format(date=date, until=mail_date(until)), 76))
        blocks += [_one(entry) for entry in some]
    if any(entry.action == "failed" for entry in entries):
        blocks.append("Please check the address, or ask the recipient in another way. Technical\ndetails are attached.")
    blocks.append(f"{'Your message' if whole else 'The header of your message'} is attached.")
    return "\n\n".join(blocks) + "\n"


def _one(entry: Entry) -> str:
    lines = [f"  <{_line(str(entry.recipient))}>"]
    original = (entry.recipient.orcpt or "").partition(";")[2]
    if original and original.lower() != str(entry.recipient).lower():
        lines.append(f"    (you wrote to {_line(original)})")
    problem = entry.problem
    if entry.action == "delivered":
        return "\n".join(lines)
    lines.append(textwrap.fill(_why(problem), 76, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False))
    return "\n".join(lines)


def _why(problem: Problem) -> str:
    """In the next host's own words if it has said any."""
    if problem.served:
        return _line(problem.text) + (f" ({_line(problem.mta)})." if problem.mta else ".")
    if not (problem.mta and problem.diagnostic):
        return _line(problem.text)
    over = " - again and again, until the time for it was over." if problem.final and problem.diagnostic.startswith("4") else ""
    return f"{_line(problem.mta)} said: {_line(problem.diagnostic)}{over}"


def _line(text: str) -> str:
    return _UNSAFE.sub(" ", text[:700]).strip()
