"""Password hashes: argon2id for ours, scrypt read as well, and the few threads in which they are computed."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import unicodedata
from collections.abc import Callable
from typing import Any, TypeVar

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from mailframe.model.refusal import TryAgainLater

T = TypeVar("T")

# OWASP's second choice for argon2id: 29 ms on a core; the library's default of 64 MiB took 570 ms under load.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

MAX_PASSWORD_OCTETS = 4096       # nobody types more; keeps what is hashed and remembered small
_SCRYPT_MAX_MEMORY = 256 << 20   # a hash in the file that wants more is refused, not obeyed

#: A hash of nothing in particular: verified for users that do not exist, so that they take the same time.
DUMMY_HASH = _HASHER.hash(os.urandom(16))


def prepare_password(password: str) -> bytes:
    """The octets that are hashed: the OpaqueString profile's NFC and plain spaces (RFC 8265 section 4.2).

    Raises ValueError (which never shows the password, I9) for an empty or overlong one and for control characters.
    """
    text = password
    if not text.isascii():
        text = unicodedata.normalize("NFC", "".join(" " if unicodedata.category(c) == "Zs" else c for c in text))
    if not text:
        raise ValueError("the password is empty")
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise ValueError("the password contains a control character")
    octets = text.encode("utf-8", "surrogatepass")
    if len(octets) > MAX_PASSWORD_OCTETS:
        raise ValueError(f"the password is longer than {MAX_PASSWORD_OCTETS} octets")
    return octets


def hash_password(password: str) -> str:
    """A new argon2id hash in its usual text form (``$argon2id$v=19$...``); takes some 30 ms. Raises ValueError."""
    return _HASHER.hash(prepare_password(password))


def check_hash(stored: str) -> None:
    """Raises ValueError when `stored` is no hash that `verify` understands."""
    if stored.startswith("$scrypt$"):
        _scrypt_parts(stored)
        return
    try:
        extract_parameters(stored)
    except InvalidHashError:
        raise ValueError("not a password hash (argon2 or scrypt)") from None


def verify(stored: str, password: str) -> bool:
    """Whether `password` is the one behind `stored`; takes some 30 ms. False as well for what cannot be a password."""
    try:
        octets = prepare_password(password)
    except ValueError:
        octets, stored = b"-", DUMMY_HASH   # the same time, and no
    if stored.startswith("$scrypt$"):
        n, r, p, salt, expected = _scrypt_parts(stored)
        found = hashlib.scrypt(octets, salt=salt, n=n, r=r, p=p, dklen=len(expected), maxmem=_SCRYPT_MAX_MEMORY)
        return hmac.compare_digest(found, expected)
    try:
        return _HASHER.verify(stored, octets)
    except VerifyMismatchError:
        return False
    except (VerificationError, InvalidHashError) as error:
        raise ValueError(f"cannot verify with this hash: {type(error).__name__}") from None


def _scrypt_parts(stored: str) -> tuple[int, int, int, bytes, bytes]:
    """``$scrypt$ln=14,r=8,p=1$salt$hash`` as (n, r, p, salt, hash)."""
    try:
        _, _, parameters, salt, expected = stored.split("$")
        ln, r, p = (int(word.removeprefix(name)) for word, name in zip(parameters.split(","), ("ln=", "r=", "p=")))
        parts = 1 << ln, r, p, _unpadded(salt), _unpadded(expected)
    except (ValueError, binascii.Error):
        raise ValueError("not a scrypt hash of the form $scrypt$ln=14,r=8,p=1$salt$hash") from None
    if not (0 < ln < 25 and r > 0 and p > 0 and 128 * r * parts[0] < _SCRYPT_MAX_MEMORY and parts[4]):
        raise ValueError("a scrypt hash with parameters out of reason")
    return parts


def _unpadded(text: str) -> bytes:
    return base64.b64decode(text.replace(".", "+") + "=" * (-len(text) % 4), validate=True)


class HashPool:
    """Runs hashing off the reactor's thread: at most `workers` at once, at most `waiting` behind them.

    Its threads begin with the first use (so after twistd's fork) and end with `close` or the reactor.
    """

    def __init__(self, reactor: Any, workers: int | None = None, waiting: int = 256) -> None:
        """`reactor`: IReactorCore and IReactorFromThreads. `waiting`: 256 at 30 ms on two cores is 4 s, as long as a
        user waits; more of them are somebody guessing."""
        self._reactor = reactor
        self._workers = workers or os.cpu_count() or 1
        self._room = self._workers + waiting
        self._pool: ThreadPool | None = None
        self._stop_trigger: object = None
        self._closing = False
        self.pending = 0

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """`function(*arguments)` in a thread. Raises TryAgainLater when too many wait."""
        if self.pending >= self._room:
            raise TryAgainLater("Too many logins at once, please try again later", detail=f"{self.pending} hashes waiting")
        return await self.run_however_many_wait(function, *arguments)

    async def run_however_many_wait(self, function: Callable[..., T], *arguments: object) -> T:
        """As `run`, for what guessers must not be able to keep from being done."""
        self.pending += 1
        try:
            return await deferToThreadPool(self._reactor, self._started(), self._unless_closing, function, *arguments)
        finally:
            self.pending -= 1

    async def verify(self, stored: str, password: str) -> bool:
        """`verify` in a thread."""
        return await self.run(verify, stored, password)

    def _unless_closing(self, function: Callable[..., T], *arguments: object) -> T:
        if self._closing:
            raise TryAgainLater(detail="the server stops")
        return function(*arguments)

    def close(self) -> None:
        """End the threads; waits for the hashes under way (tens of ms), and gives up those that have not begun."""
        if self._pool is not None:
            self._reactor.removeSystemEventTrigger(self._stop_trigger)
            self._stop()

    def _stop(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            self._closing = True
            pool.stop()
            self._closing = False

    def _started(self) -> ThreadPool:
        if self._pool is None:
            self._pool = ThreadPool(0, self._workers, "mailframe-hash")
            self._pool.start()
            self._stop_trigger = self._reactor.addSystemEventTrigger("during", "shutdown", self._stop)
        return self._pool
