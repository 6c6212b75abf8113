"""Development mode's checker and directory: one account, and every address is somebody's."""

from __future__ import annotations

import hmac
import os
from collections.abc import Sequence
from pathlib import Path
from random import Random

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from mailframe.interfaces.directory import IDirectory
from mailframe.model.address import Address
from mailframe.model.mailbox import FRESH_ACCOUNT, NewMailbox
from mailframe.model.route import Account, Resolution

from .names import folded, login_name, without_subaddress

NAME = "dev@localhost"
CAPTURED = "Captured"            # where mail for everybody else lands

#: What the account is given at first: the usual folders and the one for captured mail.
FRESH_DEVELOPMENT: tuple[NewMailbox, ...] = (*FRESH_ACCOUNT, NewMailbox(CAPTURED, None, True))

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # without what looks alike
_LENGTH = 12                     # 59 bits, on loopback


@implementer(ICredentialsChecker, IDirectory)
class DevelopmentAuth:
    """`dev@localhost` (or just `dev`) with a password that is made once and kept in ``password`` in the data folder."""

    credentialInterfaces = (IUsernamePassword,)

    def __init__(self, data: Path, random: Random) -> None:
        """`random`: a `random.SystemRandom()`. Nothing is read or written before `password` is asked for."""
        self._file = data / "password"
        self._random = random
        self._password: str | None = None

    @property
    def password(self) -> str:
        """Read from the file, or made and written there (0600). Raises OSError."""
        if self._password is None:
            try:
                self._password = self._file.read_text("ascii").strip() or self._make()
            except FileNotFoundError:
                self._password = self._make()
        return self._password

    def _make(self) -> str:
        password = "".join(self._random.choice(_ALPHABET) for _ in range(_LENGTH))
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(password + "\n")
        return password

    def requestAvatarId(self, credentials: IUsernamePassword) -> Deferred[bytes | tuple[()]]:
        """See ICredentialsChecker."""
        user = bytes(credentials.username).decode("utf-8", "replace")
        right = hmac.compare_digest(bytes(credentials.password), self.password.encode("ascii"))
        if right and login_name(user, ("localhost",)) == NAME:
            return succeed(NAME.encode("ascii"))
        return fail(UnauthorizedLogin("Wrong user name or password"))

    async def resolve(self, addresses: Sequence[Address]) -> Sequence[Resolution]:
        """Its own address leads to INBOX, every other to the folder `Captured`."""
        return [Account(NAME) if _is_dev(address) else Account(NAME, CAPTURED) for address in addresses]

    async def may_send_as(self, account: str, address: Address) -> bool:
        """Anybody: the applications under development have addresses of their own, and nothing leaves the machine."""
        return account == NAME


def _is_dev(address: Address) -> bool:
    return folded(without_subaddress(address) or address) == NAME
