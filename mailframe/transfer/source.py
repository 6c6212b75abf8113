"""What an import needs of the place that mail comes from, and the values that go between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool

T = TypeVar("T")

SLICE_OCTETS = 262_144      # read and written at once: a fraction of a millisecond of the reactor's time (I2)


class TransferError(Exception):
    """Why an import or export ends early: a sentence for a person. What was done until then is kept, and not done again."""


@dataclass(frozen=True, slots=True)
class SourceFolder:
    """A folder as its source has it."""

    key: str                        # what the source itself calls it; the same in each run
    name: str                       # Unicode, levels parted by "/"; "INBOX" for the inbox
    special_use: str | None = None
    subscribed: bool = True


@dataclass(frozen=True, slots=True)
class Listed:
    """A message as a folder's listing shows it."""

    key: str                        # the same in each run; its folder's alone unless the source is `numbered`
    rank: int = 0                   # messages are taken in this order, equal ones by key
    place: str = ""                 # where to read it in this run; the source's own words
    copy: int = 0                   # which of those with the same key; given by the journal


@dataclass(frozen=True, slots=True)
class Meta:
    """What is known of a message besides its octets."""

    flags: tuple[bytes, ...] = ()   # as IMAP spells them, keywords too
    date: int = 0                   # INTERNALDATE, seconds since the epoch


class Taker(Protocol):
    """Who takes messages from a source. Order: begin, write*, end; or missing; for each message in turn."""

    def begin(self, listed: Listed) -> None: ...

    async def write(self, octets: bytes) -> None:
        """The next octets, CRLF line ends, at most some SLICE_OCTETS; this is the backpressure."""

    async def end(self, meta: Meta) -> None: ...

    async def missing(self, listed: Listed, why: str) -> None:
        """It cannot be read: gone since it was listed ("" as `why`), or broken."""


class Source(Protocol):
    """Where mail comes from. Order: open, folders, then for each folder enter and page until empty or enter and read; close."""

    title: str                      # for people, and the journal's identity
    numbered: bool                  # equal keys in a folder are different messages, told apart by their order

    async def open(self) -> None:
        """Raises TransferError."""

    async def folders(self) -> Sequence[SourceFolder]: ...

    async def enter(self, folder: SourceFolder) -> None:
        """What follows is about this folder."""

    async def page(self) -> Sequence[Listed]:
        """The next messages of the folder's listing, some hundred; empty at its end."""

    async def read(self, wanted: Sequence[Listed], taker: Taker) -> None:
        """Give each of these to `taker`, in this order."""

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is: `done` of `total` messages in this phase (total 0: nobody knows)."""

    phase: str                      # "listing", "copying", "verifying"; of a dry run "found", "counted"
    folder: str
    done: int
    total: int
    octets: int = 0


Tell = Callable[[Progress], None]
MOST_PROBLEMS = 50                  # told one by one; beyond it they are only counted


@dataclass(slots=True)
class Report:
    """What came of it."""

    folders: int = 0
    listed: int = 0                 # messages that the source has
    copied: int = 0                 # in this run
    octets: int = 0                 # of these
    already: int = 0                # copied by an earlier run
    verified: int = 0               # read back and found equal, in this run
    troubles: int = 0               # messages that are not, or not equally, at the other side
    problems: list[str] = field(default_factory=list)      # sentences; each is a reason for exit code 1
    notes: list[str] = field(default_factory=list)         # sentences about what the other side cannot hold

    def problem(self, sentence: str, messages: int = 1) -> None:
        """Count it, and keep its sentence while there are few."""
        self.troubles += messages
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(sentence)

    def note(self, sentence: str) -> None:
        """Keep it once."""
        if sentence not in self.notes and len(self.notes) < MOST_PROBLEMS:
            self.notes.append(sentence)


async def in_thread(reactor: Any, work: Callable[..., T], *arguments: Any) -> T:
    """What `work` returns, done in a thread of the reactor's pool: files are never waited for in the reactor (I2)."""
    done: Deferred[T] = deferToThreadPool(reactor, reactor.getThreadPool(), work, *arguments)
    return await done


class Breath:
    """Lets the reactor serve others between slices of work that has nothing to wait for (I2)."""

    _BUDGET_S = 0.002

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._since = reactor.seconds()

    async def take(self) -> None:
        """Wait for the reactor's next turn if this one's share is used up."""
        if self._reactor.seconds() - self._since > self._BUDGET_S:
            await deferLater(self._reactor, 0)
            self._since = self._reactor.seconds()
