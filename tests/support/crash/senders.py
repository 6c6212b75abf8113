"""Clients that bring mail: another server, and a user of ours."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping

from support.wires import Smtp

from .client import Client, Score
from .ledger import Ledger
from .messages import DOMAIN, PASSWORD, bring, content

FORGETS_S = 5.0         # far more than `save_s` and a commit


class Sender(Client):
    """Another server that brings mail for several of ours at once, some messages to a connection."""

    def __init__(self, name: str, seed: int, score: Score, ledger: Ledger, accounts: tuple[str, ...]) -> None:
        super().__init__(name, seed, score)
        self.ledger, self.accounts = ledger, accounts

    def work(self, ports: Mapping[str, int]) -> None:
        with Smtp(ports["smtp"]) as wire:
            assert isinstance(wire, Smtp)
            wire.greet()
            for _ in range(self.lot.randint(1, 8)):
                key = self.key()
                accounts = self.lot.sample(self.accounts, self.lot.randint(1, len(self.accounts)))
                self.send(wire, key, accounts)
            if self.lot.random() < 0.5:
                wire.say(b"QUIT")

    def send(self, wire: Smtp, key: str, accounts: list[str]) -> None:
        pairs = [(account, key) for account in accounts]
        self.ledger.note(self.ledger.tried, pairs)
        sender, recipients = "sender@elsewhere.example", [f"{account}@{DOMAIN}" for account in accounts]
        code, text = bring(self.lot, wire, sender, recipients, content(key))
        assert code == 250, text
        self.ledger.note(self.ledger.taken, pairs)
        self.score.add()


class User(Client):
    """One of ours, whose messages are counted against the account's rates."""

    def __init__(self, name: str, seed: int, score: Score, ledger: Ledger) -> None:
        super().__init__(name, seed, score)
        self.ledger = ledger
        self.address = f"{name}@{DOMAIN}"
        self._begun = 0                         # messages since the last check
        self._done: list[float] = []            # when they were acknowledged
        self._counted = 0

    def work(self, ports: Mapping[str, int]) -> None:
        with Smtp(ports["submission"]) as wire:
            wire.greet().login(self.address, PASSWORD)
            for _ in range(self.lot.randint(1, 6)):
                self._begun += 1
                self.write(wire)
                self._done.append(time.time())
                self.score.add()

    @abstractmethod
    def write(self, wire: Smtp) -> None:
        """One message; returns when it is acknowledged."""

    def check_counted(self, counted: int, ended: float) -> None:
        """Of what was acknowledged some time before the server ended, each is counted, and nothing twice."""
        least = sum(done < ended - FORGETS_S for done in self._done)
        assert self._counted + least <= counted <= self._counted + self._begun, (
            f"{self.name}: {counted} counted, after {self._counted} and {least} to {self._begun} more")
        self._begun, self._done, self._counted = 0, [], counted


class Submitter(User):
    """A user of ours who writes to people elsewhere, some of whom do not exist, and to neighbours in the same message."""

    def __init__(self, name: str, seed: int, score: Score, ledger: Ledger, neighbour: str) -> None:
        super().__init__(name, seed, score, ledger)
        self.neighbour = neighbour

    def write(self, wire: Smtp) -> None:
        key, me = self.key(), self.address
        nobody, neighbour = self.lot.random() < 0.2, self.lot.random() < 0.3
        recipients = ["nobody@far.example" if nobody else "friend@far.example"]
        pairs = [(self.name, f"report {key}")] if nobody else []
        if neighbour:
            recipients.append(f"{self.neighbour}@{DOMAIN}")
            self.ledger.note(self.ledger.tried, [(self.neighbour, key)])
        self.ledger.note(self.ledger.tried, pairs)
        code, _ = wire.mail(me, recipients, content(key, me))
        assert code == 250
        with self.ledger.lock:
            (self.ledger.refused if nobody else self.ledger.relayed).add(key)
            if neighbour:
                self.ledger.taken.add((self.neighbour, key))
