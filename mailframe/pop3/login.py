"""From a user name and a password to a mail user, through the portal."""

from __future__ import annotations

from collections.abc import Callable

from twisted.cred.credentials import UsernamePassword
from twisted.cred.error import LoginFailed as CredLoginFailed
from twisted.cred.portal import Portal

from mailframe.interfaces.auth import IMailUser
from mailframe.model.client import Client
from mailframe.model.refusal import LoginFailed


async def authenticate(
    portal: Portal, user: str, password: str, authzid: str, client: Client,
) -> tuple[IMailUser, Callable[[], None]]:
    """The user, and what tells the realm that the user has left.

    Raises LoginFailed (unknown user and wrong password alike), or what else the checker raises.
    """
    credentials = UsernamePassword(user.encode("utf-8"), password.encode("utf-8"))
    try:
        found: tuple[object, IMailUser, Callable[[], None]] = await portal.login(  # type: ignore[assignment]
            credentials, client, IMailUser)
    except CredLoginFailed as error:
        raise LoginFailed(detail=type(error).__name__) from None
    _, avatar, logout = found
    if authzid not in ("", user, avatar.name):
        logout()
        raise LoginFailed(detail="may not act as somebody else")     # RFC 4616 section 2
    return avatar, logout
