"""A client's picture of a mailbox, made only of the octets it was told, which no answer may contradict (I6)."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from .imap_strict import Response

#: RFC 3501 section 7.4.1, RFC 5256 section 3: sequence numbers stay while these run.
KEEPS_NUMBERS = ("FETCH", "STORE", "SEARCH", "SORT", "THREAD")
RECENT = b"\\Recent"


@dataclass(slots=True)
class Known:
    """One message: what was told of it."""

    uid: int = 0
    flags: frozenset[bytes] | None = None
    modseq: int = 0


@dataclass(slots=True)
class Mirror:
    """`command` is what runs now ("" between commands); responses go to `told` in the order in which they came."""

    messages: list[Known] = field(default_factory=list)
    command: str = ""
    condstore: bool = False
    qresync: bool = False
    uid_only: bool = False              # messages whose UID it was not told stand last
    uidvalidity: int = 0
    uidnext: int = 0
    highest_modseq: int = 0             # all up to it is known, as far as the client may conclude (RFC 7162 section 3.2)
    searched: list[int] = field(default_factory=list)
    returned: dict[bytes, Any] = field(default_factory=dict)        # what ESEARCH told
    by_uid: bool = False
    codes: list[tuple[bytes, Any]] = field(default_factory=list)      # of the running command
    statuses: dict[bytes, dict[bytes, int]] = field(default_factory=dict)
    contexts: dict[bytes, set[int]] = field(default_factory=dict)      # by tag, what RETURN (UPDATE) has been told to find
    pushed: bool = False                # NOTIFY lets the server tell EXPUNGE while no command runs (RFC 5465 section 6.1.1)

    def begin(self, command: str) -> None:
        self.command = command
        self.by_uid = command.startswith("UID ")
        self.codes, self.searched, self.returned, self.statuses = [], [], {}, {}

    def forget(self) -> None:
        """The mailbox is left."""
        self.messages, self.uidvalidity, self.uidnext, self.highest_modseq = [], 0, 0, 0
        self.contexts = {}

    @property
    def uids(self) -> list[int]:
        return [known.uid for known in self.messages if known.uid]

    def told(self, response: Response) -> None:
        match response.kind:
            case b"EXISTS":
                more = response.number - len(self.messages)
                assert more >= 0, f"EXISTS shrinks from {len(self.messages)} to {response.number} during {self.command!r}"
                self.messages += [Known() for _ in range(more)]
            case b"RECENT":
                assert response.number <= len(self.messages)
            case b"EXPUNGE":
                self._may_expunge()
                assert not self.qresync, "EXPUNGE after ENABLE QRESYNC (RFC 7162 section 3.2.10)"
                assert 1 <= response.number <= len(self.messages), f"no message {response.number} to expunge"
                del self.messages[response.number - 1]
            case b"VANISHED":
                self._vanished(*response.value)
            case b"FETCH":
                self._fetched(response.number, response.value)
            case b"UIDFETCH":
                self._fetched(self._place(response.number), {b"UID": response.number} | response.value)
            case b"SEARCH" | b"SORT":
                self.searched = response.value[0]
                self._searched(ascending=response.kind == b"SEARCH")
            case b"ESEARCH" if b"UPDATES" in response.value:
                self._updated(response.value)
            case b"ESEARCH":
                self.returned = response.value
                assert (b"UID" in self.returned) == self.by_uid, f"{self.returned} for {self.command!r} (RFC 4731 section 3.1)"
            case b"STATUS":
                self.statuses[response.value[0]] = response.value[1]
            case b"OK" | b"NO" | b"BAD":
                self._condition(response)

    def _updated(self, told: dict[bytes, Any]) -> None:
        """ADDTO and REMOVEFROM of a context by UID (RFC 5267 section 4.3): what was told fits what was known."""
        found = self.contexts[told[b"TAG"]]
        for word, places in told[b"UPDATES"]:
            for _, text in places:
                uids = {uid for part in text.split(b",") for uid in range(int(part.split(b":")[0]), int(part.split(b":")[-1]) + 1)}
                assert uids <= found if word == b"REMOVEFROM" else not uids & found, (told, found)
                found.symmetric_difference_update(uids)

    def _may_expunge(self) -> None:
        words = self.command.split()
        assert words or self.pushed, "EXPUNGE while no command runs"
        if not words:
            return
        assert words[0] not in KEEPS_NUMBERS, f"EXPUNGE during {self.command!r}"

    def _vanished(self, earlier: bool, told: bytes) -> None:
        assert self.qresync or self.uid_only, "VANISHED without QRESYNC or UIDONLY"
        if not earlier:
            self._may_expunge()
        for part in told.split(b","):
            low, _, high = part.partition(b":")
            for uid in range(int(low), int(high or low) + 1):
                self._vanish(uid, earlier)

    def _vanish(self, uid: int, earlier: bool) -> None:
        for place, known in enumerate(self.messages):
            if known.uid == uid:
                del self.messages[place]
                return
        if earlier:
            return                      # it may name what we never knew
        if self.uid_only:
            assert self.messages and not self.messages[-1].uid, f"VANISHED {uid}, which is not among {self.uids}"
            self.messages.pop()
            return
        # One whose UID was not told yet: it stands between those that are less and those that are greater.
        low = max((place + 1 for place, known in enumerate(self.messages) if 0 < known.uid < uid), default=0)
        high = min((place for place, known in enumerate(self.messages) if known.uid > uid), default=len(self.messages))
        assert low < high, f"VANISHED {uid}, which is not among {self.uids}"
        self.messages[low:high] = [Known() for _ in range(high - low - 1)]      # which of them it was cannot be known

    def _place(self, uid: int) -> int:
        """The number by which `_fetched` knows the message; one heard of for the first time takes the room of an unknown."""
        uids = self.uids
        if uid not in uids:
            assert len(uids) < len(self.messages), f"UIDFETCH of {uid} where {uids} are all"
            self.messages.pop()
            self.messages.insert(sum(known < uid for known in uids), Known(uid))
        return self.uids.index(uid) + 1

    def _fetched(self, number: int, items: dict[bytes, Any]) -> None:
        assert number <= len(self.messages), f"FETCH of {number} where {len(self.messages)} exist, during {self.command!r}"
        known = self.messages[number - 1]
        uid = items.get(b"UID", 0)
        assert not (self.by_uid and self.command.startswith("UID FETCH")) or uid, f"no UID in an answer to {self.command!r}"
        if uid:
            assert known.uid in (0, uid), f"message {number} was UID {known.uid}, now {uid}, during {self.command!r}"
            known.uid = uid
            assert all(low < high for low, high in pairwise(self.uids)), f"UIDs do not ascend: {self.uids}"
        if b"FLAGS" in items:
            known.flags = frozenset(items[b"FLAGS"]) - {RECENT}
            if self.condstore and not self.command.startswith(("FETCH", "UID FETCH")):
                assert b"MODSEQ" in items, f"flags without MODSEQ during {self.command!r} (RFC 7162 section 3.2)"
        modseq = items.get(b"MODSEQ", known.modseq)
        assert modseq >= known.modseq, f"MODSEQ of {known} falls to {modseq}"
        known.modseq = modseq
        if self.qresync:
            self.highest_modseq = max(self.highest_modseq, modseq)

    def _searched(self, ascending: bool) -> None:
        if self.by_uid:
            return
        assert all(number <= len(self.messages) for number in self.searched), f"{self.command!r} found {self.searched}"
        assert len(set(self.searched)) == len(self.searched)
        assert not ascending or self.searched == sorted(self.searched)

    def _condition(self, response: Response) -> None:
        self.codes.append((response.code, response.code_value))
        match response.code:
            case b"UIDVALIDITY":
                self.uidvalidity = response.code_value
            case b"UIDNEXT":
                self.uidnext = response.code_value
            case b"HIGHESTMODSEQ":
                self.highest_modseq = response.code_value

    # -- what a client believes of its own doing

    def stored(self, number: int, sign: str, flags: frozenset[bytes]) -> None:
        """A .SILENT STORE: it is as if it had been told the outcome."""
        known = self.messages[number - 1]
        if known.flags is not None:
            known.flags = known.flags | flags if sign == "+" else known.flags - flags if sign == "-" else flags
