"""A bounded memory of recent successful logins, so that a client that logs in for every click costs no hash."""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RememberSettings:
    """How long and how many. Nothing readable is kept: see `RecentLogins`."""

    seconds: float = 600.0       # web mail logs in for every click; ten minutes spare nearly all of them
    accounts: int = 20_000       # some 4 MiB when full


REMEMBER = RememberSettings()


class RecentLogins:
    """Who has proved a password lately.

      R1  For an account only a keyed digest of (name, password, stored hash) is kept; the key lives in this process alone.
      R2  The stored hash is in the digest, so that changing or removing the password forgets the login by itself.
      R3  An entry ends `seconds` after the hash was last verified: using it does not prolong it.
    """

    def __init__(self, key: bytes, seconds: Callable[[], float], settings: RememberSettings = REMEMBER) -> None:
        """`key`: 32 to 64 random octets. `seconds`: the clock."""
        self._key = key
        self._seconds = seconds
        self._settings = settings
        self._entries: OrderedDict[str, tuple[bytes, float]] = OrderedDict()

    def knows(self, name: str, password: str, stored: str) -> bool:
        """Whether this very password was verified against this very hash a short while ago."""
        entry = self._entries.get(name)
        if entry is None:
            return False
        if entry[1] <= self._seconds():
            del self._entries[name]
            return False
        return hmac.compare_digest(entry[0], self._digest(name, password, stored))

    def note(self, name: str, password: str, stored: str) -> None:
        """It has just been verified. The oldest entries make room."""
        self._entries.pop(name, None)
        self._entries[name] = (self._digest(name, password, stored), self._seconds() + self._settings.seconds)
        while len(self._entries) > self._settings.accounts:
            self._entries.popitem(last=False)

    def __len__(self) -> int:
        return len(self._entries)

    def _digest(self, name: str, password: str, stored: str) -> bytes:
        parts = [part.encode("utf-8", "surrogatepass") for part in (name, password, stored)]
        return hashlib.blake2b(b"".join(b"%d:%b" % (len(part), part) for part in parts), key=self._key, digest_size=32).digest()
