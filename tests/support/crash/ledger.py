"""What was promised about mailboxes that several clients fill and empty, and whether it was kept."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping

from support.wires import Imap

from .messages import DOMAIN, PASSWORD, as_imap, content, contents


class Ledger:
    """Mail to accounts that several clients fill and empty. Keys are never sent twice."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.tried: set[tuple[str, str]] = set()        # (account, key)
        self.taken: set[tuple[str, str]] = set()        # the server said 250
        self.leaving: set[tuple[str, str]] = set()      # asked to be removed
        self.gone: set[tuple[str, str]] = set()         # the server said that they are
        self.relayed: set[str] = set()                  # the server said 250 to mail for elsewhere
        self.refused: set[str] = set()                  # the same, and elsewhere will refuse it
        self.by_queue: set[str] = set()                 # what it delivers to mailboxes, for its sender is to hear of it
        self._seen: dict[tuple[str, int, int], str] = {}
        self._uidnext: dict[str, tuple[int, int]] = {}

    def note(self, which: set[tuple[str, str]], pairs: Iterator[tuple[str, str]] | list[tuple[str, str]]) -> None:
        with self.lock:
            which.update(pairs)

    def keys(self, account: str, port: int) -> list[str]:
        """Of what is in the account's INBOX."""
        with Imap(port) as wire:
            return [*contents(as_imap(wire).greet().login(f"{account}@{DOMAIN}", PASSWORD), "INBOX")[2].values()]

    def check(self, account: str, port: int, again: int = 0) -> None:
        """Everything promised about the account's INBOX, asked over IMAP. Of what the queue has delivered, reports and what its
        sender wanted to hear of, so many may be there again: where queue and mailboxes are different databases a kill may come
        between the two."""
        with Imap(port) as wire:
            imap = as_imap(wire).greet().login(f"{account}@{DOMAIN}", PASSWORD)
            uidvalidity, uidnext, keys = contents(imap, "INBOX")
            self._check_bodies(imap, keys)
        counts: dict[str, int] = {}
        for key in keys.values():
            counts[key] = counts.get(key, 0) + 1
        twice = [key for key, count in counts.items() if count > 1]
        allowed = [key for key in {*twice, *(key for name, key in self.gone if name == account and key in counts)}
                   if key.startswith("report") or key in self.by_queue]
        allowed = allowed if len(allowed) <= again else []
        twice = [key for key in twice if key not in allowed]
        assert not twice, f"{account}: in the mailbox twice: {twice}"
        mine = {key for name, key in self.taken if name == account}
        leaving = {key for name, key in self.leaving if name == account}
        gone = {key for name, key in self.gone if name == account}
        lost = mine - leaving - set(counts)
        assert not lost, f"{account}: acknowledged and lost: {sorted(lost)}"
        back = gone & set(counts) - set(allowed)
        assert not back, f"{account}: acknowledged as gone, and back: {sorted(back)}"
        self._check_uids(account, uidvalidity, uidnext, keys)

    def _check_bodies(self, imap: Imap, keys: Mapping[int, str]) -> None:
        """The oldest and the newest are whole, octet for octet."""
        for uid in sorted(keys)[:1] + sorted(keys)[-4:]:
            key = keys[uid]
            if key.startswith("report"):
                continue
            _, untagged = imap.ok(f"UID FETCH {uid} (BODY.PEEK[])")
            octets = untagged[0].split(b"\r\n", 1)[1]
            sender = re.search(rb"(?m)^From: <([^>]+)>", octets)
            assert sender is not None
            whole = content(key, sender[1].decode())
            assert whole in octets, f"{key}: not the octets that were sent"

    def _check_uids(self, account: str, uidvalidity: int, uidnext: int, keys: Mapping[int, str]) -> None:
        before = self._uidnext.get(account)
        if before is not None:
            assert uidvalidity == before[0], f"{account}: UIDVALIDITY changed from {before[0]} to {uidvalidity}"
            assert uidnext >= before[1], f"{account}: UIDNEXT went back from {before[1]} to {uidnext}"
        self._uidnext[account] = uidvalidity, uidnext
        for uid, key in keys.items():
            was = self._seen.setdefault((account, uidvalidity, uid), key)
            assert was == key, f"{account}: UID {uid} was {was} and is {key}"
            assert uid < uidnext
