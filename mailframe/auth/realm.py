"""The realm that hands out a mail user to whoever a checker has let in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import IRealm, Portal
from twisted.internet.defer import CancelledError
from twisted.logger import Logger
from zope.interface import Interface, implementer

from mailframe.interfaces.auth import IMailUser
from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IAccount, IMailStore
from mailframe.model.mailbox import FRESH_ACCOUNT, NewMailbox
from mailframe.model.refusal import InternalError, Refusal

from .anyof import AnyOf
from .names import check_account_name

_log = Logger()


@implementer(IMailUser)
class MailUser:
    """One login's avatar; opens the account when asked, not before."""

    def __init__(self, name: str, store: IMailStore, fresh: Sequence[NewMailbox]) -> None:
        self.name = name
        self._store = store
        self._fresh = fresh

    async def open_account(self) -> IAccount:
        """See IMailUser. Raises Refusal only; the store's faults are logged with its name (I7)."""
        store = type(self._store).__name__
        try:
            account = await settled(self._store.open_account(self.name, self._fresh))
        except Refusal:
            raise
        except CancelledError:
            _log.error("{store} had not opened the account {name} when it was given up", store=store, name=self.name)
            raise
        except Exception as error:
            _log.failure("{store} failed to open the account {name}", store=store, name=self.name)
            raise InternalError(detail=f"{store}.open_account failed") from error
        if not IAccount.providedBy(account):
            what = type(account).__name__
            _log.error("{store} opened {what} for {name}, which is no IAccount", store=store, what=what, name=self.name)
            raise InternalError(detail=f"{store}.open_account gave no IAccount")
        return account


@implementer(IRealm)
class MailRealm:
    """Accounts of one store. An avatar id may be bytes (UTF-8) or text, as checkers of all ages give it."""

    def __init__(self, store: IMailStore, fresh: Sequence[NewMailbox] = FRESH_ACCOUNT) -> None:
        self._store = store
        self._fresh = tuple(fresh)

    def requestAvatar(
        self, avatarId: bytes | str | tuple[()], mind: object, *interfaces: type[Interface],
    ) -> tuple[type[Interface], MailUser, Callable[[], None]]:
        """Raises UnauthorizedLogin for the anonymous and for names that must not reach a store, NotImplementedError
        (as cred asks for) when no IMailUser is wanted."""
        if IMailUser not in interfaces:
            raise NotImplementedError("this realm gives out IMailUser only")
        try:
            name = avatarId.decode("utf-8") if isinstance(avatarId, bytes) else avatarId
            if not isinstance(name, str):
                raise ValueError("nobody may read mail anonymously")
            check_account_name(name)
        except ValueError as error:
            raise UnauthorizedLogin(str(error)) from None
        return IMailUser, MailUser(name, self._store, self._fresh), _no_logout


def _no_logout() -> None:
    """A session keeps nothing in the realm."""


def portal(store: IMailStore, checkers: Iterable[ICredentialsChecker], fresh: Sequence[NewMailbox] = FRESH_ACCOUNT) -> Portal:
    """A portal over `store`. Of several checkers for one kind of credentials each is asked in turn until one says yes."""
    made = Portal(MailRealm(store, fresh))
    every = tuple(checkers)
    kinds = {kind: None for checker in every for kind in checker.credentialInterfaces}
    for kind in kinds:
        able = [checker for checker in every if kind in checker.credentialInterfaces]
        made.registerChecker(AnyOf(able), kind)
    return made
