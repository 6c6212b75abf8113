"""What a stored password hash promises, and that hashing never crowds out the reactor."""

from __future__ import annotations

import base64
import hashlib
import os
import threading

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred, ensureDeferred, gatherResults
from twisted.trial.unittest import TestCase

from mailframe.auth.hashing import HashPool, check_hash, hash_password, verify
from mailframe.model.refusal import TryAgainLater


def test_a_hash_verifies_its_password_and_no_other() -> None:
    stored = hash_password("tr0ub4dor")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert verify(stored, "tr0ub4dor")
    assert not verify(stored, "tr0ub4dor ")


def test_the_same_letters_typed_on_two_systems_are_one_password() -> None:
    assert verify(hash_password("cafe\u0301 au"), "caf\u00e9\u00a0au")


@pytest.mark.parametrize("password", ["", "a\x00b", "a\nb", "x" * 5000])
def test_what_cannot_be_a_password_is_refused_and_never_verifies(password: str) -> None:
    with pytest.raises(ValueError) as error:
        hash_password(password)
    assert len(password) < 2 or password not in str(error.value)
    assert not verify(hash_password("-"), password)


def scrypt_hash(password: bytes) -> str:
    def text(octets: bytes) -> str:
        return base64.b64encode(octets).decode().rstrip("=")

    return f"$scrypt$ln=10,r=8,p=1${text(b'salt' * 4)}${text(hashlib.scrypt(password, salt=b'salt' * 4, n=1024, r=8, p=1))}"


def test_scrypt_hashes_of_other_servers_are_read() -> None:
    check_hash(scrypt_hash(b"secret"))
    assert verify(scrypt_hash(b"secret"), "secret")
    assert not verify(scrypt_hash(b"secret"), "Secret")


@pytest.mark.parametrize("stored", [
    "", "secret", "{PLAIN}secret", "$argon2id$v=19$rubbish", "$scrypt$ln=99,r=8,p=1$c2FsdA$aGFzaA", "$scrypt$",
])
def test_what_is_no_hash_is_known_before_anybody_logs_in(stored: str) -> None:
    with pytest.raises(ValueError):
        check_hash(stored)


class HashPoolTests(TestCase):
    async def test_no_more_at_once_than_workers_and_beyond_the_queue_try_again_later(self) -> None:
        pool = HashPool(reactor, workers=2, waiting=1)
        self.addCleanup(pool.close)
        gate = threading.Event()
        running: list[int] = []

        def work(number: int) -> int:
            running.append(number)
            gate.wait(10)
            return number

        three = gatherResults([ensureDeferred(pool.run(work, number)) for number in range(3)])
        with self.assertRaises(TryAgainLater):
            await pool.run(work, 3)
        self.assertLessEqual(len(running), 2)
        gate.set()
        self.assertEqual(await three, [0, 1, 2])
        self.assertEqual(pool.pending, 0)
        self.assertEqual(await pool.run(work, 4), 4)

    async def test_hashing_is_off_the_reactors_thread(self) -> None:
        pool = HashPool(reactor)
        self.addCleanup(pool.close)
        self.assertNotEqual(await pool.run(threading.get_ident), threading.get_ident())
        self.assertTrue(await pool.verify(hash_password("x"), "x"))

    async def test_closing_gives_up_what_has_not_begun(self) -> None:
        """A server that stops while many wait for their logins does not compute them all first."""
        pool, begun = HashPool(reactor, workers=1), threading.Event()

        def work() -> None:
            begun.set()
            while not pool._closing:
                os.sched_yield()

        first = Deferred.fromCoroutine(pool.run(work))
        others = [Deferred.fromCoroutine(pool.run(self.fail, "it was computed")) for _ in range(20)]
        self.assertTrue(begun.wait(10))
        pool.close()
        await first
        for other in others:
            with self.assertRaises(TryAgainLater):
                await other

    def test_closing_an_unused_pool_is_nothing(self) -> None:
        HashPool(reactor).close()
