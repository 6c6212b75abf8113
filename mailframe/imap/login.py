"""Who may show a password, who logs in, and how little a failure tells."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from twisted.cred.credentials import UsernamePassword
from twisted.cred.error import LoginFailed as CredLoginFailed
from twisted.cred.error import Unauthorized
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import providedBy

from mailframe.interfaces.auth import IMailUser
from mailframe.interfaces.finding import found
from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IAccount
from mailframe.model.client import Client, is_near
from mailframe.model.mailbox import INBOX
from mailframe.model.refusal import LoginFailed, Refusal, TryAgainLater

__all__ = ["Portal", "User", "allowed", "delay", "log_in"]

_log = Logger()


@dataclass(frozen=True, slots=True)
class User:
    """Whoever is logged in. `parts`: the account and one of its mailboxes, whose interfaces say what can be done here."""

    name: str
    account: IAccount
    parts: tuple[object, ...]
    logout: Callable[[], object]
    provided: Hashable      # what `parts` provide, as `Context.provided` has it


def allowed(rule: str, secure: bool, remote: str) -> bool:
    """Whether a password may come over this connection: rule "tls", "loopback" or "always"."""
    if secure or rule == "always":
        return True
    return rule == "loopback" and is_near(remote)


async def log_in(portal: Portal, user: str, password: str, client: Client) -> User:
    """Raises LoginFailed for any reason of the user's, TryAgainLater when we could not look (the reason is logged)."""
    credentials = UsernamePassword(user.encode(), password.encode())
    try:
        found: Any = await portal.login(credentials, client, IMailUser)
        _, avatar, logout = found
        account: IAccount = await settled(avatar.open_account())
        parts = await _parts(account)
        return User(avatar.name, account, parts, logout, tuple(map(providedBy, parts)))
    except (CredLoginFailed, Unauthorized):
        raise LoginFailed from None
    except Refusal:
        raise
    except Exception:
        _log.failure("Login could not be decided")
        raise TryAgainLater from None


async def _parts(account: IAccount) -> tuple[object, ...]:
    info = await found(account, INBOX)
    return (account,) if info is None else (account, await settled(account.open_mailbox(info.id)))


async def delay(clock: IReactorTime, seconds: float) -> None:
    """Return after `seconds`."""
    later: Deferred[None] = Deferred()
    clock.callLater(seconds, later.callback, None)
    await later
