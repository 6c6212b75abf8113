"""Clients that read mailboxes which others fill, and empty them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from support.wires import Imap, Pop3

from .client import Client, Score
from .ledger import Ledger
from .messages import DOMAIN, PASSWORD, as_imap, contents


class Keeper(Client):
    """Reads a mailbox that others fill, and removes some of it for good."""

    def __init__(self, name: str, seed: int, score: Score, ledger: Ledger, account: str) -> None:
        super().__init__(name, seed, score)
        self.ledger, self.account = ledger, account

    def work(self, ports: Mapping[str, int]) -> None:
        with Imap(ports["imap"]) as wire:
            imap = as_imap(wire).greet().login(f"{self.account}@{DOMAIN}", PASSWORD)
            while True:
                _, _, keys = contents(imap, "INBOX")
                imap.ok("SELECT INBOX")
                self.remove_some(imap, keys)

    def remove_some(self, imap: Imap, keys: Mapping[int, str]) -> None:
        for _ in range(min(3, len(keys) // 4)):
            uids = self.lot.sample(sorted(keys), self.lot.randint(1, 2))
            words = ",".join(map(str, uids))
            imap.ok(f"UID STORE {words} +FLAGS.SILENT (\\Deleted)")
            pairs = [(self.account, keys[uid]) for uid in uids]
            self.ledger.note(self.ledger.leaving, pairs)
            imap.ok(f"UID EXPUNGE {words}")
            self.ledger.note(self.ledger.gone, pairs)
            self.score.add()


class Collector(Client):
    """Downloads a maildrop that others fill, and deletes what it has."""

    def __init__(self, name: str, seed: int, score: Score, ledger: Ledger, account: str) -> None:
        super().__init__(name, seed, score)
        self.ledger, self.account = ledger, account

    def work(self, ports: Mapping[str, int]) -> None:
        with Pop3(ports["pop3"]) as wire:
            assert isinstance(wire, Pop3)
            wire.greet().login(f"{self.account}@{DOMAIN}", PASSWORD)
            count = int(wire.ok("STAT").split()[1])
            pairs = []
            for number in range(1, min(count, self.lot.randint(2, 6)) + 1):
                wire.ok(f"RETR {number}")
                key = re.search(rb"(?m)^X-Key: (\S+)\r$", wire.lines())
                assert key is not None
                wire.ok(f"DELE {number}")
                pairs.append((self.account, key[1].decode()))
            self.ledger.note(self.ledger.leaving, pairs)
            wire.ok("QUIT")
            self.ledger.note(self.ledger.gone, pairs)
            if pairs:
                self.score.add()
