"""A bounded memory of messages that reached some mailboxes before the rest of their commit failed."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from hashlib import blake2b

from twisted.internet.interfaces import IReactorTime

from mailframe.model.envelope import Envelope
from mailframe.staging.intake import Intake

from .placing import DestinationKey


class HalfDone:
    """Knows a message that is sent again by its sender, size and header, and who has it already."""

    def __init__(self, clock: IReactorTime, keep_s: float, most: int) -> None:
        self._clock = clock
        self._keep_s = keep_s
        self._most = most
        self._known: dict[bytes, tuple[float, frozenset[DestinationKey]]] = {}

    def key(self, envelope: Envelope, size: int, header: bytes) -> bytes:
        """The same for a resend, which carries the same Message-ID and Date."""
        sender = envelope.sender.folded if envelope.sender else ""
        known = f"{sender}\0{envelope.peer.account or ''}\0{size}\0".encode("utf-8", "replace")
        return blake2b(known + header, digest_size=20).digest()

    def done(self, key: bytes) -> frozenset[DestinationKey]:
        """Who has this message already."""
        known = self._known.get(key)
        if known is None or known[0] < self._clock.seconds():
            return frozenset()
        return known[1]

    def note(self, key: bytes, done: Iterable[DestinationKey]) -> None:
        """These have it; more of it may have failed."""
        self._known[key] = (self._clock.seconds() + self._keep_s, self.done(key) | frozenset(done))
        while len(self._known) > self._most:
            del self._known[next(iter(self._known))]

    def forget(self, key: bytes) -> None:
        """It is whole now."""
        self._known.pop(key, None)

    def __len__(self) -> int:
        return len(self._known)


class Resend:
    """What that memory knows of one message."""

    def __init__(self, memory: HalfDone, envelope: Envelope) -> None:
        self._memory = memory
        self._envelope = envelope
        self.key = b""                                           # empty: nothing was looked up
        self.done: frozenset[DestinationKey] = frozenset()       # who has it from an earlier, half-done try

    def recognise(self, intake: Intake) -> None:
        """Look the sealed message up."""
        if len(self._memory):
            self.key = self._key(intake)
            self.done = self._memory.done(self.key)

    def note(self, intake: Intake, done: Collection[DestinationKey], *, whole: bool) -> None:
        """Remember who has it if some have not (their sender will come again), forget it when it is `whole`."""
        if done and not whole:
            self._memory.note(self._key(intake), done)
        elif self.key and whole:
            self._memory.forget(self.key)

    def _key(self, intake: Intake) -> bytes:
        return self._memory.key(self._envelope, intake.size(), intake.header())
