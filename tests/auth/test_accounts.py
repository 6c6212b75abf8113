"""The accounts file as a login and a directory: what users and senders get."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from unittest import mock

from support.folders import CleanTestCase
from twisted.cred.credentials import UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, ensureDeferred, gatherResults
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from mailframe.auth import accountedit, accounts
from mailframe.auth.accounts import AccountsFile
from mailframe.auth.hashing import DUMMY_HASH, HashPool, hash_password
from mailframe.auth.remember import RememberSettings
from mailframe.model.address import Address
from mailframe.model.refusal import TryAgainLater
from mailframe.model.route import Account, Remote, Resolution, Rewrite, Unknown

ALICE, BOB = hash_password("wonderland"), hash_password("builder")
TEXT = f"""alice@one.example:{ALICE}
bob@two.example:{BOB}
info@one.example -> alice@one.example, bob@two.example
@two.example -> bob@two.example
"""


class CountingPool(HashPool):
    """Remembers which hashes were verified."""

    def __init__(self) -> None:
        super().__init__(reactor)
        self.verified: list[str] = []

    async def verify(self, stored: str, password: str) -> bool:
        self.verified.append(stored)
        return await super().verify(stored, password)


class AccountsTests(CleanTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.path.write_text(TEXT)
        self.clock = Clock()
        self.pool = CountingPool()
        self.addCleanup(self.pool.close)
        self.accounts = self.make()

    def make(self, **settings: object) -> AccountsFile:
        made = AccountsFile(
            self.path, reactor=reactor, clock=self.clock, domains=("One.example", "two.example"), hashes=self.pool,
            **settings,  # type: ignore[arg-type]
        )
        made.load()
        return made

    async def test_since_when_an_account_is_there(self) -> None:  # RFC 7293
        self.change(f"a@one.example:{ALICE} since=1970-01-01T00:16:40Z\nb@one.example:{BOB}\nc@one.example -> a@one.example\n")
        addresses = [Address.parse(f"{name}@one.example") for name in ("A", "a+tag", "b", "c", "nobody")]
        self.assertEqual(list(await self.accounts.valid_since(addresses)), [1_000.0, 1_000.0, None, None, None])

    async def login(self, user: bytes, password: bytes) -> object:
        return await self.accounts.requestAvatarId(UsernamePassword(user, password))

    async def refused(self, user: bytes, password: bytes) -> str:
        with self.assertRaises(UnauthorizedLogin) as caught:
            await self.login(user, password)
        return str(caught.exception)

    async def resolve(self, text: str) -> Resolution:
        return (await self.accounts.resolve([Address.parse(text)]))[0]

    def change(self, text: str) -> None:
        temporary = self.path.with_suffix(".new")
        temporary.write_text(text)
        os.replace(temporary, self.path)
        self.clock.advance(1)

    async def test_the_right_password_logs_in_in_any_spelling_of_the_name(self) -> None:
        self.assertEqual(await self.login(b"Alice@ONE.example", b"wonderland"), b"alice@one.example")

    async def test_unknown_user_and_wrong_password_are_alike_in_words_and_work(self) -> None:
        words = {
            await self.refused(b"alice@one.example", b"wrong"), await self.refused(b"nobody@one.example", b"wrong"),
            await self.refused(b"alice", b"wonderland"), await self.refused(b"\xff\xfe", b"wonderland"),
            await self.refused(b"alice@one.example", b"\xff\xfe"), await self.refused(b"info@one.example", b""),
        }
        self.assertEqual(len(words), 1)
        self.assertEqual(self.pool.verified, [ALICE] + [DUMMY_HASH] * 5)  # each costs one verification

    async def test_a_login_is_remembered_until_the_password_changes(self) -> None:
        await self.login(b"alice@one.example", b"wonderland")
        await self.login(b"alice@one.example", b"wonderland")
        self.assertEqual(self.pool.verified, [ALICE])
        accountedit.set_password(self.path, "alice@one.example", hash_password("new"))
        self.clock.advance(1)
        await self.refused(b"alice@one.example", b"wonderland")
        self.assertEqual(await self.login(b"alice@one.example", b"new"), b"alice@one.example")

    async def test_a_changed_password_is_in_force_for_the_very_next_login(self) -> None:
        await self.login(b"alice@one.example", b"wonderland")
        accountedit.set_password(self.path, "alice@one.example", BOB)
        both = [self.accounts.requestAvatarId(UsernamePassword(b"alice@one.example", b"wonderland")) for _ in range(2)]
        for login in both:                       # the second comes while the file is being read
            with self.assertRaises(UnauthorizedLogin):
                await login
        self.assertEqual(await self.login(b"alice@one.example", b"builder"), b"alice@one.example")

    async def test_a_login_given_up_while_the_file_is_read_leaves_it_to_the_next(self) -> None:
        accountedit.set_password(self.path, "alice@one.example", BOB)
        login = self.accounts.requestAvatarId(UsernamePassword(b"alice@one.example", b"wonderland"))
        login.cancel()
        with self.assertRaises(CancelledError):
            await login
        self.assertEqual(await self.login(b"alice@one.example", b"builder"), b"alice@one.example")

    async def test_a_file_that_becomes_readable_later_is_read_then(self) -> None:
        """Only its mode changes, as by a deploy script's last line."""
        self.path.write_text(f"zoe@one.example:{ALICE}\n")
        real = accounts._read
        self.patch(accounts, "_read", lambda *_: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
        self.clock.advance(1)
        self.assertEqual(await self.resolve("zoe@one.example"), Unknown())
        self.patch(accounts, "_read", real)
        self.path.chmod(0o400)
        self.clock.advance(1)
        self.assertEqual(await self.resolve("zoe@one.example"), Account("zoe@one.example"))

    async def test_a_clock_set_back_does_not_stop_the_rereading(self) -> None:
        self.clock.advance(100_000)
        await self.resolve("alice@one.example")
        self.clock.rightNow = 0.0
        self.change(f"zoe@one.example:{ALICE}\n")
        self.assertEqual(await self.resolve("zoe@one.example"), Account("zoe@one.example"))

    async def test_a_file_of_a_windows_editor_is_read_and_edited(self) -> None:
        """A byte order mark before the first name, CR LF behind each line."""
        self.path.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
        self.accounts = self.make()
        self.assertEqual(await self.login(b"alice@one.example", b"wonderland"), b"alice@one.example")
        self.assertEqual(accountedit.names(self.path), ["alice@one.example", "bob@two.example"])
        accountedit.set_password(self.path, "alice@one.example", BOB)
        self.assertEqual(await self.login(b"alice@one.example", b"builder"), b"alice@one.example")
        self.assertEqual(await self.resolve("info@one.example"),
                         Rewrite((Address("alice", "one.example"), Address("bob", "two.example"))))

    async def test_what_is_wrong_with_the_file_is_logged_once(self) -> None:
        with capturedLogs() as events:
            self.path.unlink()
            for _ in range(3):
                self.clock.advance(2)
                await self.resolve("alice@one.example")
        self.assertEqual(len([event for event in events if event["log_level"].name == "error"]), 1)

    async def test_a_removed_account_is_out_at_once_though_remembered(self) -> None:
        await self.login(b"alice@one.example", b"wonderland")
        accountedit.remove(self.path, "alice@one.example")
        self.clock.advance(1)
        await self.refused(b"alice@one.example", b"wonderland")

    async def test_a_remembered_login_ends(self) -> None:
        self.accounts = self.make(remember=RememberSettings(seconds=5))
        await self.login(b"alice@one.example", b"wonderland")
        self.clock.advance(6)
        await self.login(b"alice@one.example", b"wonderland")
        self.assertEqual(self.pool.verified, [ALICE, ALICE])

    async def test_addresses_resolve(self) -> None:
        self.assertEqual(await self.resolve("ALICE@one.example"), Account("alice@one.example"))
        self.assertEqual(await self.resolve("alice+shop@one.example"), Account("alice@one.example"))
        self.assertEqual(await self.resolve("nobody@one.example"), Unknown())
        self.assertEqual(await self.resolve("anybody@two.example"), Rewrite((Address("bob", "two.example"),)))
        self.assertEqual(await self.resolve("alice@three.example"), Remote())
        both = (Address("alice", "one.example"), Address("bob", "two.example"))
        self.assertEqual(await self.resolve("info@one.example"), Rewrite(both))

    async def test_postmaster_always_exists(self) -> None:
        first = Rewrite((Address("alice", "one.example"),))
        for text in ("postmaster", "Postmaster@one.example"):
            self.assertEqual(await self.resolve(text), first)
        self.assertEqual(await self.resolve("postmaster@two.example"), Rewrite((Address("bob", "two.example"),)))  # catch-all
        self.accounts = self.make(postmaster="postmaster@one.example")      # would lead to itself
        self.assertEqual(await self.resolve("postmaster@one.example"), first)
        self.accounts = self.make(postmaster="ops@else.example")
        self.assertEqual(await self.resolve("postmaster"), Rewrite((Address("ops", "else.example"),)))
        self.change(TEXT + "postmaster@one.example -> bob@two.example\n")
        self.assertEqual(await self.resolve("postmaster@one.example"), Rewrite((Address("bob", "two.example"),)))

    async def test_who_may_send_as_whom(self) -> None:
        async def may(account: str, text: str) -> bool:
            return await self.accounts.may_send_as(account, Address.parse(text))

        self.assertTrue(await may("alice@one.example", "Alice@one.example"))
        self.assertTrue(await may("alice@one.example", "alice+list@one.example"))
        self.assertTrue(await may("alice@one.example", "info@one.example"))
        self.assertTrue(await may("alice@one.example", "postmaster@one.example"))
        self.assertTrue(await may("bob@two.example", "anything@two.example"))
        self.assertFalse(await may("alice@one.example", "bob@two.example"))
        self.assertFalse(await may("bob@two.example", "alice@one.example"))
        self.assertFalse(await may("bob@two.example", "nobody@one.example"))
        self.assertFalse(await may("alice@one.example", "alice@elsewhere.example"))

    async def test_a_broken_file_keeps_the_old_accounts_and_is_logged_once(self) -> None:
        self.change("alice@one.example:plaintext\n")
        self.assertEqual(await self.resolve("alice@one.example"), Account("alice@one.example"))
        self.path.unlink()
        self.clock.advance(1)
        self.assertEqual(await self.resolve("alice@one.example"), Account("alice@one.example"))
        self.change(f"zoe@one.example:{ALICE}\n")
        self.assertEqual(await self.resolve("zoe@one.example"), Account("zoe@one.example"))
        self.assertEqual(await self.resolve("alice@one.example"), Unknown())

    async def test_a_changed_file_is_read_while_too_many_guess_passwords(self) -> None:
        gate = threading.Event()
        self.addCleanup(gate.set)
        guesses = []
        with self.assertRaises(TryAgainLater):
            for _ in range(10_000):
                guesses.append(ensureDeferred(self.pool.run(gate.wait, 10)))
                if guesses[-1].called:
                    await guesses.pop()
        accountedit.remove(self.path, "bob@two.example")
        self.clock.advance(2)
        found = ensureDeferred(self.accounts.resolve([Address.parse("bob@one.example")]))
        gate.set()
        await found
        with self.assertRaises(UnauthorizedLogin):
            await self.login(b"bob@two.example", b"builder")
        await gatherResults(guesses)

    async def test_a_file_that_could_not_be_opened_is_read_a_second_later(self) -> None:
        with mock.patch.object(Path, "read_text", side_effect=OSError(errno.EMFILE, "Too many open files")):
            self.change(f"zoe@one.example:{ALICE}\n")
            self.assertEqual(await self.resolve("zoe@one.example"), Unknown())
        self.clock.advance(1)
        self.assertEqual(await self.resolve("zoe@one.example"), Account("zoe@one.example"))

    async def test_the_file_is_looked_at_once_a_second_at_most(self) -> None:
        await self.resolve("alice@one.example")
        self.path.unlink()
        self.clock.advance(0.5)
        self.assertEqual(await self.resolve("alice@one.example"), Account("alice@one.example"))

    def test_a_broken_file_at_the_start_is_a_sentence_with_file_and_line(self) -> None:
        self.path.write_text("# ok\nrubbish\n")
        with self.assertRaisesRegex(ValueError, f"{self.path}, line 2: expected"):
            self.make()


    def test_a_missing_file_at_the_start_is_a_sentence(self) -> None:
        self.path.unlink()
        with self.assertRaisesRegex(ValueError, f"the accounts file {self.path} cannot be read: No such file"):
            self.make()


class EditingTests(CleanTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp())

    def test_add_set_remove_keep_everything_else_and_the_mode(self) -> None:
        self.assertEqual(accountedit.add(self.path, "Alice@one.example", ALICE), "alice@one.example")
        self.assertEqual(os.stat(self.path).st_mode & 0o777, 0o600)
        self.path.write_text(self.path.read_text() + "# a comment\ninfo@one.example -> alice@one.example")
        accountedit.add(self.path, "bob@one.example", BOB)
        accountedit.set_password(self.path, "ALICE@one.example", BOB)
        self.assertEqual(accountedit.names(self.path), ["alice@one.example", "bob@one.example"])
        accountedit.remove(self.path, "bob@one.example")
        self.assertEqual(
            self.path.read_text(), f"alice@one.example:{BOB}\n# a comment\ninfo@one.example -> alice@one.example\n")
        self.assertEqual(os.stat(self.path).st_mode & 0o777, 0o600)
        self.assertEqual([name for name in os.listdir(self.path.parent) if name.startswith(".")], [])

    def test_an_account_that_is_made_anew_is_somebody_elses(self) -> None:  # RFC 7293
        accountedit.add(self.path, "alice@one.example", ALICE, 1_000.0)
        accountedit.set_password(self.path, "alice@one.example", BOB)
        self.assertEqual(self.path.read_text(), f"alice@one.example:{BOB} since=1970-01-01T00:16:40Z\n")
        accountedit.remove(self.path, "alice@one.example")
        accountedit.add(self.path, "alice@one.example", ALICE, 2_000.0)
        self.assertEqual(self.path.read_text(), f"alice@one.example:{ALICE} since=1970-01-01T00:33:20Z\n")

    def test_a_symbolic_link_stays_one(self) -> None:
        link = self.path.with_suffix(".link")
        accountedit.add(self.path, "alice@one.example", ALICE)
        link.symlink_to(self.path.resolve())
        accountedit.add(link, "bob@one.example", BOB)
        self.assertTrue(link.is_symlink())
        self.assertEqual(accountedit.names(self.path), ["alice@one.example", "bob@one.example"])

    def test_two_who_edit_at_once_lose_nothing(self) -> None:
        threads = [
            threading.Thread(target=accountedit.add, args=(self.path, f"user{number}@one.example", ALICE)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(accountedit.names(self.path)), 8)

    def test_what_cannot_be_done_changes_nothing_and_says_why(self) -> None:
        with self.assertRaises(FileNotFoundError):
            accountedit.remove(self.path, "alice@one.example")
        accountedit.add(self.path, "alice@one.example", ALICE)
        before = self.path.read_text()
        for call, words in (
            (lambda: accountedit.add(self.path, "alice@one.example", BOB), "already"),
            (lambda: accountedit.add(self.path, "bob@one.example", "plain"), "hash"),
            (lambda: accountedit.add(self.path, "bob", BOB), "not an address"),
            (lambda: accountedit.remove(self.path, "bob@one.example"), "no account"),
        ):
            with self.assertRaisesRegex(ValueError, words):
                call()
        self.assertEqual(self.path.read_text(), before)
