"""Twisted's own checkers, named by strcred, as the users of a mail server."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.coroutines import result_of
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import makeChecker

from mailframe.auth.localnames import LocalNames
from mailframe.interfaces.maybe import settled


@pytest.fixture
def known(tmp_path: Path) -> ICredentialsChecker:
    (tmp_path / "known").write_text("bob:secret\nCarol@One.Example:secret\n")
    made: ICredentialsChecker = makeChecker(f"file:{tmp_path / 'known'}")  # type: ignore[no-untyped-call]
    return made


def login(known: ICredentialsChecker, domains: tuple[str, ...], typed: bytes, password: bytes) -> object:
    return result_of(settled(LocalNames(known, domains).requestAvatarId(UsernamePassword(typed, password))))


@pytest.mark.parametrize(("domains", "typed", "account"), [
    (("one.example",), b"bob", b"bob@one.example"),
    (("one.example",), b"bob@one.example", b"bob@one.example"),
    (("one.example",), b"bob@ONE.example", b"bob@one.example"),
    (("one.example",), b"Carol@One.Example", b"carol@one.example"),
    (("one.example", "two.example"), b"bob@two.example", b"bob@two.example"),
    (("one.example", "two.example"), b"bob", b"bob"),
])
def test_the_account_is_the_one_that_mail_goes_to(
    known: ICredentialsChecker, domains: tuple[str, ...], typed: bytes, account: bytes,
) -> None:
    assert login(known, domains, typed, b"secret") == account


@pytest.mark.parametrize("typed", [
    b"bob@elsewhere.example", b"nobody", b"nobody@one.example", b"\xff", b"", b"bob@", b"@one.example",
])
def test_nobody_else_gets_in(known: ICredentialsChecker, typed: bytes) -> None:
    with pytest.raises(UnauthorizedLogin):
        login(known, ("one.example",), typed, b"secret")


def test_the_password_counts_in_both_spellings(known: ICredentialsChecker) -> None:
    for typed in (b"bob", b"bob@one.example"):
        with pytest.raises(UnauthorizedLogin):
            login(known, ("one.example",), typed, b"wrong")
