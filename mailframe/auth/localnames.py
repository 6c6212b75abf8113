"""Checkers of other programs, which know people by bare names: their users as accounts at our domains."""

from __future__ import annotations

from collections.abc import Collection

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword, UsernamePassword
from twisted.cred.error import LoginFailed
from twisted.internet.defer import Deferred
from zope.interface import implementer

from mailframe.interfaces.maybe import settled
from mailframe.model.address import Address

from .names import account_name, login_name


@implementer(ICredentialsChecker)
class LocalNames:
    """bob@one.example logs in where `checker` knows bob@one.example or bob; the account is bob@one.example either way.

    So it is the very account that the directory `everyone` gives mail for bob@one.example to. A bare bob means the one
    domain; where there are several, he stays bob.
    """

    def __init__(self, checker: ICredentialsChecker, domains: Collection[str]) -> None:
        """`domains`: ours, canonical."""
        self._checker = checker
        self._domains = frozenset(domains)
        self.credentialInterfaces = tuple(checker.credentialInterfaces)

    def requestAvatarId(self, credentials: object) -> Deferred[bytes | tuple[()]]:
        """See ICredentialsChecker."""
        return Deferred.fromCoroutine(self._ask(credentials))

    async def _ask(self, credentials: object) -> bytes | tuple[()]:
        if not IUsernamePassword.providedBy(credentials):
            return await self._of(credentials, None)
        assert isinstance(credentials, UsernamePassword)
        meant = login_name(bytes(credentials.username).decode("utf-8", "replace"), self._domains)
        address = Address.parse(meant) if meant is not None else None
        if address is None or address.domain not in self._domains:
            return await self._of(credentials, None)
        try:
            return await self._of(credentials, address)
        except LoginFailed:                  # the other spelling: asked for whoever it is, so that it tells nothing
            other = address.local if b"@" in credentials.username else str(address)
            return await self._of(UsernamePassword(other.encode("utf-8"), credentials.password), address)

    async def _of(self, credentials: object, meant: Address | None) -> bytes | tuple[()]:
        """The checker's answer, as an account's name."""
        found: bytes | str | tuple[()] = await settled(self._checker.requestAvatarId(credentials))
        if isinstance(found, tuple):
            return found
        text = found.decode("utf-8", "replace") if isinstance(found, bytes) else found
        if "@" not in text and meant is not None:
            text = f"{text}@{meant.domain}"
        try:
            return account_name(text).encode("utf-8")
        except ValueError:
            return text.encode("utf-8")
