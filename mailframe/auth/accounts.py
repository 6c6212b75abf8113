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

from mailframe.interfaces.directory import IDirectory, IValidSince
from mailframe.model.address import Address
from mailframe.model.domain import canonical_domain
from mailframe.model.route import Account, Remote, Resolution, Rewrite, Unknown

from .accountlines import Accounts, parse_accounts
from .hashing import DUMMY_HASH, HashPool
from .names import folded, login_name
from .remember import REMEMBER, RecentLogins, RememberSettings

Stamp = tuple[int, int, int, int]

_LOOK_AGAIN_S = 1.0             # at most one stat a second, however many ask


@implementer(ICredentialsChecker, IDirectory, IValidSince)
class AccountsFile:
    """``alice@one.example:$argon2id$...`` and ``info@one.example -> alice@one.example`` on lines of their own.

    A change of the file is noticed by the next login, and by the first question of the directory a second or more after the
    last look; a file that cannot be read then is logged, and what was read before stays in force.
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
        self.path = Path(path)
        self._domains = frozenset(canonical_domain(domain) for domain in domains)
        self._postmaster = Address.parse(postmaster) if postmaster else None
        self._clock = clock
        self._hashes = hashes or HashPool(reactor)
        self._recent = RecentLogins(secrets.token_bytes(32), clock.seconds, remember)
        self._accounts: Accounts | None = None
        self._stamp: Stamp | None = None
        self._looked_at = float("-inf")
        self._waiting: list[Deferred[None]] | None = None      # while the file is being read

    def load(self) -> None:
        """Read the file now, when the server starts. Raises ValueError in one sentence that names the file, and the line."""
        try:
            stamp = self._look()
            self._accounts = _read(self.path, self._domains)
            mode = self.path.stat().st_mode
        except OSError as error:
            raise ValueError(f"the accounts file {self.path} cannot be read: {error.strerror}") from None
        self._stamp = stamp
        if mode & 0o077:
            self._log.warn("{path} can be read by others: chmod 600 {path}", path=str(self.path))     # I9

    @property
    def count(self) -> int:
        """The accounts in force."""
        return len(self._accounts.hashes) if self._accounts is not None else 0

    async def close(self) -> None:
        """End the hashing threads."""
        self._hashes.close()

    # ICredentialsChecker

    def requestAvatarId(self, credentials: IUsernamePassword) -> Deferred[bytes | tuple[()]]:
        """The account's name in UTF-8. Fails with UnauthorizedLogin, alike in words and time for an unknown user and a
        wrong password, or with TryAgainLater."""
        return Deferred.fromCoroutine(self._check(credentials))

    async def _check(self, credentials: IUsernamePassword) -> bytes | tuple[()]:
        accounts = await self._current(now=True)
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

    # IValidSince

    async def valid_since(self, addresses: Sequence[Address]) -> Sequence[float | None]:
        """See IValidSince: an account's line may say so; of an alias nobody knows whom it meant before."""
        accounts = await self._current()
        found = [accounts.find(address) for address in addresses]
        return [accounts.since.get(each) if isinstance(each, str) else None for each in found]

    # Rereading

    async def _current(self, now: bool = False) -> Accounts:
        """`now`: for a login, which must not be let in by a password that was changed a moment ago."""
        if self._accounts is None:
            self.load()
            assert self._accounts is not None
        elif now or not 0 <= self._clock.seconds() - self._looked_at < _LOOK_AGAIN_S:
            await self.reload()
        return self._accounts

    async def reload(self) -> None:
        """Look at the file now, and read it again if it has changed; what is wrong with it is logged, once."""
        while self._waiting is not None:     # somebody reads it: what he reads is for us, too
            turn: Deferred[None] = Deferred()
            self._waiting.append(turn)
            await turn
        try:
            stamp: Stamp | None = self._look()
        except OSError as error:
            if self._stamp is not None:
                self._log.error("the accounts file stays as it was read before: {error}", error=error)
            self._stamp = None
            return
        if stamp != self._stamp:
            again, self._stamp = self._stamp is None, stamp
            await self._reread(again)

    async def _reread(self, again: bool) -> None:
        """`again`: it failed the last time, which is known from the log."""
        self._waiting = []
        try:
            self._accounts = await self._hashes.run_however_many_wait(_read, self.path, self._domains)
        except ValueError as error:
            self._log.error("the accounts file stays as it was read before: {error}", error=error)
        except OSError as error:
            self._stamp = None               # perhaps there was no file descriptor to be had: the next one tries
            if not again:
                self._log.error("the accounts file stays as it was read before: {error}", error=error)
        except BaseException:
            self._stamp = None               # who waited was cut off, and the next one has to read it
            raise
        else:
            self._log.info("read {path} again: {count} accounts", path=str(self.path), count=len(self._accounts.hashes))
        finally:
            waiting, self._waiting = self._waiting, None
            for turn in waiting:
                turn.callback(None)

    def _look(self) -> Stamp:
        self._looked_at = self._clock.seconds()
        status = os.stat(self.path)
        return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino    # ctime: who may read it has changed


def _read(path: Path, domains: frozenset[str]) -> Accounts:
    try:
        text = path.read_text(encoding="utf-8-sig")     # some editors begin a file with U+FEFF
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
