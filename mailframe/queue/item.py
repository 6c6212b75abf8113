"""What the queue keeps: values for a message that waits and for each of its recipients."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from mailframe.model.address import Address
from mailframe.model.envelope import Envelope, Recipient
from mailframe.model.refusal import Refusal, RemoteRefusal, TryAgainLater

_STATUS = re.compile(r"[45]\.[0-9]{1,3}\.[0-9]{1,3}")


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a try failed, in words that survive a restart and end up in a report (RFC 3464 section 2.3)."""

    text: str                      # public words
    code: int = 451                # SMTP reply code
    status: str = "4.0.0"          # enhanced status code (RFC 3463)
    mta: str = ""                  # the host that said so, "" for ourselves
    diagnostic: str = ""           # its reply on one line

    @classmethod
    def of(cls, refusal: Refusal) -> Problem:
        """The lasting part of a refusal; its detail is for the log alone."""
        code, status = refusal.smtp
        if not 400 <= code < 600:                   # a plugin's fault (I7), as `smtp.reply.Reply.from_refusal` has it
            code, status = 451, "4.3.0"
        elif status[:1] != str(code)[0] or not _STATUS.fullmatch(status):       # where they contradict each other the code counts
            status = f"{code // 100}.0.0"
        else:
            status = ".".join(str(int(field)) for field in status.split("."))      # no leading zeros (RFC 3464 section 2.3.4)
        if isinstance(refusal, RemoteRefusal):
            return cls(refusal.public, code, status, refusal.mta, refusal.diagnostic)
        return cls(refusal.public, code, status)

    @property
    def final(self) -> bool:
        """Nothing is left to try: refused for good, or (2xx) done with, and only the sender is still to be told."""
        return not 400 <= self.code < 500

    @property
    def served(self) -> bool:
        """It is no problem at all: the recipient has it."""
        return self.code < 400

    def refusal(self) -> Refusal:
        """Back as the error it was."""
        if self.mta:
            return RemoteRefusal(self.text, smtp=(self.code, self.status), mta=self.mta, diagnostic=self.diagnostic)
        return TryAgainLater(self.text, smtp=(self.code, self.status))


@dataclass(frozen=True, slots=True)
class NewItem:
    """A message to be queued: `heads[recipient]` and then `head` stand in front of its content."""

    envelope: Envelope
    recipients: tuple[Recipient, ...]
    content: bytes | str           # octets, or the id of sealed content
    size: int                      # octets of the content
    head: bytes = b""
    heads: dict[Recipient, bytes] = field(default_factory=dict)
    next_try: float = 0.0          # seconds since the epoch; 0: at once


@dataclass(frozen=True, slots=True)
class Waiting:
    """One recipient that is still to be served."""

    id: int
    message_id: int
    recipient: Recipient
    domain: str                    # what concurrency is counted by: the address's domain, "" for our own mailboxes
    head: bytes = b""              # its own header lines, in front of the message's
    next_try: float = 0.0
    tries: int = 0
    problem: Problem | None = None # of the last try
    tried_at: float = 0.0          # of the last try, 0: none yet
    held: bool = False
    warned: bool = False           # whether the sender was told of the delay
    priority: int = 0              # the envelope's: higher ones go first


@dataclass(frozen=True, slots=True)
class Message:
    """One queued message. `created` is when it was accepted, in seconds since the epoch."""

    id: int
    envelope: Envelope
    head: bytes
    content: str                   # id of the content
    size: int                      # octets of the content
    created: float


@dataclass(frozen=True, slots=True)
class Item:
    """A message with all of its waiting recipients, for people to look at."""

    message: Message
    waiting: tuple[Waiting, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one waiting recipient after a try: it leaves the queue, or waits until `next_try`."""

    id: int
    next_try: float | None         # None: done with, remove it
    problem: Problem | None = None
    tried_at: float = 0.0
    warned: bool = False
    tried: bool = True             # whether it counts as a try


@dataclass(frozen=True, slots=True)
class Entry:
    """One recipient in a report to the sender."""

    recipient: Recipient
    action: str                      # failed, delayed, delivered, relayed, expanded (RFC 3464 section 2.3.3)
    problem: Problem
    tried_at: float = 0.0            # seconds since the epoch, 0: unknown
    retry_until: float | None = None # for delayed


DELIVERED = Problem("Delivered", 250, "2.0.0")           # into a mailbox of ours
RELAYED = Problem("The next mail server took it, and will not report what becomes of it", 250, "2.1.9")
TRACED = Problem("The next mail server took it, and keeps the time", 250, "2.0.0")      # RFC 2852: by-trace
UNTIMED = Problem("The next mail server took it, and does not promise to keep the time", 250, "2.1.9")   # section 4.1.4.2
EXPANDED = Problem("It goes to each of the addresses that this one stands for", 250, "2.0.0")    # RFC 3461 section 5.2.7

#: A key by which to page through what is due: (next_try, id of the recipient's row).
Position = tuple[float, int]
START: Position = (-1.0, 0)


def sender_text(sender: Address | None) -> str:
    """A sender for people and logs: "<>" is the null reverse-path."""
    return f"<{sender}>" if sender else "<>"
