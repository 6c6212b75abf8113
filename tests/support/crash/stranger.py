"""Other servers from all over the world that are greylisted: who was asked to come again is let in when he does, for good."""

from __future__ import annotations

import time
from collections.abc import Mapping

from support.wires import Smtp

from .client import Client, Score
from .ledger import Ledger
from .messages import DOMAIN, content

DELAY_S = 0.3
_BEYOND_S = 0.2         # clocks are read at different moments
Triplet = tuple[str, str, str]


class Stranger(Client):
    """Each triplet is from a network of its own, as XCLIENT says."""

    def __init__(self, name: str, seed: int, score: Score, ledger: Ledger, account: str) -> None:
        super().__init__(name, seed, score)
        self.ledger, self.account = ledger, account
        self.number = 0
        self.asked = 0                                  # triplets that were ever brought before the server
        self.waiting: dict[Triplet, float] = {}         # asked to come again, and when that was read
        self.passed: set[Triplet] = set()               # brought a message that was acknowledged
        self.maybe: set[Triplet] = set()                # let in, and killed before the acknowledgement

    def work(self, ports: Mapping[str, int]) -> None:
        lot = self.lot.random()
        ripe = [triplet for triplet, noted in self.waiting.items() if time.time() > noted + DELAY_S + _BEYOND_S]
        if ripe and lot < 0.6:
            self.come_again(ports["smtp"], self.lot.choice(ripe))
        elif self.passed and lot < 0.8:
            self.come_again(ports["smtp"], self.lot.choice(sorted(self.passed)))
        else:
            self.come(ports["smtp"])

    def begin(self, port: int, triplet: Triplet) -> tuple[Smtp, int, bytes]:
        ip, sender, recipient = triplet
        wire = Smtp(port)
        try:
            wire.greet()
            wire.expect(220, f"XCLIENT ADDR={ip} NAME=mail.stranger.example".encode())
            wire.expect(250, b"EHLO mail.stranger.example")
            wire.expect(250, f"MAIL FROM:<{sender}>".encode())
            return wire, *wire.say(f"RCPT TO:<{recipient}>".encode())
        except BaseException:
            wire.close()
            raise

    def come(self, port: int) -> None:
        self.number += 1
        ip = f"10.{self.number >> 8 & 255}.{self.number & 255}.1"
        triplet = ip, f"{self.name}-{self.number}@stranger.example", f"{self.account}@{DOMAIN}"
        self.asked += 1
        wire, code, text = self.begin(port, triplet)
        with wire:
            assert code == 451 and b"4.7.1" in text, (triplet, text)
        self.waiting[triplet] = time.time()
        self.score.add()

    def come_again(self, port: int, triplet: Triplet) -> None:
        wire, code, text = self.begin(port, triplet)
        with wire:
            assert code == 250, f"{triplet} was asked to come again, or passed before, and is refused: {text!r}"
            self.maybe.add(triplet)
            key = self.key()
            self.ledger.note(self.ledger.tried, [(self.account, key)])
            wire.expect(354, b"DATA")
            wire.send(content(key, triplet[1]).replace(b"\r\n.", b"\r\n..") + b".\r\n")
            code, text = wire.reply()
        assert code == 250, text
        self.ledger.note(self.ledger.taken, [(self.account, key)])
        self.waiting.pop(triplet, None)
        self.passed.add(triplet)
        self.score.add()

    def check_at_rest(self, triplets: int, passed: int) -> None:
        """All that were asked to come again are there, and as passed whoever brought something."""
        known = self.waiting.keys() | self.passed
        assert len(known) <= triplets <= self.asked, (len(known), triplets, self.asked)
        assert len(self.passed) <= passed <= len(self.passed | self.maybe), (len(self.passed), passed)
