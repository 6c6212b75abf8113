"""Portal and realm: any cred checker lets people in, and no strange name reaches a store."""

from __future__ import annotations

import os
import random
from pathlib import Path

from support.folders import CleanTestCase
from twisted.cred.checkers import AllowAnonymousAccess, InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.credentials import Anonymous, IUsernamePassword, UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import makeChecker
from twisted.internet.defer import Deferred, fail
from zope.interface import implementer

from mailframe.auth.development import CAPTURED, FRESH_DEVELOPMENT, DevelopmentAuth
from mailframe.auth.realm import portal
from mailframe.interfaces.auth import IMailUser
from mailframe.interfaces.store import IAccount
from mailframe.model.address import Address
from mailframe.model.mailbox import FRESH_ACCOUNT
from mailframe.model.refusal import InternalError, TryAgainLater
from mailframe.model.route import Account


@implementer(IAccount)
class Opened:
    def __init__(self, name: str, fresh: object) -> None:
        self.given = name, fresh


class Store:
    def open_account(self, name: str, fresh: object) -> Opened:
        return Opened(name, fresh)


class Failing:
    credentialInterfaces = (IUsernamePassword,)

    def __init__(self, error: Exception) -> None:
        self.error = error

    def requestAvatarId(self, credentials: object) -> Deferred[bytes]:
        return fail(self.error)


def memory(**users: str) -> InMemoryUsernamePasswordDatabaseDontUse:
    return InMemoryUsernamePasswordDatabaseDontUse(**{name: word.encode() for name, word in users.items()})


class PortalTests(CleanTestCase):
    async def login(self, checkers: list[object], user: bytes, password: bytes) -> IMailUser:
        credentials = UsernamePassword(user, password)
        _, avatar, logout = await portal(Store(), checkers).login(credentials, None, IMailUser)  # type: ignore[arg-type]
        logout()
        return avatar

    async def test_a_strcred_checker_works_and_the_account_is_opened_when_asked(self) -> None:
        path = Path(self.mktemp())
        path.write_text("alice:secret\n")
        user = await self.login([makeChecker(f"file:{path}")], b"alice", b"secret")
        self.assertEqual(user.name, "alice")
        self.assertEqual((await user.open_account()).given, ("alice", FRESH_ACCOUNT))

    async def test_of_several_checkers_any_may_say_yes(self) -> None:
        checkers = [memory(alice="a"), Failing(TryAgainLater()), memory(bob="b")]
        self.assertEqual((await self.login(checkers, b"bob", b"b")).name, "bob")
        with self.assertRaises(UnauthorizedLogin):
            await self.login([memory(alice="a"), memory(bob="b")], b"bob", b"wrong")

    async def test_a_checker_that_cannot_say_makes_no_a_try_again_later(self) -> None:
        with self.assertRaises(TryAgainLater):
            await self.login([Failing(TryAgainLater()), memory(bob="b")], b"bob", b"wrong")

    async def test_a_broken_checker_is_contained_and_named_in_the_log(self) -> None:
        checkers = [Failing(ZeroDivisionError("secret detail")), memory(bob="b")]
        self.assertEqual((await self.login(checkers, b"bob", b"b")).name, "bob")
        with self.assertRaises(InternalError) as caught:
            await self.login(checkers, b"bob", b"wrong")
        self.assertIn("Failing", caught.exception.detail)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    async def test_names_that_must_not_reach_a_store(self) -> None:
        for name in ("../etc", ".hidden", "a/b", "a\x00b", "a b", ""):
            with self.assertRaises(UnauthorizedLogin):
                await self.login([memory(**{name: "p"})], name.encode(), b"p")

    async def test_nobody_reads_mail_anonymously(self) -> None:
        with self.assertRaises(UnauthorizedLogin):
            await portal(Store(), [AllowAnonymousAccess()]).login(Anonymous(), None, IMailUser)  # type: ignore[arg-type]


class DevelopmentTests(CleanTestCase):
    def setUp(self) -> None:
        self.data = Path(self.mktemp())
        self.auth = DevelopmentAuth(self.data, random.SystemRandom())

    async def test_the_password_is_made_once_kept_private_and_logs_in(self) -> None:
        self.assertFalse(self.data.exists())
        password = self.auth.password
        self.assertEqual(DevelopmentAuth(self.data, random.SystemRandom()).password, password)
        self.assertEqual(os.stat(self.data / "password").st_mode & 0o777, 0o600)
        for user in (b"dev", b"dev@localhost", b"DEV@LOCALHOST"):
            credentials = UsernamePassword(user, password.encode())
            self.assertEqual(await self.auth.requestAvatarId(credentials), b"dev@localhost")
        for user, word in ((b"dev", b"wrong"), (b"root", password.encode()), (b"\xff", password.encode())):
            with self.assertRaises(UnauthorizedLogin):
                await self.auth.requestAvatarId(UsernamePassword(user, word))

    async def test_every_address_is_somebodys(self) -> None:
        addresses = [Address.parse(text) for text in ("dev@localhost", "Dev+x@localhost", "who@example.com", "postmaster")]
        own, captured = Account("dev@localhost"), Account("dev@localhost", CAPTURED)
        self.assertEqual(await self.auth.resolve(addresses), [own, own, captured, captured])
        self.assertTrue(await self.auth.may_send_as("dev@localhost", Address.parse("app@example.com")))
        self.assertIn(CAPTURED, [mailbox.name for mailbox in FRESH_DEVELOPMENT])
