"""A command as one of several IMAP clients says it, what came of it, and how it is cut on the wire."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING

from .imap_strict import Response
from .imap_truth import Box, State

if TYPE_CHECKING:
    from .imap_peer import Peer


@dataclass
class Answer:
    """What came of one command. `before` and `after`: the mailbox as it was; only where nothing else went on meanwhile."""

    peer: Peer
    told: list[Response]
    final: Response
    before: State
    after: State

    @property
    def lowest(self) -> int:
        """The least UID that was worked upon, where a limit cut the command off (RFC 9738)."""
        limits = [each.code_value for each in (*self.told, self.final) if each.code == b"MESSAGELIMIT"]
        return limits[0][1] or 0 if limits else 0


Expectation = Callable[[Answer], None]


@dataclass
class Said:
    """A command. `begins`: what the client believes of its doing, from when it runs; `expect`: what must have come of it."""

    text: str
    literal: bytes = b""                # what follows the text
    appends: list[bytes] = field(default_factory=list)
    begins: Callable[[], None] | None = None
    expect: Expectation | None = None
    check: Callable[[Answer], Awaitable[None]] | None = None        # as `expect`, of other mailboxes
    tag: bytes = b""
    within: bool = False                # a mailbox was selected when it was said
    box: Box | None = None              # when it began
    before: State = None
    told: list[Response] = field(default_factory=list)


def pieces(octets: bytes, start: int, cuts: Random | None) -> list[bytes]:
    """`octets`, cut up to four times, not before `start`."""
    if cuts is None:
        return [octets]
    places = sorted({0, len(octets), *(cuts.randint(start, len(octets)) for _ in range(cuts.randint(1, 4)))})
    return [octets[low:high] for low, high in pairwise(places)]
