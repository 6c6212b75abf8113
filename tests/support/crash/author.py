"""A user whose mail is copied into Sent by the server: the message and its copy are there together, or neither is."""

from __future__ import annotations

from support.wires import Imap, Smtp

from .client import Score
from .ledger import Ledger
from .messages import DOMAIN, PASSWORD, as_imap, bring, content, contents
from .senders import User


class Author(User):
    """Writes to `reader`, whose INBOX nobody else fills or empties, half the time to a friend elsewhere as well."""

    def __init__(self, name: str, seed: int, score: Score, ledger: Ledger, reader: str, *, joined: bool) -> None:
        """`joined`: mailboxes and queue are one database, which takes all of it in one commit."""
        super().__init__(name, seed, score, ledger)
        self.reader, self.joined = reader, joined
        self.afar: set[str] = set()         # those that went to the friend, too
        self.taken: set[str] = set()
        self.tried: set[str] = set()

    def write(self, wire: Smtp) -> None:
        key, recipients = self.key(), [f"{self.reader}@{DOMAIN}"]
        if self.lot.random() < 0.5:
            recipients.append("friend@far.example")
            self.afar.add(key)
        self.tried.add(key)
        self.ledger.note(self.ledger.tried, [(self.reader, key)])
        code, text = bring(self.lot, wire, self.address, recipients, content(key, self.address))
        assert code == 250, text
        self.taken.add(key)
        self.ledger.note(self.ledger.taken, [(self.reader, key)])

    def check(self, port: int) -> None:
        """Both or none (one commit); what was acknowledged is with both. What the friend is owed is noted for later."""
        sent, read = self.keys(port, self.name, "Sent"), self.keys(port, self.reader, "INBOX")
        assert len(set(sent)) == len(sent), f"{self.name}: twice in Sent"
        assert self.taken <= set(sent), f"{self.name}: acknowledged, and not in Sent: {sorted(self.taken - set(sent))}"
        assert set(sent) <= set(read) <= self.tried, f"{self.name}: in Sent, and not sent: {sorted(set(sent) - set(read))}"
        if self.joined:
            assert set(sent) == set(read), f"{self.name}: sent, and not in Sent: {sorted(set(read) - set(sent))}"
        with self.ledger.lock:
            self.ledger.relayed |= self.afar.intersection(read if self.joined else self.taken)

    def keys(self, port: int, account: str, mailbox: str) -> list[str]:
        with Imap(port) as wire:
            imap = as_imap(wire).greet().login(f"{account}@{DOMAIN}", PASSWORD)
            if not imap.say(f'EXAMINE "{mailbox}"')[0].startswith(b"OK"):
                return []
            return [*contents(imap, mailbox)[2].values()]
