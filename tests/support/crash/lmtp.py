"""An own server that hands mail in by LMTP and is answered for each recipient (RFC 2033 section 4.2)."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path

from support.servers import PATIENCE_S
from support.wires import Smtp

from .client import Client, Score
from .ledger import Ledger
from .messages import DOMAIN, bring, content


class Neighbour(Client):
    """Over TCP and a Unix socket in turn, some messages to a connection. What it read 250 for is promised, one by one."""

    def __init__(self, name: str, seed: int, score: Score, ledger: Ledger, accounts: tuple[str, ...], path: Path) -> None:
        super().__init__(name, seed, score)
        self.ledger, self.accounts, self.path = ledger, accounts, path

    def connect(self, port: int) -> Smtp:
        if self.lot.random() < 0.5:
            return Smtp(port)
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE_S)
        try:
            connection.connect(str(self.path))
        except OSError:
            connection.close()
            raise
        return Smtp.adopt(connection)

    def work(self, ports: Mapping[str, int]) -> None:
        with self.connect(ports["lmtp"]) as wire:
            assert wire.reply()[0] == 220
            wire.expect(250, b"LHLO mta.example")
            for _ in range(self.lot.randint(1, 8)):
                self.send(wire, self.key())
            if self.lot.random() < 0.5:
                wire.say(b"QUIT")

    def send(self, wire: Smtp, key: str) -> None:
        accounts = self.lot.sample(self.accounts, self.lot.randint(1, len(self.accounts)))
        if self.lot.random() < 0.2:
            accounts.append(accounts[0])        # asked for twice: one copy, and two answers
        self.ledger.note(self.ledger.tried, [(account, key) for account in accounts])
        sender, recipients = "sender@elsewhere.example", [f"{account}@{DOMAIN}" for account in accounts]
        answer = bring(self.lot, wire, sender, recipients, content(key))
        for number, account in enumerate(accounts):
            code, text = answer if number == 0 else wire.reply()
            assert code == 250 and f"<{account}@{DOMAIN}>".encode() in text, text
            self.ledger.note(self.ledger.taken, [(account, key)])
            self.score.add()
