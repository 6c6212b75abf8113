"""The accounts file as a credentials checker and a directory, reread when it changes."""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from mailframe.interfaces.directory import IDirectory
from mailframe.model.address import Address
from mailframe.model.domain import canonical_domain
from mailframe.model.route import Account, Remote, Resolution, Rewrite, Unknown

from .accountlines import Accounts, parse_accounts
from .hashing import DUMMY_HASH, HashPool
from .names import folded, login_name
from .remember import REMEMBER, RecentLogins, RememberSettings

_LOOK_AGAIN_S = 1.0             # at most one stat a second, however many ask


@implementer(ICredentialsChecker, IDirectory)
class AccountsFile:
    """``alice@one.example:$argon2id$...`` and ``info@one.example -> alice@one.example`` on lines of their own.

    A change of the file is noticed by the first request a second or more after the last look; a file that cannot be
    read then is logged, and what was read before stays in force.
    """

    credentialInterfaces = (IUsernamePassword,)
    _log = Logger()

    def __init__(
        self, path: str | Path, *, reactor: Any, clock: IReactorTime, domains: Collection[str] = (),
        postmaster: str | None = None, remember: RememberSettings = REMEMBER, hashes: HashPool | None = None,
    ) -> None:
        """Opens nothing; `load` does. `domains`: the server's own, empty for those of the accounts.

        `postmaster`: the address that gets the mail of every postmaster@ that the file does not name itself (RFC 5321
        section 4.5.1); None: its catch-all, or else its first account. Raises ValueError for a domain or address that is none.
        """
        self._path = Path(path)
        self._domains = frozenset(canonical_domain(domain) for domain in domains)
        self._postmaster = Address.parse(postmaster) if postmaster else None
        self._clock = clock
        self._hashes = hashes or HashPool(reactor)
        self._recent = RecentLogins(secrets.token_bytes(32), clock.seconds, remember)
        self._accounts: Accounts | None = None
        self._stamp: tuple[int, int, int] | None = None
        self._looked_at = float("-inf")

    def load(self) -> None:
        """Read the file now, when the server starts. Raises ValueError in one sentence that names the file, and the line."""
        try:
            stamp = self._look()
            self._accounts = _read(self._path, self._domains)
            mode = self._path.stat().st_mode
        except OSError as error:
            raise ValueError(f"the accounts file {self._path} cannot be read: {error.strerror}") from None
        self._stamp = stamp
        if mode & 0o077:
            self._log.warn("{path} can be read by others: chmod 600 {path}", path=str(self._path))     # I9

    async def close(self) -> None:
        """End the hashing threads."""
        self._hashes.close()

    # ICredentialsChecker

    def requestAvatarId(self, credentials: IUsernamePassword) -> Deferred[bytes | tuple[()]]:
        """The account's name in UTF-8. Fails with UnauthorizedLogin, alike in words and time for an unknown user and a
        wrong password, or with TryAgainLater."""
        return Deferred.fromCoroutine(self._check(credentials))

    async def _check(self, credentials: IUsernamePassword) -> bytes | tuple[()]:
        accounts = await self._current()
        user, password = _text(credentials.username), _text(credentials.password)
        name = login_name(user, accounts.domains) if user is not None else None
        stored = accounts.hashes.get(name) if name is not None else None
        if name is not None and stored is not None and password is not None:
            if self._recent.knows(name, password, stored):
                return name.encode()
            if await self._hashes.verify(stored, password):
                self._recent.note(name, password, stored)
                return name.encode()
        else:
            await self._hashes.verify(DUMMY_HASH, password or "-")
        raise UnauthorizedLogin("Wrong user name or password")

    # IDirectory

    async def resolve(self, addresses: Sequence[Address]) -> Sequence[Resolution]:
        """See IDirectory."""
        accounts = await self._current()
        return [self._resolve(accounts, address) for address in addresses]

    def _resolve(self, accounts: Accounts, address: Address) -> Resolution:
        is_postmaster = address.local.lower() == "postmaster"
        if address.domain not in accounts.domains and not (is_postmaster and not address.domain):
            return Remote()
        found = accounts.find(address)
        if isinstance(found, str):
            return Account(found)
        if is_postmaster and folded(address) not in accounts.aliases:
            found = self._postmaster_targets(accounts, address, found)
        return Rewrite(found) if found else Unknown()

    def _postmaster_targets(
        self, accounts: Accounts, address: Address, catch_all: tuple[Address, ...] | None,
    ) -> tuple[Address, ...] | None:
        """Where the file has no line for it: the setting, the catch-all, the first account."""
        if self._postmaster is not None and folded(self._postmaster) != folded(address):
            return (self._postmaster,)
        first = next(iter(accounts.hashes), None)
        return catch_all or ((Address.parse(first),) if first else None)

    async def may_send_as(self, account: str, address: Address) -> bool:
        """Its own address with any subaddress, and whatever leads to it through aliases."""
        accounts = await self._current()
        if accounts.leads_to(address, account):
            return True
        is_postmaster = address.local.lower() == "postmaster" and address.domain in accounts.domains
        found = self._resolve(accounts, address) if is_postmaster else None
        return isinstance(found, Rewrite) and any(accounts.leads_to(target, account) for target in found.addresses)

    # Rereading

    async def _current(self) -> Accounts:
        if self._accounts is None:
            self.load()
            assert self._accounts is not None
        elif self._clock.seconds() - self._looked_at >= _LOOK_AGAIN_S:
            await self._reread_if_changed()
        return self._accounts

    async def _reread_if_changed(self) -> None:
        before = self._stamp
        try:
            stamp = self._look()
            if stamp == before:
                return
            self._stamp = stamp     # nobody else need read it
            self._accounts = await self._hashes.run_however_many_wait(_read, self._path, self._domains)
        except (OSError, ValueError) as error:
            self._log.error("the accounts file stays as it was read before: {error}", error=error)
        except BaseException:
            self._stamp = before    # who waited was cut off, and the next one has to read it
            raise
        else:
            self._log.info("read {path} again: {count} accounts", path=str(self._path), count=len(self._accounts.hashes))

    def _look(self) -> tuple[int, int, int]:
        self._looked_at = self._clock.seconds()
        status = os.stat(self._path)
        return status.st_mtime_ns, status.st_size, status.st_ino


def _read(path: Path, domains: frozenset[str]) -> Accounts:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text (octet {error.start})") from None
    return parse_accounts(text, str(path), domains)


def _text(octets: bytes | str) -> str | None:
    if isinstance(octets, str):
        return octets
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return None
