"""A user who asks for much with a message: to be held, by when to arrive, how urgent it is, to be told of its arrival."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from support.wires import Smtp

from .client import Score
from .ledger import Ledger
from .messages import DOMAIN, content
from .rest import Queued
from .senders import User

_DAY_S = 86_400
_SLACK_S = 15.0         # from when the relay says how much time is left to when the whole message is there


@dataclass(frozen=True)
class Terms:
    """What was asked for one message, as instants; the server reckons from when it reads MAIL, between `asked` and the answer."""

    hold: float = 0.0           # not before
    by: int = 0                 # seconds from `asked`
    mode: str = ""
    priority: int = 0
    asked: float = 0.0

    @property
    def words(self) -> str:
        """Parameters of MAIL."""
        hold = time.strftime(" HOLDUNTIL=%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.hold)) if self.hold else ""
        return hold + (f" BY={self.by};{self.mode}" if self.by else "") + (f" MT-PRIORITY={self.priority}" if self.priority else "")


class Asker(User):
    """Everything goes to people elsewhere, but for reports that a neighbour has it. ENVID is the message's key."""

    def __init__(self, name: str, seed: int, score: Score, ledger: Ledger, neighbour: str) -> None:
        super().__init__(name, seed, score, ledger)
        self.neighbour = neighbour
        self.asked: dict[str, Terms] = {}           # of all that were tried
        self.kept: set[str] = set()                 # of these, what is to be held for longer than any test
        self.reports: set[str] = set()              # about these one is owed

    def write(self, wire: Smtp) -> None:
        self.lot.choice((self.on_terms, self.on_terms, self.tell_me, self.too_late))(wire)

    def on_terms(self, wire: Smtp) -> None:
        """Held for a while or for long, with a deadline, with a rank; or with only some of these."""
        now, lot = time.time(), self.lot
        hold = float(int(now) + lot.choice((1, 2, 4, _DAY_S))) if lot.random() < 0.6 else 0.0
        by, mode = (lot.choice((3, 4)) * _DAY_S, lot.choice("NR")) if lot.random() < 0.5 else (0, "")
        key = self.key()
        self.asked[key] = terms = Terms(hold, by, mode, lot.choice((0, -3, 2, 4)), now)
        self.send(wire, key, "<friend@far.example> NOTIFY=NEVER", terms.words)
        if terms.hold > now + _DAY_S / 2:
            self.kept.add(key)
        else:
            self.ledger.relayed.add(key)

    def tell_me(self, wire: Smtp) -> None:
        """The next host offers no DSN: that it took a message is ours to report (RFC 3461 section 5.2.2), as is what is here."""
        key, near = self.key(), self.lot.random() < 0.5
        if near:
            self.ledger.note(self.ledger.tried, [(self.neighbour, key)])
            self.ledger.by_queue.add(key)
        self.send(wire, key, (f"<{self.neighbour}@{DOMAIN}>" if near else "<friend@far.example>") + " NOTIFY=SUCCESS")
        if near:
            self.ledger.note(self.ledger.taken, [(self.neighbour, key)])
        else:
            self.ledger.relayed.add(key)
        self.reports.add(key)

    def too_late(self, wire: Smtp) -> None:
        """Put off by the next host until it is too late, which comes back; or too late already when it is whole (RFC 2852)."""
        key = self.key()
        if self.send(wire, key, "<slow@far.example>", " BY=2;R", or_else=b"554 5.4.7 ") == 250:
            self.reports.add(key)

    def send(self, wire: Smtp, key: str, recipient: str, parameters: str = "", or_else: bytes = b"250 ") -> int:
        wire.expect(250, f"MAIL FROM:<{self.address}> ENVID={key}{parameters}".encode())
        wire.expect(250, f"RCPT TO:{recipient}".encode())
        wire.expect(354, b"DATA")
        wire.send(re.sub(rb"(?m)^\.", b"..", content(key, self.address)) + b".\r\n")
        code, text = wire.reply()
        assert code == 250 or text.startswith(or_else), text
        return code

    # -- the promises ----------------------------------------------------------------------------------------------

    def check_at_rest(self, queued: Mapping[str, Queued]) -> None:
        """What waits has the terms that were asked for; what is held for long waits."""
        lost = self.kept - queued.keys()
        assert not lost, f"{self.name}: held, and gone: {sorted(lost)}"
        for key, terms in self.asked.items():
            if key not in queued:
                continue
            found = queued[key]
            assert (found.hold or 0.0) >= terms.hold and found.next_try >= terms.hold, (key, found, terms)
            assert found.priority == terms.priority, (key, found, terms)
            assert (found.mode == terms.mode) and (not terms.by or abs(found.by - terms.asked - terms.by) < _SLACK_S), (key, found)

    def check_handed_over(self, taken: Iterable[tuple[str, float, str]]) -> None:
        """`taken`: key, when, and MAIL as the next host read it. Nothing came too early, all as it was asked."""
        for key, at, mail in taken:
            terms = self.asked.get(key)
            if terms is None:
                continue
            assert key not in self.kept and at >= terms.hold, f"{key}: held until {terms.hold}, and sent at {at}"
            rank = re.search(r" MT-PRIORITY=(-?\d)", mail)
            assert (int(rank[1]) if rank else 0) == terms.priority, (key, mail, terms)
            by = re.search(r" BY=(\d+);(\w)", mail)
            assert (by[2] if by else "") == terms.mode, (key, mail, terms)
            if by is not None:
                deadline = at + int(by[1])
                assert -2 <= deadline - (terms.asked + terms.by) <= _SLACK_S, (key, mail, terms, at)
